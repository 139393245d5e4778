"""The threads in which pictures are read, so that reading never blocks the event loop."""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from wxcv.sandbox.engines.codes import read_codes
from wxcv.sandbox.engines.crops import find_crops
from wxcv.sandbox.engines.detection import Detection
from wxcv.sandbox.engines.pictures import open_picture
from wxcv.sandbox.engines.text import read_text
from wxcv.sandbox.wechat.choices import Choices


class Engines:
    """Two threads for codes, crops and opening pictures, and one for text, which is slow."""

    def __init__(self) -> None:
        self._codes = ThreadPoolExecutor(2, thread_name_prefix="wxcv-sandbox-codes")
        self._text = ThreadPoolExecutor(1, thread_name_prefix="wxcv-sandbox-text")

    async def codes(self, data: bytes, choices: Choices, _fields: Mapping[str, str]) -> Detection:
        """Read codes; raises UnreadableError for bytes that are not a picture."""
        return await asyncio.get_running_loop().run_in_executor(self._codes, read_codes, data, choices)

    async def crops(self, data: bytes, choices: Choices, fields: Mapping[str, str]) -> Detection:
        """Find crops; raises UnreadableError for bytes that are not a picture."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._codes, find_crops, data, choices, fields)

    async def open(self, data: bytes, choices: Choices, _fields: Mapping[str, str]) -> Detection:
        """Find nothing; raises UnreadableError for bytes that are not a picture."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._codes, _open, data, choices)

    async def text(self, data: bytes, choices: Choices, _fields: Mapping[str, str]) -> Detection:
        """Read text; raises UnreadableError for bytes that are not a picture, and MissingExtraError."""
        return await asyncio.get_running_loop().run_in_executor(self._text, read_text, data, choices)

    async def aclose(self) -> None:
        """Cancel waiting work, and end the threads when they have finished their current picture."""
        for pool in (self._codes, self._text):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)


def _open(data: bytes, choices: Choices) -> Detection:
    return Detection(found=[], size=open_picture(data, turn=choices.exif == "apply").size)
