"""Engines that read codes and text, and find crops."""
