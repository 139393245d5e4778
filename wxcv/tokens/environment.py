"""The credential from the environment variables."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.tokens.app import AppCredential
from wxcv.tokens.static import StaticTokenCredential

if TYPE_CHECKING:
    from wxcv.tokens.credential import Credential


def credential_from_env() -> Credential:
    """Make a credential from WXCV_APPID and WXCV_SECRET, or from WXCV_ACCESS_TOKEN.

    Raises:
        ValueError: a variable is missing, wrong, or conflicts with another; its value is never shown.
    """
    appid, secret, token = (os.environ.get(f"WXCV_{name}") for name in ("APPID", "SECRET", "ACCESS_TOKEN"))
    if token and (appid or secret):
        raise ValueError("set either WXCV_ACCESS_TOKEN, or WXCV_APPID and WXCV_SECRET, not both")
    if token:
        return StaticTokenCredential(checks.check_token_text("WXCV_ACCESS_TOKEN", token))
    if appid and secret:
        return AppCredential(
            checks.check_token_text("WXCV_APPID", appid), checks.check_token_text("WXCV_SECRET", secret)
        )
    missing = " and ".join(
        f"WXCV_{name}" for name, value in (("APPID", appid), ("SECRET", secret)) if not value
    )
    raise ValueError(f"set the environment variables {missing} (or WXCV_ACCESS_TOKEN)")
