"""Decoders of codes and printed text."""
