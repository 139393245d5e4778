"""How an account gets its token: credentials, the cache and its refreshes."""
