"""State that processes share: what is stored, without the rules for tokens."""
