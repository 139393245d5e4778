"""What the sandbox says to a request that does not tell the length of its body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import GOOD, calling, found

from wxcv.sandbox import Choices, Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def _in_chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [QRCODE, COMM, "/cgi-bin/token", "/cgi-bin/stable_token", "/cgi-bin/component/api_component_token"],
)
async def test_chunked_body_is_http_412(path: str, method: str) -> None:
    """A body without Content-Length is HTTP 412 on every page, without JSON, and nothing is made or spent."""
    async with (
        calling() as caller,
        caller.http.request(method, caller.box.base_url + path, data=_in_chunks(b"{}")) as answer,
    ):
        assert (answer.status, b"{" in await answer.read()) == (412, False)
        assert caller.box.requests == {path: 1}
        assert not caller.box.tokens_issued
        assert [(it.status, it.errcode, it.size) for it in caller.box.received] == [(412, 0, 0)] * (
            path in {QRCODE, COMM}
        )


async def test_chunked_upload_of_any_size_gets_its_answer() -> None:
    """A sender of 8 MiB in chunks reads its 412, and its connection goes on."""
    async with calling() as caller:
        url = caller.box.base_url + QRCODE
        async with caller.http.post(url, data=_in_chunks(bytes(8 * 1024 * 1024))) as answer:
            assert answer.status == 412
        assert await caller.errcode((await caller.token())["access_token"]) == GOOD


async def test_accept_chunked() -> None:
    """With `accept_chunked` an upload in chunks is read like any other."""
    form = aiohttp.FormData()
    form.add_field("img", pictures.qr_png("hi"), filename="a.png")
    payload = form()
    async with calling(choices=Choices(accept_chunked=True)) as caller:
        answer = await caller.call(
            *("POST", QRCODE),
            params=await caller.token(),
            data=_in_chunks(await payload.as_bytes()),
            headers={"Content-Type": payload.content_type},
        )

    assert found(answer) == [("QR_CODE", "hi")]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /cv/img/qrcode HTTP/1.1\r\n", b"200"),
        (b"DELETE /cv/img/qrcode HTTP/1.1\r\n", b"200"),
        (b"POST /cv/img/qrcode HTTP/1.1\r\nContent-Length: 0\r\n", b"200"),
        (b"POST /cv/img/qrcode HTTP/1.1\r\n", b"412"),
        (b"PUT /cv/img/qrcode HTTP/1.1\r\n", b"412"),
    ],
)
async def test_request_without_a_body(head: bytes, status: bytes) -> None:
    """A GET without a body needs no Content-Length, a POST without a body does."""
    async with calling() as caller:
        host, port = caller.box.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(head + b"Host: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
        finally:
            writer.close()


async def test_fault_comes_before_the_412() -> None:
    """A scripted answer is given to a request in chunks too, and a delayed one is still 412."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, Fault(status=503), Fault(delay=0.01))
        statuses = []
        for _ in range(2):
            async with caller.http.post(caller.box.base_url + QRCODE, data=_in_chunks(b"x")) as answer:
                statuses.append(answer.status)

    assert statuses == [503, 412]
    assert [it.status for it in caller.box.received] == [503, 412]
