"""Session, the public API: its calls, its batches and its lifecycle."""
