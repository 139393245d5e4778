"""wxcv in FastAPI and Starlette apps (extra: ``fastapi``).

::

    from fastapi import FastAPI

    import wxcv
    from wxcv.integrations.fastapi import CurrentSession, UploadedImage, install, session_lifespan

    app = FastAPI(lifespan=session_lifespan(lambda: wxcv.Session.from_env(local_files=False)))
    install(app)

    @app.post("/codes")
    async def read_codes(image: UploadedImage, session: CurrentSession) -> wxcv.QrcodeScan:
        return await session.scan_qrcode(image)

- ``session_lifespan`` opens one session for each process and closes it when the app ends.
- ``install`` answers errors as problems of RFC 9457, see ``wxcv.integrations.http_errors``, and notices
  clients that leave: a call of ``CurrentSession`` is then cancelled and its slot is free. Nothing is noticed
  before the body of the request has been read.
- ``UploadedImage`` is the file in the field ``image`` of a form, or the whole body if it is no form. It is
  refused by its Content-Length, and otherwise counted while it arrives, so that no more than the limit is
  held; FastAPI's ``UploadFile`` would have stored a file of any size before the handler runs. It takes the
  body, so that a handler cannot have Body, Form or File parameters beside it.
- In Starlette, call ``await read_image(request)`` and ``await get_session(request)`` in the handler.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import wxcv
from wxcv.integrations.asgi import DisconnectMiddleware, cancel_block
from wxcv.integrations.http_errors import CLIENT_LEFT, log_error, make_problem
from wxcv.integrations.requests import RequestSession, open_session
from wxcv.integrations.uploads import IMAGE_LIMIT, UploadBuffer, check_upload

try:
    from fastapi import Depends
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response

    from wxcv.integrations.forms import ImageForm
except ImportError as missing:
    raise ImportError(
        f"wxcv.integrations.fastapi needs {missing.name} from the extra fastapi: "
        'python -m pip install "wxcv[fastapi]"'
    ) from None

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.applications import Starlette

    from wxcv.integrations.requests import MakeSession

_STATE = "wxcv_session"


def session_lifespan(
    make_session: MakeSession,
) -> Callable[[Starlette], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return a lifespan that opens the app's session and closes it when the app ends.

    Closing takes up to 10 s, for calls that still run. In a lifespan of your own, enter it and yield what it
    yields, with what you add to that::

        async with session_lifespan(make_session)(app) as state:
            yield {**state, "database": database}

    Args:
        make_session: is called once in each process, when the app starts; returns a Session, or an async
            context manager that yields one and then closes its store. Pass ``local_files=False`` to the
            Session, so that no user can make it read a file of the server.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with open_session(make_session) as session:
            yield {_STATE: session}

    return lifespan


def install(app: Starlette) -> None:
    """Let an app answer the errors of wxcv, and notice clients that leave.

    It adds handlers for WxcvError and for Starlette's ClientDisconnect, and a DisconnectMiddleware. Errors
    that only the operator can change are logged by the logger ``wxcv``.
    """
    app.add_middleware(DisconnectMiddleware)
    app.add_exception_handler(wxcv.WxcvError, _answer_error)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)


async def _answer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, wxcv.WxcvError), "it is the handler of no other"  # noqa: S101 - for type checkers
    problem = make_problem(error)
    log_error(error, problem.status)
    return Response(problem.body, problem.status, problem.headers)


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


def cancel_on_disconnect(request: Request) -> AbstractAsyncContextManager[None]:
    """Return an ``async with`` block that is cancelled when the client leaves.

    ``CurrentSession`` does so with each of its calls; use this for other work, such as a batch. The body of
    the request must have been read; before, nothing is noticed.

    Raises (on entering or leaving the block):
        ClientDisconnect: Starlette's; the client left, and what ran in the block was cancelled.
        RuntimeError: ``install`` was not called for the app.
    """
    return cancel_block(request.scope, ClientDisconnect)


async def get_session(request: Request) -> wxcv.Session:
    """Return the app's session, for this request: a call raises ClientDisconnect when the client leaves.

    Raises:
        RuntimeError: the app has no session.
    """
    session = getattr(request.state, _STATE, None)
    if session is None:
        raise RuntimeError("the app has no session: pass lifespan=session_lifespan(...) when you make it")
    return RequestSession(session, partial(cancel_on_disconnect, request))


async def read_image(request: Request, *, limit: int = IMAGE_LIMIT, field: str = "image") -> wxcv.ImageBytes:
    """Read the uploaded image of a request: the file in a field of a form, or the whole body.

    No more than ``limit`` and one chunk of the server's are held, whatever the client sends.

    Args:
        request: the request, whose body has not been read.
        limit: size in bytes that the image must stay below; with ``Session(fit=True)`` up to 50,000,000.
        field: the name of the field in ``multipart/form-data``.

    Raises:
        ImageTooLargeError: the image is too large; if its Content-Length says so, nothing was read.
        UnreadableImageError: the form is incomplete, or has no such field.
        ClientDisconnect: the client left.
        RuntimeError: the body was read before.
    """
    headers = request.headers
    kind = headers.get("Content-Type", "")
    is_form = kind.partition(";")[0].strip().lower() == "multipart/form-data"
    buffer = UploadBuffer(limit, headers.get("Content-Length"), is_form=is_form)
    form = ImageForm(kind, field, buffer) if is_form else None
    async with aclosing(request.stream()) as stream:
        chunk = await _read_first(stream)
        while chunk is not None:
            buffer.count(len(chunk))
            (form or buffer).write(chunk)
            chunk = await anext(stream, None)
    return buffer.to_image(form.end() if form is not None else None)


async def _read_first(stream: AsyncIterator[bytes]) -> bytes | None:
    try:
        return await anext(stream)
    except RuntimeError:  # Starlette's, for a stream that was consumed
        pass
    raise RuntimeError(
        "the body was read before the image; a handler that takes an image cannot have Body, Form or File "
        "parameters"
    )


def image_reader(
    limit: int = IMAGE_LIMIT, field: str = "image"
) -> Callable[[Request], Awaitable[wxcv.ImageBytes]]:
    """Return a dependency that reads an uploaded image, as ``read_image`` does.

    ::

        LargeImage = Annotated[wxcv.ImageBytes, Depends(image_reader(limit=50_000_000))]

    Raises:
        ValueError, TypeError: an argument is unusable; the message names it.
    """
    check_upload(limit, field)

    async def read(request: Request) -> wxcv.ImageBytes:
        return await read_image(request, limit=limit, field=field)

    return read


def describe_upload(field: str = "image") -> dict[str, Any]:
    """Return the ``openapi_extra`` of a handler that takes an uploaded image, for the app's documentation."""
    file = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {field: file}, "required": [field]}
    content = {"multipart/form-data": {"schema": form}, "image/*": {"schema": file}}
    return {"requestBody": {"required": True, "content": content}}


CurrentSession = Annotated[wxcv.Session, Depends(get_session)]
"""The type of a parameter that is the app's session, see ``get_session``."""

UploadedImage = Annotated[wxcv.ImageBytes, Depends(image_reader())]
"""The type of a parameter that is an uploaded image of less than 2 MB, see ``read_image``."""
