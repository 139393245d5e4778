"""The examples of web apps are run, with the sandbox for WeChat."""

from __future__ import annotations

import runpy
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from support.pictures import PICTURE
from support.places import TESTS
from support.web_apps import serve_aiohttp, serve_asgi

import wxcv

if TYPE_CHECKING:
    from wxcv.sandbox import Sandbox


@pytest.fixture(autouse=True)
def _account(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sandbox stand in for WeChat in programs that take the account from the environment."""
    monkeypatch.setenv("WXCV_APPID", box.appid)
    monkeypatch.setenv("WXCV_SECRET", box.secret)
    monkeypatch.setenv("WXCV_BASE_URL", box.base_url)
    monkeypatch.delenv("WXCV_STORE", raising=False)


def load(name: str) -> dict[str, Any]:
    """Return the names that an example defines."""
    return runpy.run_path(str(TESTS / "examples" / name))


async def check_codes(http: httpx.AsyncClient) -> None:
    """Assert that the app reads an image, refuses a text and refuses a large file."""
    reply = await http.post("/codes", files={"image": ("a.png", PICTURE, "image/png")})
    assert wxcv.QrcodeScan.from_dict(reply.json()).code_results[0].data == "x"
    for content, status in ((b"text", 400), (bytes(2 * 1024 * 1024), 413)):
        refused = await http.post("/codes", content=content)
        assert (refused.status_code, refused.json()["status"]) == (status, status)


async def test_the_example_of_fastapi_runs() -> None:
    """The app reads codes, and describes its answers."""
    async with serve_asgi(load("fastapi_app.py")["app"]) as url, httpx.AsyncClient(base_url=url) as http:
        await check_codes(http)
        described = (await http.get("/openapi.json")).json()

    assert {"QrcodeScan", "PrintedText"} <= set(described["components"]["schemas"])


async def test_the_example_of_aiohttp_runs() -> None:
    """The app reads codes."""
    async with serve_aiohttp(load("aiohttp_app.py")["make_app"]()) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            await check_codes(http)
