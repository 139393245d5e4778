"""wxcv in aiohttp's web apps.

::

    from aiohttp import web

    import wxcv
    from wxcv.integrations.aiohttp import error_middleware, get_session, read_image, session_context

    async def read_codes(request: web.Request) -> web.Response:
        scan = await get_session(request).scan_qrcode(await read_image(request))
        return web.json_response(scan.to_dict())

    app = web.Application(middlewares=[error_middleware])
    app.cleanup_ctx.append(session_context(lambda: wxcv.Session.from_env(local_files=False)))
    app.router.add_post("/codes", read_codes)

- ``session_context`` opens one session for each process, ``app[SESSION]``, and closes it when the app ends.
- ``error_middleware`` answers errors as problems of RFC 9457, see ``wxcv.integrations.http_errors``.
- A call of ``get_session(request)`` is cancelled when the client leaves, and its slot is free.
- ``read_image`` returns the file in the field ``image`` of a form, or the whole body if it is no form. It is
  refused by its Content-Length, and otherwise counted while it arrives: ``client_max_size`` does not apply.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from aiohttp import BodyPartReader, MultipartReader, StreamReader, web
from aiohttp.http import HttpProcessingError

import wxcv
from wxcv.integrations.http_errors import CLIENT_LEFT, log_error, make_problem
from wxcv.integrations.requests import CancelledBlock, RequestSession, open_session
from wxcv.integrations.uploads import (
    IMAGE_LIMIT,
    UploadBuffer,
    check_upload,
    make_damaged_error,
    make_missing_error,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.typedefs import Handler

    from wxcv.integrations.requests import MakeSession

SESSION = web.AppKey("SESSION", wxcv.Session)
"""The key of the app's session."""

_INTERVAL = 0.1
"""Seconds between two looks at a connection: aiohttp tells nobody that it was lost."""


class ClientLeftError(ConnectionResetError):
    """The client of a request left before it was answered."""

    def __init__(self) -> None:
        super().__init__("the client left")


def session_context(
    make_session: MakeSession,
) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return a function for ``app.cleanup_ctx`` that opens the app's session and closes it when the app ends.

    Closing takes up to 10 s, for calls that still run.

    Args:
        make_session: is called once in each process, when the app starts; returns a Session, or an async
            context manager that yields one and then closes its store. Pass ``local_files=False`` to the
            Session, so that no user can make it read a file of the server.
    """

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with open_session(make_session) as session:
            app[SESSION] = session
            yield

    return context


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer the errors of wxcv.

    Errors that only the operator can change are logged by the logger ``wxcv``. The response to a client that
    left has the status 499, for the access log.
    """
    try:
        return await handler(request)
    except wxcv.WxcvError as error:
        problem = make_problem(error)
        log_error(error, problem.status)
        return web.Response(body=problem.body, status=problem.status, headers=problem.headers)
    except ClientLeftError:
        return web.Response(status=CLIENT_LEFT)


@asynccontextmanager
async def cancel_on_disconnect(request: web.Request) -> AsyncIterator[None]:
    """Cancel the block when the client leaves, within 0.1 s.

    A session of ``get_session`` does so with each of its calls; use this for other work, such as a batch.

    Raises:
        ClientLeftError: the client left, and what ran in the block was cancelled.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.Handle
    with CancelledBlock(ClientLeftError) as block:

        def look() -> None:
            nonlocal timer
            if _is_connected(request):
                timer = loop.call_later(_INTERVAL, look)
            else:
                block.cancel()

        timer = loop.call_soon(look)
        try:
            yield
        finally:
            timer.cancel()


def _is_connected(request: web.Request) -> bool:
    transport = request.transport
    return transport is not None and not transport.is_closing()


def get_session(request: web.Request) -> wxcv.Session:
    """Return the app's session, for this request: a call raises ClientLeftError when the client leaves.

    Raises:
        RuntimeError: the app has no session.
    """
    session = request.config_dict.get(SESSION)
    if session is None:
        raise RuntimeError("the app has no session: app.cleanup_ctx.append(session_context(...))")
    return RequestSession(session, partial(cancel_on_disconnect, request))


async def read_image(
    request: web.Request, *, limit: int = IMAGE_LIMIT, field: str = "image"
) -> wxcv.ImageBytes:
    """Read the uploaded image of a request: the file in a field of a form, or the whole body.

    No more than ``limit`` and what aiohttp buffers are held, whatever the client sends.

    Args:
        request: the request, whose body has not been read.
        limit: size in bytes that the image must stay below; with ``Session(fit=True)`` up to 50,000,000.
        field: the name of the field in ``multipart/form-data``.

    Raises:
        ImageTooLargeError: the image is too large; if its Content-Length says so, nothing was read.
        UnreadableImageError: the form is incomplete, or has no such field.
        ClientLeftError: the client left.
        ValueError, TypeError: an argument is unusable; the message names it.
    """
    check_upload(limit, field)
    is_form = request.content_type == "multipart/form-data"
    buffer = UploadBuffer(limit, request.headers.get("Content-Length"), is_form=is_form)
    try:
        if is_form:
            return buffer.to_image(await _read_form(request, field, buffer))
        async for chunk in request.content.iter_any():
            buffer.count(len(chunk))
            buffer.write(chunk)
    except ConnectionError:
        pass
    else:
        return buffer.to_image()
    raise ClientLeftError


class _CountedStream:
    """The body of a request, counted while aiohttp takes it apart."""

    def __init__(self, stream: StreamReader, buffer: UploadBuffer) -> None:
        self._stream, self._buffer = stream, buffer

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever else a stream has
        return getattr(self._stream, name)

    async def read(self, size: int) -> bytes:
        chunk = await self._stream.read(size)
        self._buffer.count(len(chunk))
        return chunk

    async def readline(self, **options: Any) -> bytes:  # noqa: ANN401 - of a later aiohttp
        line = await self._stream.readline(**options)
        self._buffer.count(len(line))
        return line

    def unread_data(self, data: bytes) -> None:
        self._buffer.count(-len(data))
        self._stream.unread_data(data)


async def _read_form(request: web.Request, field: str, buffer: UploadBuffer) -> str:
    """Write the first file of the field into the buffer, drop all else, and return the name of the file."""
    try:
        name = await _read_parts(request, field, buffer)
    except wxcv.ImageError:
        raise
    except (ValueError, RuntimeError, HttpProcessingError):  # what aiohttp raises for what is no form
        raise make_damaged_error() from None
    if name is None:
        raise make_missing_error(field)
    return name


async def _read_parts(request: web.Request, field: str, buffer: UploadBuffer) -> str | None:
    stream = cast("StreamReader", _CountedStream(request.content, buffer))
    found = None
    async for part in MultipartReader(request.headers, stream):
        if not isinstance(part, BodyPartReader):
            raise make_damaged_error()
        is_image = found is None and part.name == field
        if is_image:
            found = part.filename or ""
        while chunk := await part.read_chunk():
            if is_image:
                buffer.write(chunk)
    return found
