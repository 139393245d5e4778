"""What answer sources know needs no send, also in a batch that was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support import pictures
from support.accounts import APP
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from aiohttp import web

IMAGES = [pictures.qr_png(f"image {number}") for number in range(6)]


class Knows:
    """A source that knows some images."""

    name = "knows"

    def __init__(self, *images: bytes) -> None:
        self.images = images

    async def find(self, _endpoint: object, image: Any, _fields: object) -> Any:
        """Return an answer for an image that it knows."""
        return wxcv.QrcodeScan() if image.data in self.images else None


async def test_a_stopped_batch_still_answers_what_needs_no_send() -> None:
    """After the quota has ended, images that a source knows are "ok", and the others "not_sent"."""
    calls, tokens = 0, 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        await request.read()
        calls += 1
        return answer(errcode=45009, errmsg="reach max api daily quota limit")

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens
        tokens += 1
        return answer(access_token="T", expires_in=7200)

    sources = [Knows(IMAGES[2], IMAGES[5])]
    async with (
        api_server(call, token_page) as url,
        wxcv.Session(APP, base_url=url, concurrency=1, answer_sources=sources) as session,
        session.batch(wxcv.SCAN_QRCODE, [*IMAGES, b""]) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert [(outcome.status, outcome.source) for outcome in outcomes] == [
        ("failed", None),
        ("not_sent", None),
        ("ok", "knows"),
        ("not_sent", None),
        ("not_sent", None),
        ("ok", "knows"),
        ("not_sent", None),
    ]
    assert (calls, tokens) == (1, 1)


async def test_a_batch_without_tokens_still_answers_what_needs_no_send() -> None:
    """If no token can be had, an image that a source knows is "ok", and the token is asked for once."""
    tokens = 0

    async def token_page(_request: web.Request) -> web.StreamResponse:
        nonlocal tokens
        tokens += 1
        return answer(errcode=40125, errmsg="invalid appsecret")

    async def call(_request: web.Request) -> web.StreamResponse:
        raise AssertionError

    sources = [Knows(IMAGES[2])]
    async with (
        api_server(call, token_page) as url,
        wxcv.Session(APP, base_url=url, concurrency=1, answer_sources=sources) as session,
        session.batch(wxcv.SCAN_QRCODE, IMAGES) as batch,
    ):
        outcomes = [outcome async for outcome in batch]

    assert [outcome.status for outcome in outcomes] == ["not_sent"] * 2 + ["ok"] + ["not_sent"] * 3
    assert tokens == 1
