"""Twelve mistakes that a type checker must find; a test runs mypy over this file. Never run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Message:
    """A message of a queue."""

    body: bytes


async def messages() -> AsyncIterator[Message]:
    """Yield messages."""
    yield Message(b"")


async def make_mistakes(session: wxcv.Session) -> None:
    """Make them; each line ends with its number."""
    session.batch(wxcv.SCAN_QRCODE, messages(), key=lambda message: message.text)  # mistake 1
    async with session.batch(wxcv.SCAN_QRCODE, messages(), key=lambda message: message.body) as first:
        async for outcome in first:
            outcome.item.ack()  # mistake 2
            outcome.answer.code_results  # mistake 3
            if outcome.status == "ok":
                outcome.error.sends  # mistake 4
                outcome.answer.items  # mistake 5
            else:
                outcome.answer.code_results  # mistake 6
            if outcome.status == "fail":  # mistake 7
                pass
    session.batch(wxcv.SCAN_QRCODE, messages())  # mistake 8
    session.batch(wxcv.SCAN_QRCODE, [Path("a.png"), 5])  # mistake 9
    wxcv.Session.from_env(concurency=3)  # mistake 10
    wxcv.Session.from_env(concurrency="3")  # mistake 11
    async for reading in session.batch(wxcv.PRINTED_TEXT, ["a.png"]):
        match reading:
            case wxcv.Unanswered():
                reading.answer.text  # mistake 12
            case wxcv.Answered():
                print(reading.answer.text)
