"""Clients that are compared: wxcv, and what a user would write by hand."""
