"""Images of every kind are loaded where nothing waits for them."""

from __future__ import annotations

import asyncio
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.pictures import PNG

import wxcv
from wxcv.images.loading import ImageLoader
from wxcv.images.sources import IMAGE_LIMIT, LocalImage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def loader() -> Iterator[ImageLoader]:
    """A loader as a session has it."""
    with ThreadPoolExecutor(1) as readers:
        yield ImageLoader(IMAGE_LIMIT, readers, local_files=True)


class AsyncFile:
    """An upload of a web framework: its ``read`` is awaited, and it gives a few bytes at a time."""

    def __init__(self, data: bytes, piece: int = 1000, **attributes: object) -> None:
        self.file = io.BytesIO(data)
        self.piece = piece
        self.taken = 0
        vars(self).update(attributes)

    async def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        await asyncio.sleep(0)
        chunk = self.file.read(min(size, self.piece))
        self.taken += len(chunk)
        return chunk


class Wrapped:
    """A file object whose plain ``read`` returns a coroutine."""

    def __init__(self, file: AsyncFile) -> None:
        self.file = file

    def read(self, size: int) -> Any:
        """Return what must be awaited."""
        return self.file.read(size)


async def data_of(loader: ImageLoader, image: object) -> bytes:
    """Load an image, and return its bytes."""
    loaded = await loader.load(image)
    assert isinstance(loaded, LocalImage)
    return loaded.data


class _Counting(ThreadPoolExecutor):
    """Threads that count what they are given."""

    given = 0

    def submit(self, *arguments: Any, **options: Any) -> Any:
        """Count it, and do it."""
        self.given += 1
        return super().submit(*arguments, **options)


class _Path(type(Path())):  # type: ignore[misc] # of any system
    """A path of a caller's own, which may wait for anything."""


async def test_files_are_read_in_the_readers_and_what_may_wait_elsewhere(tmp_path: Path) -> None:
    """A str or pathlib path is read in a thread of the session's own; a caller's object is not."""
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    with _Counting(1) as readers:
        loader = ImageLoader(IMAGE_LIMIT, readers, local_files=True)
        for image, given in ((str(path), 1), (path, 2), (_Path(path), 2), (io.BytesIO(PNG), 2), (PNG, 2)):
            assert await data_of(loader, image) == PNG
            assert readers.given == given


async def test_async_file_objects_are_awaited(loader: ImageLoader) -> None:
    """A file object whose read() is a coroutine is read to its end by awaiting it."""
    data = PNG + bytes(5000)

    assert await data_of(loader, AsyncFile(data)) == data
    assert await data_of(loader, Wrapped(AsyncFile(data))) == data


async def test_an_async_file_object_is_read_to_the_limit_only(loader: ImageLoader) -> None:
    """No more than the limit is read of an async file object, and its size is told if it is known."""
    for file, size in (
        (AsyncFile(PNG + bytes(5_000_000), 700_000, filename="big.png"), None),
        (AsyncFile(PNG + bytes(5_000_000), 700_000, filename="big.png", size=5_000_032), 5_000_032),
    ):
        with pytest.raises(wxcv.ImageTooLargeError) as caught:
            await loader.load(file)
        assert file.taken <= IMAGE_LIMIT + 1
        assert (caught.value.size, caught.value.image) == (size, "big.png")


async def test_an_async_file_object_that_gives_more_than_it_is_asked_for_is_left(loader: ImageLoader) -> None:
    """A read() that pays no heed to its size is not called again when there are too many bytes."""
    reads: list[int] = []

    class Generous:
        async def read(self, size: int) -> bytes:
            reads.append(size)
            return PNG + bytes(IMAGE_LIMIT)

    with pytest.raises(wxcv.ImageTooLargeError):
        await loader.load(Generous())

    assert reads == [IMAGE_LIMIT]


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        ("text", "its read() returned str, not bytes"),
        (None, "its read() returned NoneType, not bytes"),
        (ValueError("MARKED"), "its read() failed (ValueError at "),
        (asyncio.CancelledError(), "its read() failed (CancelledError at "),
        (b"", "no bytes"),
    ],
    ids=["text", "nothing", "error", "cancelled", "empty"],
)
async def test_an_async_file_object_that_fails_is_told(loader: ImageLoader, chunk: Any, said: str) -> None:
    """What an async file object raises, or gives instead of bytes, is an ImageError that names it."""

    class Failing:
        filename = "upload.png"

        async def read(self, _size: int) -> Any:
            if isinstance(chunk, BaseException):
                raise chunk
            return chunk

    with pytest.raises(wxcv.ImageError) as caught:
        await loader.load(Failing())

    assert str(caught.value).startswith(f"upload.png: {said}")
    assert "MARKED" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_cancelling_the_read_of_a_file_object_cancels_the_call(loader: ImageLoader) -> None:
    """A task that is cancelled while it awaits an async file object is cancelled."""

    class Hanging:
        async def read(self, _size: int) -> bytes:
            begun.set()
            await asyncio.Event().wait()
            return b""

    begun = asyncio.Event()
    task = asyncio.create_task(loader.load(Hanging()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_size_of_a_seekable_file_object_is_told_truly(loader: ImageLoader) -> None:
    """Of a file object that can seek, the bytes from where it stood are told; of a stream, the least."""
    data = PNG + bytes(5_000_000)
    at_ten = io.BytesIO(bytes(10) + data)
    at_ten.seek(10)
    stream = io.BufferedReader(_Unseekable(data))
    for file, size, said in (
        (io.BytesIO(data), 5_000_032, "it has 5,000,032 bytes"),
        (at_ten, 5_000_032, "it has 5,000,032 bytes"),
        (stream, None, "it has at least 2,097,152 bytes"),
    ):
        with pytest.raises(wxcv.ImageTooLargeError, match=said) as caught:
            asyncio.run(loader.load(file))
        assert caught.value.size == size


async def test_an_object_with_read_alone_is_an_image(loader: ImageLoader) -> None:
    """An object that knows nothing but read() is read, and its size is not told when it is too large."""

    class Reads:
        def __init__(self, data: bytes) -> None:
            self.read = io.BytesIO(data).read

    assert await data_of(loader, Reads(PNG)) == PNG
    with pytest.raises(wxcv.ImageTooLargeError, match="at least 2,097,152") as caught:
        await loader.load(Reads(bytes(3_000_000)))
    assert caught.value.image == "<Reads>"


async def test_an_object_whose_attributes_raise_is_told(loader: ImageLoader) -> None:
    """An object that raises, or cancels, when it is looked at is an UnreadableImageError with the class."""
    for error in (ZeroDivisionError("MARKED"), asyncio.CancelledError()):

        class Hostile:
            raised = error

            @property
            def read(self) -> None:
                raise self.raised

        with pytest.raises(wxcv.UnreadableImageError, match=f"<Hostile>.*{type(error).__name__} at "):
            await loader.load(Hostile())


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
async def test_what_a_file_object_raises_in_a_thread_does_not_end_the_event_loop(
    loader: ImageLoader, raised: type[BaseException]
) -> None:
    """A file object is read in a thread, where even what would end a program is an error of the image."""

    class Ending:
        def read(self, _size: int) -> bytes:
            raise raised

    with pytest.raises(wxcv.UnreadableImageError, match=rf"its read\(\) failed \({raised.__name__} at "):
        await loader.load(Ending())


class _Unseekable(io.RawIOBase):
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)


@pytest.mark.parametrize("image", ["photo.png", "/etc/passwd", Path("/etc/passwd"), "C:\\photo.png", ""])
async def test_a_session_without_local_files_reads_none(image: Any) -> None:
    """With local_files=False every path is refused before the disk is touched; URLs and bytes are not."""
    async with wxcv.Session(wxcv.StaticTokenCredential("t"), local_files=False) as session:
        with pytest.raises(wxcv.UnreadableImageError, match=r"local_files=False.*pass bytes, or ImageUrl"):
            await session.scan_qrcode(image)
        loader = session._state.loader
        assert await data_of(loader, PNG) == await data_of(loader, io.BytesIO(PNG)) == PNG
        assert await loader.load("https://example.com/a.png") == wxcv.ImageUrl("https://example.com/a.png")


async def test_image_bytes_may_have_a_name_and_need_no_type(loader: ImageLoader) -> None:
    """ImageBytes names the image in errors, and without a content type the first bytes decide."""
    loaded = await loader.load(wxcv.ImageBytes(PNG, name="from a form.png"))

    assert isinstance(loaded, LocalImage)
    assert (loaded.name, loaded.content_type) == ("from a form.png", "image/png")
    with pytest.raises(
        wxcv.UnsupportedImageError, match=r"^upload-1: not a supported image, judging by its first bytes"
    ):
        await loader.load(wxcv.ImageBytes(b"text", name="upload-1"))


async def test_a_url_may_have_4096_characters(loader: ImageLoader) -> None:
    """An img_url of 4,096 characters is sent, and one of 4,097 refused here with its length."""
    url = "https://example.com/".ljust(4096, "x")

    assert await loader.load(url) == wxcv.ImageUrl(url)
    with pytest.raises(wxcv.InvalidImageUrlError, match="4,097 characters, but at most 4,096"):
        await loader.load(url + "x")


async def test_every_error_of_a_call_names_its_image(box: Any, tmp_path: Path) -> None:
    """Errors of WeChat, too, name the image: a path, a URL without its query, or the name of bytes."""
    box.fail_always("/cv/img/qrcode", wxcv.sandbox.Fault(errcode=101000))  # type: ignore[attr-defined]
    path = tmp_path / "a.png"
    path.write_bytes(pictures.qr_png("x"))
    credential = wxcv.AppCredential(box.appid, box.secret)
    images = {
        "https://example.com/a.png?sign=MARKED": "https://example.com/a.png",
        path: str(path),
        wxcv.ImageBytes(path.read_bytes(), name="upload-7"): "upload-7",
        path.read_bytes(): f"image of {path.stat().st_size:,} bytes",
    }
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        for image, name in images.items():
            with pytest.raises(wxcv.ImageUrlRejectedError) as caught:
                await session.scan_qrcode(image)
            assert caught.value.image == name
            assert str(caught.value).startswith(f"{name}: errcode 101000")
            assert "MARKED" not in str(caught.value)
