"""The benchmarks: a module for each name on the command line."""
