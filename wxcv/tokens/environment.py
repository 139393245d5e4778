"""The credential that the environment names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.tokens.app import AppCredential
from wxcv.tokens.static import StaticTokenCredential

if TYPE_CHECKING:
    from wxcv.tokens.credential import Credential


def credential_from_env() -> Credential:
    """Make the credential that the environment names; a variable that is wrong is named, not shown."""
    appid, secret, token = (os.environ.get(f"WXCV_{name}") for name in ("APPID", "SECRET", "ACCESS_TOKEN"))
    if token and (appid or secret):
        raise ValueError("set either WXCV_ACCESS_TOKEN, or WXCV_APPID and WXCV_SECRET, not both")
    if token:
        return StaticTokenCredential(checks.plain("WXCV_ACCESS_TOKEN", token))
    if appid and secret:
        return AppCredential(checks.plain("WXCV_APPID", appid), checks.plain("WXCV_SECRET", secret))
    missing = " and ".join(
        f"WXCV_{name}" for name, value in (("APPID", appid), ("SECRET", secret)) if not value
    )
    raise ValueError(f"set the environment variables {missing} (or WXCV_ACCESS_TOKEN)")
