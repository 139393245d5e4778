"""A session from end to end, against a sandbox or a scripted server."""

from __future__ import annotations

import asyncio
import contextvars
import io
import os
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support import pictures
from support.accounts import APP
from support.pages import QRCODE
from support.servers import answer, api_server
from support.timeouts import end_calls
from support.tokens import turn

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from wxcv.sandbox import Sandbox

LIMIT = 2 * 1024 * 1024


async def test_a_code_is_read_from_end_to_end(session: wxcv.Session) -> None:
    """A QRCODE code drawn here comes back with its text, its corners and the size of its picture."""
    scan = await session.scan_qrcode(pictures.qr_png("https://example.com/42"))
    (code,) = scan.code_results

    assert (code.type_name, code.data) == ("QR_CODE", "https://example.com/42")
    assert code.pos is not None
    assert scan.img_size is not None
    assert 0 <= code.pos.left_top.x < code.pos.right_bottom.x <= scan.img_size.w


async def test_text_is_read_from_end_to_end(session: wxcv.Session) -> None:
    """Lines drawn here come back as text with their corners."""
    page = await session.printed_text(pictures.text_png(["HELLO WORLD", "2026"]))

    assert page.text.splitlines() == ["HELLO WORLD", "2026"]
    assert all(item.pos for item in page.items)


async def test_objects_that_wait_do_not_hold_up_files(session: wxcv.Session, tmp_path: Path) -> None:
    """A file is read while path objects of the caller's own wait; these see the context of their call."""
    path, go = tmp_path / "x.png", threading.Event()
    path.write_bytes(pictures.qr_png("same"))
    where: contextvars.ContextVar[Path] = contextvars.ContextVar("where")
    where.set(path)

    class Slow(os.PathLike[str]):
        def __fspath__(self) -> str:
            go.wait()
            return str(where.get())

    slow = [asyncio.create_task(session.scan_qrcode(Slow())) for _ in range(3)]
    scan = await session.scan_qrcode(path)
    go.set()

    assert [scan] * 3 == await asyncio.gather(*slow)


async def test_all_kinds_of_input_are_sent(session: wxcv.Session, box: Sandbox, tmp_path: Path) -> None:
    """Bytes, a path and a file object are uploaded as the same bytes under a name from their content."""
    picture = pictures.qr_png("same")
    path = tmp_path / "x.jpeg"
    path.write_bytes(picture)
    for image in (picture, path, str(path), io.BytesIO(picture)):
        assert (await session.scan_qrcode(image)).code_results[0].data == "same"

    uploads = [one for one in box.received if one.path == QRCODE]
    assert {(one.filename, one.content_type, one.size, one.part_length) for one in uploads} == {
        ("image.png", "image/png", len(picture), len(picture))
    }
    assert len({one.sha256 for one in uploads}) == 1


async def test_one_byte_less_than_two_megabytes_is_sent_and_no_more(
    session: wxcv.Session, box: Sandbox
) -> None:
    """2,097,151 bytes reach the server; 2,097,152 are refused here and the server sees no request."""
    scan = await session.scan_qrcode(pictures.padded_png(LIMIT - 1))
    assert scan.code_results == ()
    assert box.requests[QRCODE] == 1

    with pytest.raises(wxcv.ImageTooLargeError) as caught:
        await session.scan_qrcode(pictures.padded_png(LIMIT))
    assert box.requests[QRCODE] == 1
    assert caught.value.sends == 0


async def test_a_refused_image_costs_neither_token_nor_call(session: wxcv.Session, box: Sandbox) -> None:
    """An image that is refused here asks for no token and sends nothing."""
    for image in (b"", b"text", "missing.png", "ftp://example.com/a.png"):
        with pytest.raises(wxcv.ImageError):
            await session.scan_qrcode(image)

    assert not box.requests
    assert not box.tokens_issued


async def test_a_url_is_fetched_by_the_server() -> None:
    """An image URL is handed on, and the server fetches it."""
    from wxcv.sandbox import Sandbox

    async def serve(_request: web.Request) -> web.StreamResponse:
        return aiohttp.web.Response(body=pictures.qr_png("by url"), content_type="image/png")

    async with (
        api_server(serve) as pictures_url,
        Sandbox(allow_loopback=True) as box,
        wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url) as session,
    ):
        scan = await session.scan_qrcode(f"{pictures_url}/cv/a/b?x=1&y=%20")

    assert scan.code_results[0].data == "by url"


async def test_a_loopback_url_is_refused_by_default(session: wxcv.Session) -> None:
    """A sandbox without its switch does not fetch from this machine, and the error is WeChat's."""
    with pytest.raises(wxcv.ImageUrlRejectedError) as caught:
        await session.scan_qrcode("http://127.0.0.1:9/a.png")

    assert caught.value.errcode == 101000
    assert caught.value.rid


async def test_no_more_calls_run_than_the_concurrency() -> None:
    """With three slots, three uploads are at the server at a time, and never more."""
    now = most = 0
    three_are_here = asyncio.Barrier(3)

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await request.read()
        await three_are_here.wait()
        await turn(20)  # for a fourth, if there is one
        now -= 1
        return answer(errcode=0, code_results=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=3) as session:
        await asyncio.gather(*(session.scan_qrcode(pictures.qr_png("x")) for _ in range(12)))

    assert most == 3


async def test_cold_callers_do_not_deadlock_on_their_slots() -> None:
    """With one slot, a call whose token must be fetched first still ends."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, items=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=1) as session:
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(session.printed_text(pictures.qr_png("x")) for _ in range(5)))

    assert answers == [wxcv.PrintedText()] * 5


async def test_call_timeout_ends_a_call_and_says_that_it_was_sent() -> None:
    """A call over its deadline is a CallTimeoutError whose sends tell that WeChat may have counted it."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        end_calls(session)
        await asyncio.Event().wait()
        raise AssertionError

    async with api_server(call) as url, wxcv.Session(APP, base_url=url, call_timeout=50) as session:
        with pytest.raises(wxcv.CallTimeoutError, match="within 50 s") as caught:
            await session.scan_qrcode(pictures.qr_png("x"))

    assert caught.value.sends == 1


async def test_a_cancelled_call_leaves_the_session_usable(session: wxcv.Session) -> None:
    """Cancelling a call raises CancelledError there and changes nothing for the next one."""
    task = asyncio.create_task(session.scan_qrcode(pictures.qr_png("x")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (await session.scan_qrcode(pictures.qr_png("next"))).code_results[0].data == "next"


async def test_trust_env_belongs_to_the_borrowed_session() -> None:
    """trust_env together with a borrowed session is refused, as it would have no effect."""
    async with aiohttp.ClientSession() as http:
        with pytest.raises(ValueError, match="trust_env"):
            wxcv.Session(APP, http=http, trust_env=True)


def test_a_session_can_be_made_outside_an_event_loop() -> None:
    """Making a Session needs no running loop, and its repr tells the account without the secret."""
    session = wxcv.Session(APP)

    assert "wx1" in repr(session)
    assert "MARKED" not in repr(session)


async def test_fields_are_checked_before_anything_is_sent(session: wxcv.Session, box: Sandbox) -> None:
    """A field that the endpoint does not know is refused by name and nothing is sent."""
    with pytest.raises(ValueError, match="ratios"):
        await session.call(wxcv.SCAN_QRCODE, pictures.qr_png("x"), fields={"ratios": "1"})

    assert not box.requests


async def test_an_answer_has_the_type_of_its_endpoint(session: wxcv.Session) -> None:
    """call() with an endpoint gives that endpoint's answer class."""
    answers: list[Any] = [
        await session.call(endpoint, pictures.qr_png("x"))
        for endpoint in (wxcv.SCAN_QRCODE, wxcv.PRINTED_TEXT)
    ]

    assert [type(one) for one in answers] == [wxcv.QrcodeScan, wxcv.PrintedText]
