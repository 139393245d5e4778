"""Loads an image of any kind, in the event loop or in a thread, so that the event loop never blocks."""

from __future__ import annotations

import asyncio
import inspect
import os
from typing import TYPE_CHECKING, Any

from wxcv.callbacks import CallbackError, is_cancelled
from wxcv.errors import ImageError, UnreadableImageError
from wxcv.images.files import file_name, path_name, read_async_file, read_file
from wxcv.images.fitting import INPUT_LIMIT, fit_data
from wxcv.images.sources import ImageUrl, LocalImage, check_image, from_memory, from_path, looks_like_url
from wxcv.masking import class_name

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import PurePath

_IN_MEMORY = (bytes, bytearray, memoryview, ImageUrl)


class ImageLoader:
    """Reads and checks images.

    Args:
        limit: size in bytes that an image must stay below; no more is read.
        readers: the threads that read files.
        local_files: whether paths are read or refused.
        fit: whether a picture of ``limit`` bytes or more is made smaller, one at a time.
    """

    def __init__(self, limit: int, readers: Executor, *, local_files: bool, fit: bool = False) -> None:
        self.limit = limit if not fit else max(limit, INPUT_LIMIT)
        self.readers = readers
        self.local_files = local_files
        self._fitted_limit = limit
        self._fitting = asyncio.Lock()

    async def load(self, image: Any) -> LocalImage | ImageUrl:  # noqa: ANN401 - checked there
        """Read and check an image, and fit it if need be; see ``load_unfitted``."""
        loaded = await self.load_unfitted(image)
        if isinstance(loaded, ImageUrl) or len(loaded.data) < self._fitted_limit:
            return loaded
        loop = asyncio.get_running_loop()
        async with self._fitting:
            fitted = await loop.run_in_executor(
                self.readers, fit_data, loaded.name, loaded.data, self._fitted_limit
            )
        sizes = (fitted.size, fitted.original_size)
        return LocalImage(loaded.name, fitted.data, fitted.content_type, sizes)

    async def load_unfitted(self, image: Any) -> LocalImage | ImageUrl:  # noqa: ANN401 - checked here
        """Read and check an image; at most ``limit`` bytes are read, once.

        Args:
            image: bytes-like, an ``os.PathLike`` or ``str`` path, an ``http(s)://`` URL or ImageUrl, a binary
                file object whose ``read`` may be async (read from its current position), or ImageBytes.

        Raises:
            ImageError: the image is unusable; the message has its name and the remedy. A file object may have
                been read up to the limit.
        """
        if isinstance(image, _IN_MEMORY):
            return from_memory(image, self.limit)
        try:
            return await self._load(image)
        except ImageError:
            raise
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            failure = CallbackError(error)
        except Exception as error:  # noqa: BLE001 - an object of the caller's may raise anything
            failure = CallbackError(error)
        raise UnreadableImageError(f"<{class_name(image)}>", f"the image cannot be read ({failure})")

    async def _load(self, image: Any) -> LocalImage | ImageUrl:  # noqa: ANN401 - checked here
        if isinstance(image, str) and not looks_like_url(image):
            return await self._load_path(image)
        if isinstance(image, os.PathLike):
            return await self._load_path(image)
        if not isinstance(image, str) and hasattr(image, "read"):
            return check_image(await self._read(image), file_name(image))
        return from_memory(image, self.limit)

    async def _load_path(self, path: str | PurePath | os.PathLike[str]) -> LocalImage:
        if not self.local_files:
            raise UnreadableImageError(
                path_name(path) if isinstance(path, str) else f"<{class_name(path)}>",
                "this session reads no local files (local_files=False); pass bytes, or ImageUrl for a URL",
            )
        if isinstance(path, str) or type(path).__module__ == "pathlib":
            return await asyncio.get_running_loop().run_in_executor(self.readers, from_path, path, self.limit)
        # A path class of the caller's own may block for any time.
        return await asyncio.to_thread(from_path, path, self.limit)

    async def _read(self, file: Any) -> bytes:  # noqa: ANN401 - a caller's
        if inspect.iscoroutinefunction(file.read):
            return await read_async_file(file, self.limit)
        data = await asyncio.to_thread(read_file, file, self.limit, BaseException)
        return data if isinstance(data, bytes) else await read_async_file(file, self.limit, data)
