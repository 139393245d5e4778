"""Files that commands write."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replace_file(path: str) -> Iterator[IO[bytes]]:
    """Write a new file beside ``path``, which takes its place at the end of the block.

    Only its owner can read it. If the block raises, the new file is removed, and what was at ``path`` stays.
    A link is followed.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path).resolve()
    descriptor, name = tempfile.mkstemp(prefix=".wxcv-", suffix=".part", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor is no path
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
