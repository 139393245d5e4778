"""What WeChat knows, without HTTP: accounts, tokens, quotas, answers and choices."""
