"""Integrations: wxcv in the frameworks of its users, over its public names only."""
