"""What a session with fit=True does to an image before it is sent."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from support import pictures
from support.accounts import STATIC

import wxcv
from wxcv.images.loading import ImageLoader
from wxcv.images.sources import LocalImage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wxcv.sandbox import Sandbox

LIMIT = 20_000
HEIC = b"\0\0\0\x18ftypheic" + bytes(99)


class HeicPlugin:
    """A plug-in of Pillow's for HEIC, as pillow-heif is one: every file of that kind is the same code."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.go.set()

    def open(self, _file: io.BytesIO, _name: str) -> PngImageFile:
        """Open a file when it is let."""
        self.begun.release()
        self.go.wait(30)
        return PngImageFile(io.BytesIO(pictures.PICTURE))

    async def has_begun(self, seconds: float = 30) -> bool:
        """Tell whether another file is being opened."""
        return await asyncio.to_thread(self.begun.acquire, timeout=seconds)


@pytest.fixture
def heic() -> Iterator[HeicPlugin]:
    """A plug-in for HEIC, registered with Pillow."""
    plugin = HeicPlugin()
    Image.register_open("HEIF", plugin.open)  # type: ignore[arg-type] # called as a class would be
    yield plugin
    plugin.go.set()
    del Image.OPEN["HEIF"]


@pytest.fixture
def loader() -> Iterator[ImageLoader]:
    """A loader as a session with fit=True has it."""
    with ThreadPoolExecutor(2) as readers:
        made = ImageLoader(LIMIT, readers, local_files=True, fit=True)
        yield made
        made.close()


async def load(loader: ImageLoader, image: Any) -> LocalImage:
    """Load an image that is no URL, and fit it."""
    loaded = await loader.fit(await loader.load(image))
    assert isinstance(loaded, LocalImage)
    return loaded


def fitters() -> list[threading.Thread]:
    """The threads that fit."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("wxcv fitter")]


async def test_heic_of_any_size_is_converted_and_read(
    heic: HeicPlugin, box: Sandbox, credential: wxcv.AppCredential, tmp_path: Path
) -> None:
    """With fit=True a small HEIC is sent as what Pillow reads in it; without it, it is refused."""
    path = tmp_path / "a.heic"
    path.write_bytes(HEIC)
    async with wxcv.Session(credential, base_url=box.base_url, fit=True) as session:
        for image in (HEIC, path, io.BytesIO(HEIC), wxcv.ImageBytes(HEIC, name="a")):
            assert (await session.scan_qrcode(image)).code_results[0].data == "x"
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        with pytest.raises(wxcv.UnsupportedImageError, match="convert it to JPEG or PNG"):
            await session.scan_qrcode(HEIC)
    assert [heic.begun.acquire(blocking=False) for _ in range(5)] == [True] * 4 + [False]
    assert {it.content_type for it in box.received} == {"image/png"}  # as of few colours


async def test_heic_that_pillow_cannot_open_is_refused(loader: ImageLoader) -> None:
    """Without a plug-in the error of wxcv.fit is raised, with the remedy."""
    with pytest.raises(wxcv.UnsupportedImageError, match="install a plug-in"):
        await load(loader, HEIC)


async def test_what_can_be_sent_is_left_as_it_is(heic: HeicPlugin, loader: ImageLoader) -> None:
    """An image that is small enough is not fitted, nor is one whose content type the caller has set."""
    for image in (pictures.PICTURE, wxcv.ImageBytes(HEIC, "image/heic")):
        data = image.data if isinstance(image, wxcv.ImageBytes) else image
        assert (await load(loader, image)).data is data
    assert not heic.begun.acquire(blocking=False)


async def test_an_image_of_another_type_that_is_too_large_is_told_as_that(loader: ImageLoader) -> None:
    """Large ImageBytes with a content type of their own are fitted if they are a picture, else too large."""
    picture = pictures.jpeg(pictures.noise(200, 200))
    other = wxcv.ImageBytes(b"%PDF" + bytes(LIMIT - 4), "application/pdf", "scan.pdf")
    assert len(picture) > LIMIT

    fitted = await load(loader, wxcv.ImageBytes(picture, "image/x-camera"))
    assert (fitted.content_type, len(fitted.data) < LIMIT) == ("image/jpeg", True)
    with pytest.raises(wxcv.ImageTooLargeError, match=r"^scan\.pdf: it has 20,000 bytes") as caught:
        await loader.load(other)
    assert (caught.value.size, caught.value.limit) == (LIMIT, LIMIT)
    with pytest.raises(wxcv.UnsupportedImageError, match="not a supported image"):
        await load(loader, other.data)


async def test_one_picture_is_fitted_at_a_time_even_after_a_cancellation(
    heic: HeicPlugin, loader: ImageLoader
) -> None:
    """The fitting of a call that was cancelled goes on in its thread, and no other begins beside it."""
    heic.go.clear()
    first = asyncio.create_task(load(loader, HEIC))
    assert await heic.has_begun()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = asyncio.create_task(load(loader, HEIC))

    assert not await heic.has_begun(seconds=0.2)
    heic.go.set()
    assert (await second).content_type == "image/png"


async def test_closing_a_session_ends_the_thread_that_fits(heic: HeicPlugin) -> None:
    """aclose() does not wait for a picture that is being fitted, and no thread is left after it."""
    session = wxcv.Session(STATIC, fit=True)
    heic.go.clear()
    call = asyncio.create_task(session.scan_qrcode(HEIC))
    assert await heic.has_begun()
    (fitter,) = fitters()
    await session.aclose(grace=0)
    with pytest.raises(wxcv.SessionClosedError):
        await call

    assert fitter.is_alive()
    heic.go.set()
    await asyncio.to_thread(fitter.join, 10)
    assert not fitter.is_alive()


def test_closing_a_session_of_an_ended_loop_ends_the_thread_that_fits(heic: HeicPlugin) -> None:
    """So does aclose() of a session whose event loop has ended."""
    session = wxcv.Session(STATIC, fit=True)

    async def use() -> None:
        session._state.bind_to_running_loop()
        await load(session._state.loader, HEIC)

    asyncio.run(use())
    assert heic.begun.acquire(timeout=0)
    (fitter,) = fitters()
    asyncio.run(session.aclose())
    fitter.join(10)
    assert not fitter.is_alive()


async def test_a_session_that_does_not_fit_has_no_thread_for_it(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """The thread begins with the first picture that is fitted."""
    for fit in (False, True):
        async with wxcv.Session(credential, base_url=box.base_url, fit=fit) as session:
            await session.scan_qrcode(pictures.PICTURE)
            assert not fitters()
