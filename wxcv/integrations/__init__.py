"""Ways into frameworks: one module for each, over public names only."""
