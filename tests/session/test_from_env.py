"""Sessions from the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import pictures

import wxcv

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox


async def test_from_env_takes_the_variables(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """from_env needs WXCV_APPID and WXCV_SECRET and takes WXCV_BASE_URL."""
    monkeypatch.setenv("WXCV_APPID", box.appid)
    monkeypatch.setenv("WXCV_SECRET", box.secret)
    monkeypatch.setenv("WXCV_BASE_URL", box.base_url)
    async with wxcv.Session.from_env(concurrency=2) as session:
        assert (await session.scan_qrcode(pictures.qr_png("x"))).code_results


def test_from_env_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """from_env without its variables names those that are missing."""
    monkeypatch.delenv("WXCV_APPID", raising=False)
    monkeypatch.setenv("WXCV_SECRET", "MARKED")
    with pytest.raises(ValueError, match="WXCV_APPID") as caught:
        wxcv.Session.from_env()

    assert "MARKED" not in str(caught.value)
    assert "WXCV_SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WXCV_SECRET", "MARKED\n"),
        ("WXCV_APPID", "MARKED id"),
        ("WXCV_BASE_URL", "https://host/path"),
        ("WXCV_ACCESS_TOKEN", "MARKED\n"),
    ],
)
def test_from_env_names_the_variable_that_is_wrong(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable with a value that cannot be used is named, and its value is not shown."""
    fixed = {} if name == "WXCV_ACCESS_TOKEN" else {"WXCV_APPID": "wx1", "WXCV_SECRET": "s"}
    for variable, text in {**fixed, name: value}.items():
        monkeypatch.setenv(variable, text)
    with pytest.raises(ValueError, match=f"^{name} must") as caught:
        wxcv.Session.from_env()

    assert "MARKED" not in str(caught.value)
