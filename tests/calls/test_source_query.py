"""Answer sources are asked before a call is sent, and a source that fails costs nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import STATIC
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from aiohttp import web

FOUND = wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "known"),))


class Known:
    """Has an answer for one kind of endpoint, and keeps what WeChat answers."""

    name = "known"

    def __init__(self, answer: object = None, error: Exception | None = None) -> None:
        self.answer, self.error = answer, error
        self.kept: list[object] = []

    async def find(self, endpoint: wxcv.Endpoint[Any], _image: object, _fields: object) -> Any:
        """Return the answer, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.answer if endpoint.name == "scan_qrcode" else None

    async def keep(self, _endpoint: object, _image: object, _fields: object, answer: object) -> None:
        """Keep it, or raise the error."""
        self.kept.append(answer)
        if self.error is not None:
            raise self.error


async def ok(request: web.Request) -> web.StreamResponse:
    """Answer a call."""
    await request.read()
    return answer(errcode=0, code_results=[], items=[])


async def test_an_answer_that_is_known_is_not_sent() -> None:
    """The first source with an answer ends the call; no token is fetched, and nothing is sent or kept."""
    last = Known(wxcv.QrcodeScan())
    sources = [Known(), Known(FOUND), last]
    async with wxcv.Session(
        wxcv.AppCredential("wx1", "s"), base_url="http://127.0.0.1:9", answer_sources=sources
    ) as session:
        assert await session.scan_qrcode(BLANK) == FOUND
        async with session.batch(wxcv.SCAN_QRCODE, [BLANK]) as batch:
            (outcome,) = [outcome async for outcome in batch]

    assert (outcome.source, outcome.sends, outcome.unwrap()) == ("known", 0, FOUND)
    assert [source.kept for source in sources] == [[], [], []]


async def test_what_no_source_knows_is_sent_and_kept() -> None:
    """An answer of WeChat's is passed to every source that keeps answers."""
    sources = [Known(), Known(FOUND)]
    async with api_server(ok) as url, wxcv.Session(STATIC, base_url=url, answer_sources=sources) as session:
        async with session.batch(wxcv.PRINTED_TEXT, [BLANK]) as batch:
            (outcome,) = [outcome async for outcome in batch]

    assert (outcome.source, outcome.sends) == ("wechat", 1)
    assert [source.kept for source in sources] == [[wxcv.PrintedText()]] * 2


async def test_a_source_that_raises_is_logged_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """What a source raises is logged with its class and line, never with its text, and the call continues."""
    caplog.set_level(logging.ERROR, "wxcv")
    broken = Known(error=ValueError("MARKED"))
    async with api_server(ok) as url, wxcv.Session(STATIC, base_url=url, answer_sources=[broken]) as session:
        assert (await session.scan_qrcode(BLANK)).code_results == ()

    assert [record.getMessage().split(" at ")[0] for record in caplog.records] == [
        "find() of the answer source Known raised ValueError",
        "keep() of the answer source Known raised ValueError",
    ]
    assert "MARKED" not in caplog.text


@pytest.mark.parametrize("sources", [None, "local", 5, [None], [object()]])
def test_what_is_no_source_is_refused(sources: Any) -> None:
    """Sources are a list of objects with a find method."""
    with pytest.raises(TypeError, match="answer_sources"):
        wxcv.Session(STATIC, answer_sources=sources)


async def test_a_code_that_is_read_here_needs_no_call() -> None:
    """With a LocalCodeReader a clear QR code is read here, and a picture without a code goes to WeChat."""
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        reader = wxcv.LocalCodeReader()
        async with wxcv.Session(credential, base_url=box.base_url, answer_sources=[reader]) as session:
            images = [pictures.qr_png("here"), BLANK]
            async with session.batch(wxcv.SCAN_QRCODE, images, ordered=True) as batch:
                outcomes = [outcome async for outcome in batch]
        await reader.aclose()

    assert [(outcome.source, outcome.sends) for outcome in outcomes] == [("local", 0), ("wechat", 1)]
    assert outcomes[0].unwrap().code_results[0].data == "here"


async def test_a_large_picture_is_fitted_and_answered_in_its_own_pixels() -> None:
    """With fit=True a picture over the limit is read, and pos and img_size are those of the original."""
    code = pictures.opened(pictures.qr_png("corner", scale=6)).convert("RGB")
    large = pictures.noise(2600, 1900)
    large.paste(code, (2600 - code.width - 40, 1900 - code.height - 40))
    data = pictures.to_bytes(large)
    assert len(data) > 2_097_152
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            with pytest.raises(wxcv.ImageTooLargeError):
                await session.scan_qrcode(data)
        async with wxcv.Session(credential, base_url=box.base_url, fit=True) as session:
            scan = await session.scan_qrcode(data)

    (found,) = scan.code_results
    assert (found.data, scan.img_size) == ("corner", wxcv.ImgSize(2600, 1900))
    assert found.pos is not None
    assert 2600 - code.width - 40 <= found.pos.left_top.x <= 2600 - 40
    assert 1900 - code.height - 40 <= found.pos.left_top.y <= 1900 - 40


class Cancelled:
    """A source whose own work was cancelled, as that of an executor that is shut down."""

    name = "cancelled"

    async def find(self, *_call: object) -> Any:
        """Wait for what was cancelled."""
        return await self._wait()

    async def keep(self, *_call: object) -> None:
        """Wait for what was cancelled."""
        await self._wait()

    @staticmethod
    async def _wait() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future


class Nameless(Known):
    """A source whose name cannot be had."""

    @property
    def name(self) -> str:  # type: ignore[override] # on purpose
        """Raise."""
        raise KeyError("MARKED")


@pytest.mark.parametrize("source", [Cancelled(), Nameless(FOUND)], ids=["cancelled", "nameless"])
async def test_a_source_that_fails_in_a_strange_way_is_passed_over_too(
    source: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A source whose own task was cancelled, or whose name raises, has no answer; the call continues."""
    async with api_server(ok) as url, wxcv.Session(STATIC, base_url=url, answer_sources=[source]) as session:
        assert await session.scan_qrcode(BLANK) == wxcv.QrcodeScan()

    assert "find() of the answer source" in caplog.text
    assert "MARKED" not in caplog.text


async def test_a_source_may_know_that_an_image_is_rejected() -> None:
    """An ImageRejectedError of a source ends the call, without a send, as that image's error."""
    source = Known(error=wxcv.ImageRejectedError(101002, "known"))
    async with wxcv.Session(STATIC, base_url="http://127.0.0.1:9", answer_sources=[source]) as session:
        with pytest.raises(wxcv.ImageRejectedError) as caught:
            await session.scan_qrcode(wxcv.ImageBytes(BLANK, name="a.png"))

    assert (caught.value.image, caught.value.sends) == ("a.png", 0)


async def test_a_rejection_is_not_passed_to_sources() -> None:
    """A source without a cache before it is not asked to keep that WeChat rejected an image."""
    source = Known()

    async def reject(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=101002, errmsg="no image")

    async with (
        api_server(reject) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=[source]) as session,
    ):
        with pytest.raises(wxcv.ImageRejectedError) as caught:
            await session.scan_qrcode(BLANK)

    assert (caught.value.sends, source.kept) == (1, [])


class Slow(Known):
    """A source that never ends keeping."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()

    async def keep(self, *_call: object) -> None:  # type: ignore[override] # takes anything
        """Wait for ever."""
        self.began.set()
        await asyncio.Event().wait()


async def test_a_source_that_is_slow_to_keep_does_not_cost_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A call does not wait for sources that keep its answer; they have 5 s, and its slot, for that."""
    clock, source, last = wxcv.ManualClock(), Slow(), Known()
    async with (
        api_server(ok) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=[source, last], clock=clock) as session,
    ):
        assert await session.scan_qrcode(BLANK) == wxcv.QrcodeScan()
        await source.began.wait()
        (deadline,) = session._state.slots.deadlines.active
        assert deadline.when() > asyncio.get_running_loop().time() + 60  # call_timeout does not count now
        clock.advance(4.9)
        await asyncio.sleep(0)
        assert session.stats().running == 1
        clock.advance(0.2)
        while session.stats().running:
            await asyncio.sleep(0)

    assert "did not keep an answer within 5 s" in caplog.text
    assert last.kept == []
