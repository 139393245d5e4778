"""The HTTP pages of the sandbox."""
