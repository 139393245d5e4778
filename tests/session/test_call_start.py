"""What on_call_start is told, and what sees what it sets."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import STATIC
from support.pages import QRCODE
from support.pictures import BLANK, PICTURE
from support.same_image import Server, make_cached_session, start_calls, wait_until
from support.servers import api_server

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.sandbox import Sandbox

START = wxcv.CallStart("scan_qrcode", QRCODE)
SPAN: ContextVar[tuple[str, ...]] = ContextVar("span", default=())


class Tracer:
    """Keeps the running call in a context variable, and notes what each function for events sees of it."""

    def __init__(self) -> None:
        self.starts: list[wxcv.CallStart] = []
        self.ends: list[tuple[str, int]] = []
        self.seen: list[tuple[str, tuple[str, ...]]] = []
        self._tokens: dict[tuple[str, ...], Token[tuple[str, ...]]] = {}

    @property
    def hooks(self) -> dict[str, Any]:
        """The arguments of Session."""
        return {
            "on_call_start": self.start,
            "on_attempt": lambda _event: self.see("attempt"),
            "on_call": self.end,
        }

    def see(self, name: str) -> None:
        """Note which call is running."""
        self.seen.append((name, SPAN.get()))

    def start(self, event: wxcv.CallStart) -> None:
        """Begin a call."""
        self.starts.append(event)
        self.see("start")
        span = (*SPAN.get(), f"call {len(self.starts)}")
        self._tokens[span] = SPAN.set(span)

    def end(self, event: wxcv.CallEvent) -> None:
        """End the call."""
        self.ends.append((event.status, event.sends))
        self.see("end")
        SPAN.reset(self._tokens.pop(SPAN.get()))

    async def find(self, *_call: object) -> None:
        """Note which call is running, as an answer source without an answer."""
        self.see("source")


async def test_what_on_call_start_sets_is_seen_for_the_whole_call(box: Sandbox) -> None:
    """It begins in the caller's context; answer sources, on_attempt and on_call see what it set."""
    tracer = Tracer()
    credential = wxcv.AppCredential(box.appid, box.secret)
    SPAN.set(("request",))
    async with wxcv.Session(
        credential, base_url=box.base_url, answer_sources=[tracer], **tracer.hooks
    ) as session:
        await session.scan_qrcode(PICTURE)
        with pytest.raises(wxcv.EmptyImageError):
            await session.printed_text(b"")

    assert tracer.seen == [
        ("start", ("request",)),
        ("source", ("request", "call 1")),
        ("attempt", ("request", "call 1")),
        ("end", ("request", "call 1")),
        ("start", ("request",)),
        ("end", ("request", "call 2")),
    ]
    assert tracer.starts == [START, wxcv.CallStart("printed_text", "/cv/ocr/comm")]
    assert SPAN.get() == ("request",)


async def test_the_attempt_of_a_shared_call_belongs_to_the_call_that_began_it() -> None:
    """Calls of the same image have a start and an end each, and the send is part of the first one."""
    server, tracer = Server(is_held=True), Tracer()
    async with api_server(server.call) as url, make_cached_session(url, **tracer.hooks) as session:
        calls = await start_calls(3, session)
        server.go.set()
        await asyncio.gather(*calls)

    assert [span for name, span in tracer.seen if name == "attempt"] == [("call 1",)]
    assert sorted(tracer.ends) == [("ok", 0), ("ok", 0), ("ok", 1)]


@pytest.mark.parametrize("is_recorded", [False, True])
async def test_every_image_of_a_batch_has_a_start_and_an_end(tmp_path: Path, is_recorded: bool) -> None:
    """Each image begins in the context of its batch, not in that of the image before it."""
    tracer, server = Tracer(), Server()
    journal = wxcv.Journal(tmp_path / "journal") if is_recorded else None
    credential = wxcv.StaticTokenCredential("t", account="wx1")
    async with (
        api_server(server.call) as url,
        wxcv.Session(credential, base_url=url, concurrency=1, **tracer.hooks) as session,
    ):
        SPAN.set(("request",))
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE, b"", BLANK], journal=journal) as batch:
            statuses = [outcome.status async for outcome in batch]
    if journal is not None:
        await journal.aclose()

    assert [status for status, _ in tracer.ends] == statuses == ["ok", "failed", "ok"]
    assert tracer.starts == [START] * 3
    assert [span for name, span in tracer.seen if name == "start"] == [("request",)] * 3
    assert [span for name, span in tracer.seen if name == "end"] == [
        ("request", f"call {number}") for number in (1, 2, 3)
    ]


async def test_an_image_whose_batch_is_closed_between_its_calls_has_an_end() -> None:
    """An image that waits for the server to come back is "cancelled" when its batch is closed."""
    tracer = Tracer()
    async with (
        wxcv.Session(
            STATIC,
            base_url="http://127.0.0.1:9",
            clock=wxcv.ManualClock(),
            concurrency=1,
            retries=wxcv.RetryPolicy(attempts=1),
            **tracer.hooks,
        ) as session,
        session.batch(wxcv.SCAN_QRCODE, [PICTURE]) as batch,
    ):
        consumer = asyncio.create_task(anext(batch))
        await wait_until(lambda: len(tracer.seen) == 2 and not session.stats().running)
        await batch.aclose()
        with pytest.raises(StopAsyncIteration):
            await consumer

    assert tracer.seen == [("start", ()), ("attempt", ("call 1",)), ("end", ("call 1",))]
    assert tracer.ends == [("cancelled", 0)]


async def test_an_image_whose_journal_fails_has_an_end(tmp_path: Path) -> None:
    """A journal that cannot be written ends the batch; the image that has no outcome for it is "failed"."""
    server, tracer = Server(), Tracer()
    journal = wxcv.Journal(tmp_path / "journal")
    await journal.aclose()
    credential = wxcv.StaticTokenCredential("t", account="wx1")
    async with (
        api_server(server.call) as url,
        wxcv.Session(credential, base_url=url, concurrency=1, **tracer.hooks) as session,
        session.batch(wxcv.SCAN_QRCODE, [PICTURE], journal=journal) as batch,
    ):
        with pytest.raises(wxcv.JournalError):
            await anext(batch)

    assert [status for status, _ in tracer.ends] == ["failed"]
