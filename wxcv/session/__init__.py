"""Session: what a program awaits."""
