"""Pictures that are read at the same time."""

from __future__ import annotations

import asyncio
import threading

from support import pictures

from wxcv.sandbox import Choices
from wxcv.sandbox.engines.threads import Engines


class _Held:
    """Choices that whoever asks for them waits for."""

    def __init__(self) -> None:
        self.release = threading.Event()

    @property
    def exif(self) -> str:
        """As it is by default, later."""
        self.release.wait()
        return Choices().exif


async def test_slow_pages_of_text_do_not_hold_up_codes() -> None:
    """While pages of text are read, codes are read."""
    engines, held = Engines(), _Held()
    page, code = pictures.text_png(["a page of text"]), pictures.qr_png("hi")
    pages = [asyncio.create_task(engines.text(page, held, {})) for _ in range(3)]
    try:
        for _ in range(3):
            (read,) = (await engines.codes(code, Choices(), {})).found
            assert read["data"] == "hi"
        assert not any(one.done() for one in pages)
    finally:
        held.release.set()
        texts = await asyncio.gather(*pages)
        await engines.aclose()
    assert [len(text.found) for text in texts] == [1] * 3
