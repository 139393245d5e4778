"""How a journal recognizes images: by their names, by size and times of their files, by their content."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.images.files import path_name
from wxcv.images.sources import URL_LIMIT, ImageBytes, ImageUrl, looks_like_url
from wxcv.masking import short_name

if TYPE_CHECKING:
    from wxcv.images.loading import LoadedImage

PATH, URL, BYTES = "path", "url", "bytes"

_LONGEST_PATH = 32_768
_LONGEST_TICK = 2.0
"""Seconds; a file that changed more recently may change again without getting other times."""


class FileState(NamedTuple):
    """What the disk says of a file; a change of its content changes one of these."""

    size: int
    mtime_ns: int
    ctime_ns: int
    file_id: str


class InputName(NamedTuple):
    """The name of an image.

    Attributes:
        kind: PATH, URL or BYTES.
        name: unique among those of its kind.
        label: a short, printable name.
        path: as the caller gave it, if its file may be looked at; else "".
    """

    kind: str
    name: bytes
    label: str
    path: str = ""

    @property
    def image_id(self) -> str:
        """What identifies the image if its content is not known."""
        if self.kind == URL:
            return "url:" + self.name.decode(errors="surrogateescape")
        return "path:" + hashlib.sha256(self.name).hexdigest()


def find_given_name(image: object) -> tuple[str, str]:
    """Return PATH or URL and the name by which a caller gave an image; "" and "" if it has no name."""
    if isinstance(image, ImageUrl):
        return URL, image.url
    if isinstance(image, str):
        return (URL if looks_like_url(image) else PATH), image
    if isinstance(image, os.PathLike) and type(image).__module__.partition(".")[0] == "pathlib":
        return PATH, os.fspath(image)
    return "", ""


def name_input(kind: str, given: str, *, local_files: bool) -> InputName | None:
    """Return the name of an image that was given by path or URL; None if it cannot be recorded."""
    limit = URL_LIMIT if kind == URL else _LONGEST_PATH
    try:
        if not given or len(given) > limit:
            return None
        if kind == URL:
            return InputName(URL, given.encode(), short_name(given.partition("?")[0]))
        path = os.fsencode(_make_absolute(Path(given)))
        return InputName(PATH, path, path_name(given), given if local_files else "")
    except (OSError, ValueError):  # the current folder was deleted, or no file can have this name
        return None


def _make_absolute(path: Path) -> Path:
    """Join a path with the current folder; ".." stays where what is before it may be a link."""
    if path.is_absolute():
        return path
    folder = Path.cwd()  # which has no links
    while path.parts[:1] == ("..",):
        path, folder = Path(*path.parts[1:]), folder.parent
    return folder / path


def name_content(image_id: str, label: str) -> InputName:
    """Return the name of an image that was given without one."""
    return InputName(BYTES, f"{image_id} {label}".encode(errors="surrogateescape"), label)


def read_state(name: InputName) -> FileState | None:
    """Return what the disk says of the file; None if it is no regular file, or may not be looked at."""
    if not name.path:
        return None
    try:
        status = os.stat(name.path)  # noqa: PTH116 - Path would drop a slash at the end
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    file_id = f"{status.st_dev}:{status.st_ino}"
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns, file_id)


def is_settled(state: FileState, now: float) -> bool:
    """Return whether, at this Unix time, a later change of the file would be seen in its state."""
    return max(state.mtime_ns, state.ctime_ns) / 1e9 < now - _LONGEST_TICK


def given_type(image: object) -> str:
    """Return the content type that a caller gave, or ""."""
    return (image.content_type or "") if isinstance(image, ImageBytes) else ""


def identify(image: LoadedImage, content_type: str) -> str:
    """Return what identifies the content of an image that was read; it takes 1 to 5 ms per megabyte."""
    if isinstance(image, ImageUrl):
        return f"url:{image.url}"
    digest: Any = hashlib.sha256(image.data)
    return f"sha256:{digest.hexdigest()}" + (f";type={content_type}" if content_type else "")
