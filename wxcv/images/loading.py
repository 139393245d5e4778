"""Loads an image of any kind, in the event loop or in a thread, so that the event loop never blocks."""

from __future__ import annotations

import asyncio
import inspect
import os
from concurrent import futures
from typing import TYPE_CHECKING, Any, NamedTuple

from wxcv.callbacks import CallbackError, is_cancelled
from wxcv.errors import ImageError, ImageTooLargeError, UnreadableImageError
from wxcv.images.files import file_name, path_name, read_async_file, read_file
from wxcv.images.fitting import CONVERTED, INPUT_LIMIT, fit_data
from wxcv.images.reading import ReadImage, copy_buffer, from_memory, from_path, is_slow
from wxcv.images.sources import ImageUrl, LocalImage, check_image, image_type, looks_like_url
from wxcv.masking import class_name

if TYPE_CHECKING:
    from pathlib import PurePath

_IN_MEMORY = (bytes, bytearray, memoryview, ImageUrl)


class UnfittedImage(NamedTuple):
    """A picture that was read and must be made smaller, or converted, before it can be sent.

    Attributes:
        name: a short one, for errors only.
        data: the file.
    """

    name: str
    data: bytes


LoadedImage = LocalImage | ImageUrl | UnfittedImage


class ImageLoader:
    """Reads and checks images.

    Args:
        limit: size in bytes that an image must stay below; no more is read.
        readers: the threads that read files.
        local_files: whether paths are read or refused.
        fit: whether a picture of ``limit`` bytes or more is made smaller, and HEIC and AVIF are converted;
            one at a time, in a thread of its own.
    """

    def __init__(
        self, limit: int, readers: futures.Executor, *, local_files: bool, fit: bool = False
    ) -> None:
        self.limit = limit if not fit else max(limit, INPUT_LIMIT)
        self.readers = readers
        self.local_files = local_files
        self._fitted_limit = limit
        # Not a lock: the thread of a call that is cancelled goes on, and the next call would fit beside it.
        self._fitter = futures.ThreadPoolExecutor(1, "wxcv fitter") if fit else None

    @property
    def is_fitting(self) -> bool:
        """Whether large pictures are made smaller."""
        return self._fitter is not None

    def close(self) -> None:
        """End the thread that fits, without waiting for it."""
        if self._fitter is not None:
            self._fitter.shutdown(wait=False)

    async def load(self, image: Any) -> LoadedImage:  # noqa: ANN401 - checked in _read
        """Read and check an image; at most ``limit`` bytes are read, once. ``fit`` must follow.

        Args:
            image: bytes-like, an ``os.PathLike`` or ``str`` path, an ``http(s)://`` URL or ImageUrl, a binary
                file object whose ``read`` may be async (read from its current position), or ImageBytes.

        Raises:
            ImageError: the image is unusable; the message has its name and the remedy. A file object may have
                been read up to the limit.
        """
        read = await self._read(image)
        return read if isinstance(read, ImageUrl) else self._check(read)

    def load_bytes(self, image: bytes) -> LocalImage | UnfittedImage:
        """Check an image as ``load`` does, but without waiting: bytes are the most frequent kind of image."""
        return self._check(ReadImage(*copy_buffer(image, self.limit)))

    def _check(self, read: ReadImage) -> LocalImage | UnfittedImage:
        if self._fitter is not None and self._must_be_fitted(read):
            return UnfittedImage(read.name, read.data)
        return check_image(read.data, read.name, read.content_type)

    def _must_be_fitted(self, read: ReadImage) -> bool:
        """Return whether an image would be refused; with a type of the caller's own, only for its size."""
        if len(read.data) >= self._fitted_limit:
            if read.content_type is not None and image_type(read.data) is None:
                raise ImageTooLargeError(read.name, len(read.data), self._fitted_limit)
            return True
        return read.content_type is None and image_type(read.data) in CONVERTED

    async def fit(self, image: LoadedImage) -> LocalImage | ImageUrl:
        """Make the image smaller, or convert it, if it must be; return any other unchanged.

        Raises:
            ImageError: it cannot be done; the message says why.
        """
        if not isinstance(image, UnfittedImage):
            return image
        name, data = image
        fitted = await asyncio.get_running_loop().run_in_executor(
            self._fitter, fit_data, name, data, self._fitted_limit
        )
        return LocalImage(name, fitted.data, fitted.content_type, (fitted.size, fitted.original_size))

    async def _read(self, image: Any) -> ReadImage | ImageUrl:  # noqa: ANN401 - a caller's
        try:
            if isinstance(image, _IN_MEMORY):
                return await self._read_memory(image)
            return await self._read_path_or_file(image)
        except ImageError:
            raise
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            failure = CallbackError(error)
        except Exception as error:  # noqa: BLE001 - an object of the caller's may raise anything
            failure = CallbackError(error)
        raise UnreadableImageError(f"<{class_name(image)}>", f"the image cannot be read ({failure})")

    async def _read_path_or_file(self, image: Any) -> ReadImage | ImageUrl:  # noqa: ANN401 - checked here
        if isinstance(image, str) and not looks_like_url(image):
            return await self._read_path(image)
        if isinstance(image, os.PathLike):
            return await self._read_path(image)
        if not isinstance(image, str) and hasattr(image, "read"):
            data = await self._read_file(image)
            return ReadImage(file_name(image), data)
        return await self._read_memory(image)

    async def _read_memory(self, image: Any) -> ReadImage | ImageUrl:  # noqa: ANN401 - checked by from_memory
        if is_slow(image):
            return await asyncio.get_running_loop().run_in_executor(
                self.readers, from_memory, image, self.limit
            )
        return from_memory(image, self.limit)

    async def _read_path(self, path: str | PurePath | os.PathLike[str]) -> ReadImage:
        if not self.local_files:
            raise UnreadableImageError(
                path_name(path) if isinstance(path, str) else f"<{class_name(path)}>",
                "this session reads no local files (local_files=False); pass bytes, or ImageUrl for a URL",
            )
        if isinstance(path, str) or type(path).__module__.partition(".")[0] == "pathlib":
            return await asyncio.get_running_loop().run_in_executor(self.readers, from_path, path, self.limit)
        # A path class of the caller's own may block for any time.
        return await asyncio.to_thread(from_path, path, self.limit)

    async def _read_file(self, file: Any) -> bytes:  # noqa: ANN401 - a caller's
        if inspect.iscoroutinefunction(file.read):
            return await read_async_file(file, self.limit)
        data = await asyncio.to_thread(read_file, file, self.limit, BaseException)
        return data if isinstance(data, bytes) else await read_async_file(file, self.limit, data)
