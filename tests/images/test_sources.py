"""What may be sent, and what is refused before anything is."""

from __future__ import annotations

import array
import asyncio
import io
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.pictures import PNG

import wxcv
from wxcv.images.loading import ImageLoader
from wxcv.images.sources import IMAGE_LIMIT, ImageUrl, LocalImage

JPEG = b"\xff\xd8\xff\xe0" + bytes(16)
HEIC = b"\0\0\0\x18ftypheic" + bytes(12)
STARTS = [
    ("image/jpeg", JPEG),
    ("image/png", PNG),
    ("image/gif", b"GIF87a" + bytes(8)),
    ("image/gif", b"GIF89a" + bytes(8)),
    ("image/bmp", b"BM\x46\0\0\0" + bytes(20)),
    ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 "),
    ("image/tiff", b"II*\0" + bytes(8)),  # little-endian
    ("image/tiff", b"MM\0*" + bytes(8)),  # big-endian
    ("image/tiff", b"II+\0" + bytes(8)),  # BigTIFF
    ("image/tiff", b"MM\0+" + bytes(8)),
]
ALMOST = [
    b"\xff\xd8\xfe\xe0" + bytes(16),
    b"\x89PNG\n\x1a\n" + bytes(24),
    b"GIF88a" + bytes(8),
    b"BM\x46\0\0\0\0\0\0\1" + bytes(20),
    b"BM\x46\0\0\0\1\0\0\0" + bytes(20),
    b"MB\x46\0\0\0" + bytes(20),
    b"RIFF\x10\0\0\0WAVEfmt ",
    b"RIFX\x10\0\0\0WEBPVP8 ",
    b"II*\1" + bytes(8),
    b"MM*\0" + bytes(8),
    b"\0\0\0\x18ftypisom" + bytes(12),  # a film
    b"\0\0\0\x18free" + b"heic" + bytes(12),
]


def load(image: Any, *, local_files: bool = True) -> LocalImage | ImageUrl:
    """Load an image as a session does."""
    with ThreadPoolExecutor(1) as readers:
        return asyncio.run(ImageLoader(IMAGE_LIMIT, readers, local_files=local_files).load(image))


@pytest.mark.parametrize(("content_type", "data"), STARTS)
def test_the_first_bytes_decide_type_and_filename(content_type: str, data: bytes) -> None:
    """Content type and filename come from the bytes."""
    image = load(data)

    assert isinstance(image, LocalImage)
    assert image.content_type == content_type
    assert image.filename == "image." + content_type.removeprefix("image/").replace("jpeg", "jpg")


@pytest.mark.parametrize("data", ALMOST)
def test_what_only_begins_like_an_image_is_none(data: bytes) -> None:
    """Bytes that differ from every image's first ones are refused."""
    with pytest.raises(wxcv.UnsupportedImageError, match="not a supported image, judging by its first bytes"):
        load(data)


@pytest.mark.parametrize(
    "brand", ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"]
)
def test_the_pictures_of_telephones_are_named(brand: str) -> None:
    """HEIC and AVIF of every brand, also a sequence, are told as such, with what to convert them to."""
    with pytest.raises(wxcv.UnsupportedImageError, match=r"HEIC or AVIF.*convert it to JPEG or PNG"):
        load(HEIC.replace(b"heic", brand.encode()))


def test_the_name_of_a_file_does_not_decide(tmp_path: Path) -> None:
    """A PNG under a foreign name with quotes, a newline and Chinese is sent as image.png."""
    path = tmp_path / 'a"b\nc;名.jpg'
    path.write_bytes(PNG)
    image = load(path)

    assert isinstance(image, LocalImage)
    assert (image.filename, image.content_type, image.data) == ("image.png", "image/png", PNG)


def test_every_kind_of_local_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Bytes-like objects, paths and file objects all give the image's bytes."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    at_ten = io.BytesIO(bytes(10) + PNG)
    at_ten.seek(10)
    spooled = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - closed below
    spooled.write(PNG)
    spooled.seek(0)
    with spooled, path.open("rb") as buffered, path.open("rb", buffering=0) as raw:
        inputs: list[Any] = [
            PNG,
            bytearray(PNG),
            memoryview(PNG),
            str(path),
            path,
            buffered,
            raw,
            at_ten,
            spooled,
        ]
        inputs += [wxcv.ImageBytes(PNG, content_type="image/png"), memoryview(bytes(2) + PNG)[2:]]
        images = [load(one) for one in inputs]

    assert all(isinstance(image, LocalImage) and image.data == PNG for image in images)


def test_any_buffer_is_an_image() -> None:
    """An array of bytes is taken like bytes, and refused like bytes when it is too large."""
    image = load(array.array("B", PNG))

    assert isinstance(image, LocalImage)
    assert image.data == PNG
    with pytest.raises(wxcv.ImageTooLargeError):
        load(array.array("H", bytes(IMAGE_LIMIT)))


def test_changeable_bytes_are_copied() -> None:
    """A bytearray changed after the check does not change what is sent."""
    data = bytearray(PNG)
    image = load(data)
    data[:] = bytes(len(data))

    assert isinstance(image, LocalImage)
    assert image.data == PNG


def test_one_byte_less_than_the_limit_passes(tmp_path: Path) -> None:
    """2,097,151 bytes pass and 2,097,152 do not, from memory, from a file and from a file object."""
    most = PNG.ljust(IMAGE_LIMIT - 1, b"\0")
    path = tmp_path / "a.png"
    for data, fits in ((most, True), (most + b"\0", False)):
        path.write_bytes(data)
        for image in (data, path, io.BytesIO(data), wxcv.ImageBytes(data, content_type="image/png")):
            if fits:
                assert load(image).data == data  # type: ignore[union-attr]
            else:
                with pytest.raises(
                    wxcv.ImageTooLargeError,
                    match=r"it has 2,097,152 bytes, but.*scale it down.*Session\(fit=True\)",
                ) as caught:
                    load(image)
                assert (caught.value.size, caught.value.limit) == (2_097_152, 2_097_152)


def released() -> memoryview:
    """Return a memoryview that has been released."""
    view = memoryview(PNG)
    view.release()
    return view


REFUSED: list[tuple[Any, type[wxcv.ImageError], str]] = [
    (b"", wxcv.EmptyImageError, "image of 0 bytes: no bytes"),
    (io.BytesIO(), wxcv.EmptyImageError, "<BytesIO>: no bytes"),
    (wxcv.ImageBytes(b"", content_type="image/png"), wxcv.EmptyImageError, "no bytes"),
    (
        b"hello world",
        wxcv.UnsupportedImageError,
        "not a supported image, judging by its first bytes b'hello wo'; send JPEG",
    ),
    (b"x", wxcv.UnsupportedImageError, "not a supported image"),
    (b"BMW is a maker of cars", wxcv.UnsupportedImageError, "not a supported image"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", wxcv.UnsupportedImageError, "not a supported image"),
    (HEIC, wxcv.UnsupportedImageError, "HEIC or AVIF.*convert it to JPEG or PNG"),
    (HEIC.replace(b"heic", b"avif"), wxcv.UnsupportedImageError, "HEIC or AVIF"),
    (
        io.StringIO("text"),
        wxcv.UnreadableImageError,
        r"<StringIO>.*returned str, not bytes; open it in binary mode \('rb'\)",
    ),
    (None, wxcv.UnreadableImageError, "<NoneType>: not an image; pass bytes, a path"),
    (3, wxcv.UnreadableImageError, "<int>: not an image"),
    (released(), wxcv.UnreadableImageError, "<memoryview>: not an image"),
    ("", wxcv.UnreadableImageError, "cannot be read"),
    ("missing\x00.png", wxcv.UnreadableImageError, r"missing\\x00.png: cannot be read"),
    ("a" * 5000, wxcv.UnreadableImageError, "cannot be read"),
    ("ftp://example.com/a.jpg", wxcv.InvalidImageUrlError, "ftp://example.com/a.jpg: only http and https"),
    ("file:///etc/passwd", wxcv.InvalidImageUrlError, "path of a local file"),
    ("data:image/png;base64,AAAA", wxcv.InvalidImageUrlError, "only http and https"),
    (
        "https%3A%2F%2Fexample.com%2Fa.jpg",
        wxcv.InvalidImageUrlError,
        "percent-encoded as a whole; pass it unencoded",
    ),
    (
        "https://user:PASSWORD@example.com/a.jpg",
        wxcv.InvalidImageUrlError,
        "^example.com/a.jpg: the URL has a",
    ),
    (
        "https://example.com/a\nb.jpg",
        wxcv.InvalidImageUrlError,
        r"a\\nb.jpg: the URL holds spaces or control",
    ),
    (" https://example.com/a.jpg", wxcv.InvalidImageUrlError, "spaces or control"),
    ("https://example.com/\ud800.jpg", wxcv.InvalidImageUrlError, "spaces or control"),
    ("http://me@corp:PASSWORD@host/x", wxcv.InvalidImageUrlError, "^host/x: the URL has a user part"),
    ("http://user@host/x", wxcv.InvalidImageUrlError, "^host/x: the URL has a user part"),
    ("http://:PASSWORD@host/x", wxcv.InvalidImageUrlError, "^host/x: the URL has a user part"),
    ("http://@host/x", wxcv.InvalidImageUrlError, "^host/x: the URL has a user part"),
    ("http://user:PASS/WORD@host/", wxcv.InvalidImageUrlError, "^host/: the URL cannot be parsed"),
    ("https%3A%2F%2Fuser%3APASSWORD%40host", wxcv.InvalidImageUrlError, "^host: the URL is percent-encoded"),
    ("https://user:PASS#WORD@host/a.png", wxcv.InvalidImageUrlError, "^<URL>: the URL cannot be parsed"),
    ("https://user:PASS?WORD@host/a.png", wxcv.InvalidImageUrlError, "^<URL>: the URL cannot be parsed"),
    ("https://us@er:PASS?WORD@host/a.png", wxcv.InvalidImageUrlError, "^<URL>: the URL cannot be parsed"),
    ("https://user:PASS WORD@host/a?b", wxcv.InvalidImageUrlError, "^host/a: the URL holds spaces"),
    ("https://user%253APASS%2540host:x/a", wxcv.InvalidImageUrlError, "^host:x/a: the URL cannot be parsed"),
    (f"https://user:PASS#{'x' * 5000}@host", wxcv.InvalidImageUrlError, "^<URL>: the URL has 5,"),
    ("https://example.com:99999/a.jpg", wxcv.InvalidImageUrlError, "cannot be parsed"),
    ("https://[::1/a.jpg", wxcv.InvalidImageUrlError, "cannot be parsed"),
    ("https:///a.jpg", wxcv.InvalidImageUrlError, "no host"),
    ("https:example.com", wxcv.InvalidImageUrlError, "no host"),
]


@pytest.mark.parametrize(("image", "cls", "message"), REFUSED, ids=lambda value: ascii(value)[:30])
def test_a_refused_image_is_named_with_a_remedy(image: Any, cls: type[wxcv.ImageError], message: str) -> None:
    """Each refusal has its own class, and its text names the image and what to do."""
    if hasattr(image, "seek"):
        image.seek(0)
    with pytest.raises(cls, match=message) as caught:
        load(image)

    assert type(caught.value) is cls
    assert str(caught.value).startswith(caught.value.image)
    assert "PASS" not in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """A missing file, a directory, a FIFO, a device, a symlink loop and an empty file are refused at once."""
    fifo, loop, empty = tmp_path / "fifo", tmp_path / "loop", tmp_path / "empty"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    empty.touch()
    for path, cls, message in (
        (tmp_path / "missing.png", wxcv.UnreadableImageError, "No such file.*check the path"),
        (tmp_path, wxcv.UnreadableImageError, "this is a directory; pass the path of an image file"),
        (fifo, wxcv.UnreadableImageError, "a FIFO, a socket or a device"),
        (Path("/dev/zero"), wxcv.UnreadableImageError, "a FIFO, a socket or a device"),
        (loop, wxcv.UnreadableImageError, "symbolic links"),
        (empty, wxcv.EmptyImageError, "no bytes"),
    ):
        with pytest.raises(cls, match=message) as caught:
            load(path)
        assert caught.value.image.endswith(path.name)


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    """A file that the process may not open is refused with the system's reason."""
    if os.geteuid() == 0:
        blocked = Path("/proc/self/mem")  # opens, and refuses to be read, also for root
    else:
        blocked = tmp_path / "blocked.png"
        blocked.write_bytes(PNG)
        blocked.chmod(0)
    with pytest.raises(wxcv.UnreadableImageError, match=r"cannot be read \(.+\)"):
        load(blocked)


def test_a_name_that_is_not_utf8_can_be_printed(tmp_path: Path) -> None:
    """An error about a file whose name is not UTF-8 can be encoded."""
    path = os.fsencode(tmp_path) + b"/bad\xff.png"
    with pytest.raises(wxcv.UnreadableImageError) as caught:
        load(os.fsdecode(path))

    assert b"bad" in str(caught.value).encode("utf-8")


class _Growing(io.RawIOBase):
    """A file object that never ends and counts what is read."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), 100_000)
        buffer[:size] = bytes(size)
        self.taken += size
        return size


def test_an_endless_file_object_is_read_to_the_limit_only() -> None:
    """Never more than limit + 1 bytes are read of a file object without an end."""
    file = _Growing()
    with pytest.raises(wxcv.ImageTooLargeError):
        load(file)

    assert file.taken <= IMAGE_LIMIT + 1


def test_a_file_that_grows_while_it_is_read_is_refused() -> None:
    """A file with more bytes than its size said is refused, as its writer is still at work."""
    with pytest.raises(wxcv.UnreadableImageError, match="its size changed while it was read; try again"):
        load("/proc/self/status")  # its size is said to be 0, and it has bytes


class _Failing:
    name = "socket.png"

    def read(self, _size: int) -> bytes:
        raise RuntimeError("gone")


def test_a_failing_file_object_is_refused_with_class_and_line() -> None:
    """Whatever a file object raises becomes an UnreadableImageError with its class and line, not its text."""
    with pytest.raises(
        wxcv.UnreadableImageError,
        match=r"socket.png: its read\(\) failed \(RuntimeError at .*test_sources.py:\d+\)",
    ) as caught:
        load(_Failing())

    assert caught.value.__context__ is None


def test_a_closed_file_object_is_refused(tmp_path: Path) -> None:
    """A file object that was closed is refused."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with path.open("rb") as file:
        pass
    with pytest.raises(wxcv.UnreadableImageError, match=r"a.png: it is closed"):
        load(file)


def test_image_bytes_may_be_of_any_type() -> None:
    """ImageBytes is taken at its word about the type."""
    image = load(wxcv.ImageBytes(HEIC, content_type="image/heic"))

    assert isinstance(image, LocalImage)
    assert (image.filename, image.content_type) == ("image.bin", "image/heic")


@pytest.mark.parametrize("content_type", ["", "image", "image/png\r\nX: y", 'image/"png"', 5])
def test_image_bytes_checks_its_content_type(content_type: Any) -> None:
    """A content type that could break the part's header is refused when it is given."""
    with pytest.raises(ValueError, match="image/jpeg"):
        wxcv.ImageBytes(PNG, content_type=content_type)


def test_image_bytes_checks_its_data() -> None:
    """ImageBytes of something else than bytes is refused when it is made."""
    with pytest.raises(TypeError, match="bytes-like, not str"):
        wxcv.ImageBytes("text", content_type="image/png")  # type: ignore[arg-type]


def test_a_url_is_not_read() -> None:
    """An http(s) URL, also as ImageUrl, stays a URL, and its name leaves out the query."""
    url = "https://example.com/a%20b.jpg?sign=SIGNATURE#x"

    assert load(url) == load(wxcv.ImageUrl(url)) == wxcv.ImageUrl(url)
    assert wxcv.ImageUrl(url).name == "https://example.com/a%20b.jpg"
    assert wxcv.ImageUrl(url).secrets == (
        "example.com/a%20b.jpg?sign=SIGNATURE#x",
        "sign=SIGNATURE#x",
    )
    assert wxcv.ImageUrl("https://example.com/a.jpg").secrets == ("example.com/a.jpg",)
    assert "SIGNATURE" not in repr(wxcv.ImageUrl(url))


def test_an_image_url_is_checked_when_it_is_made() -> None:
    """ImageUrl refuses what is not a usable URL."""
    with pytest.raises(wxcv.InvalidImageUrlError, match="only http and https"):
        wxcv.ImageUrl("photo.jpg")
    with pytest.raises(wxcv.InvalidImageUrlError, match="a URL must be a str, not bytes"):
        wxcv.ImageUrl(b"https://example.com")  # type: ignore[arg-type]


def test_a_long_name_is_shortened() -> None:
    """The name in an error is at most 100 characters long and keeps the end of the path."""
    with pytest.raises(wxcv.UnreadableImageError) as caught:
        load("a/" * 500 + "end.png")

    assert len(caught.value.image) == 100
    assert re.search(r"end\.png$", caught.value.image)


def test_a_file_object_that_has_no_more_yet_is_told() -> None:
    """A pipe that does not block and runs dry in the middle is no image, also if it began like one."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, JPEG[:3])
    with os.fdopen(writing, "wb"), os.fdopen(reading, "rb", buffering=0) as pipe:
        with pytest.raises(wxcv.UnreadableImageError, match="its read\\(\\) returned NoneType, not bytes"):
            load(pipe)
