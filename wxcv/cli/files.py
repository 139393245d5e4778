"""Files that commands write."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replace_file(path: str, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """Write a new file beside ``path``, which takes its place at the end of the block.

    If the block raises, the new file is removed, and what was at ``path`` stays. A link is followed.

    Args:
        path: the path of the file.
        mode: its permissions, less those that the umask takes away; by default only its owner can use it.

    Raises:
        OSError: the file cannot be written.
    """
    target = Path(path).resolve()
    beside = target.with_name(f".wxcv-{secrets.token_hex(8)}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(beside, flags, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor is no path
            yield file
            file.flush()
            os.fsync(descriptor)
        beside.replace(target)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
