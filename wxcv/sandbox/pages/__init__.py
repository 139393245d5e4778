"""The HTTP side of the sandbox's endpoints."""
