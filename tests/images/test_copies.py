"""Memory that the caller may change is copied, and a large copy is not made in the event loop."""

from __future__ import annotations

import ctypes
import operator
from array import array
from concurrent import futures
from typing import Any

import pytest
from support import pictures

import wxcv
from wxcv.images.loading import ImageLoader
from wxcv.images.reading import copy_buffer
from wxcv.images.sources import LocalImage

MEGABYTE = 1_000_000


class Readers(futures.ThreadPoolExecutor):
    """The threads of a session, which count what they are given."""

    given = 0

    def submit(self, *args: Any, **options: Any) -> futures.Future[Any]:
        """Take a piece of work."""
        self.given += 1
        return super().submit(*args, **options)


@pytest.mark.parametrize(
    ("wrap", "size", "in_thread"),
    [
        (bytearray, 2 * MEGABYTE, True),
        (memoryview, 2 * MEGABYTE, True),
        (lambda data: memoryview(bytes(2 * len(data)))[::2], 2 * MEGABYTE, True),
        (lambda data: wxcv.ImageBytes(bytearray(data), "image/png"), 2 * MEGABYTE, True),
        (lambda data: array("B", data), 2 * MEGABYTE, True),
        (bytearray, MEGABYTE, False),
        (bytes, 2 * MEGABYTE, False),
        (wxcv.ImageBytes, 2 * MEGABYTE, False),
    ],
)
async def test_a_large_copy_is_made_in_a_thread(wrap: Any, size: int, *, in_thread: bool) -> None:
    """More than a megabyte is copied in a thread; bytes, which cannot change, are not copied at all."""
    data = pictures.padded_png(size)
    with Readers(1) as readers:
        loader = ImageLoader(3 * MEGABYTE, readers, local_files=True)
        image = wrap(data)
        try:
            loaded = await loader.load(image)
        except wxcv.UnsupportedImageError:
            assert isinstance(image, memoryview)  # of zeros
        else:
            assert isinstance(loaded, LocalImage)
            assert loaded.data == data
            assert (loaded.data is data) is not in_thread or size == MEGABYTE

    assert readers.given == in_thread


@pytest.mark.parametrize(
    "buffer",
    [
        bytearray(range(250)) * 10_000,
        memoryview(bytes(range(250)) * 20_000)[::2],
        memoryview(bytes(range(250)) * 20_000)[::-3],
        memoryview(array("I", range(600_001))),
        memoryview(bytes(range(200)) * 12_000).cast("B", (1200, 2000)),
        memoryview(bytes(range(200)) * 12_000).cast("B", (2, 1_200_000)),
        (ctypes.c_uint8 * 2_400_000)(*range(200)),
        type("Record", (ctypes.Structure,), {"_fields_": [("data", ctypes.c_uint8 * 2_400_000)]})(),
    ],
    ids=operator.attrgetter("__class__.__name__"),
)
def test_a_large_copy_has_every_byte(buffer: Any) -> None:
    """What is copied in chunks is what it was, of whatever shape and items."""
    name, copied = copy_buffer(buffer, 10 * MEGABYTE)

    assert copied == memoryview(buffer).tobytes()
    assert name == f"image of {len(copied):,} bytes"
