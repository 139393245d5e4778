"""How the bytes of a body are put into pieces."""

from __future__ import annotations

import pytest

from wxcv.calls.payload import _fill
from wxcv.protocol.requests import Body

WHOLE, FIRST = 256 * 1024, 64 * 1024


@pytest.mark.parametrize(
    ("sizes", "copied"),
    [
        ((0,), 0),
        ((1,), 1),
        ((100, WHOLE - 200, 100), WHOLE),
        ((100, WHOLE - 199, 100), FIRST),
        ((FIRST, WHOLE), FIRST),
        ((FIRST + 1, WHOLE), FIRST),
        ((100, 2_000_000, 100), FIRST),
        ((WHOLE, 1, 1), FIRST),
    ],
)
def test_a_small_body_is_copied_whole_and_of_a_large_one_the_first(
    sizes: tuple[int, ...], copied: int
) -> None:
    """Up to 256 KiB are copied into the buffer, of more the first 64 KiB; the rest follows as it is."""
    parts = tuple(bytes([number + 65]) * size for number, size in enumerate(sizes))
    body = Body("image/png", parts)
    buffer = memoryview(bytearray(WHOLE))
    end, rest = _fill(buffer, body)

    assert end == copied
    assert bytes(buffer[:end]) + b"".join(rest) == b"".join(parts)
    assert bool(rest) is (body.size > WHOLE)
    assert all(len(view) for view in rest) or body.size <= WHOLE
