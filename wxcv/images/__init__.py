"""Images: turns what the caller passes into checked bytes or a checked URL."""
