"""From what the caller passes to checked bytes."""
