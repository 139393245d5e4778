"""Accounts whose secrets tests look for."""

import wxcv

TOKEN = "MARKED-TOKEN"
SECRET = "MARKED-SECRET"
APP = wxcv.AppCredential("wx1", SECRET)
CLASSIC = wxcv.AppCredential("wx1", SECRET, stable=False)
STATIC = wxcv.StaticTokenCredential(TOKEN)
COMPONENT = wxcv.ComponentCredential("wxp", "MARKED-APPSECRET", "MARKED-TICKET")
MERCHANT = wxcv.AuthorizerCredential(COMPONENT, "wxm", "MARKED-R0")
REFUSAL = wxcv.TokenRejectedError(42001, "access_token expired")
QUICK = wxcv.RetryPolicy(base=0.01, cap=0.02)
"""Retries that no test waits for."""
