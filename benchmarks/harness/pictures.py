"""What is sent: bytes that begin like a JPEG, and files of them."""

from __future__ import annotations

import random
from pathlib import Path

SIZES = {"20 KB": 20_000, "200 KB": 200_000, "1.9 MB": 1_900_000}
_JPEG = b"\xff\xd8\xff\xe0"


def picture(size: int, seed: int = 0) -> bytes:
    """Return as many bytes that look like a JPEG from the outside."""
    return _JPEG + random.Random(seed).randbytes(size - len(_JPEG))


def files(folder: str, count: int, size: int) -> list[str]:
    """Write pictures and return their paths."""
    paths = [Path(folder) / f"{number:03}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(picture(size, number))
    return [str(path) for path in paths]
