"""State that processes share; it knows nothing of the rules for tokens."""
