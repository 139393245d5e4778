"""Journals: what became of every image of bulk runs, in a file that survives crashes."""
