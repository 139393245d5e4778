"""WeChat's state and rules, without HTTP: accounts, tokens, quotas, answers and choices."""
