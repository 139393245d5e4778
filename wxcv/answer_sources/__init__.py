"""Answers that need no send."""
