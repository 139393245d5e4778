"""What the integrations of web frameworks share: calls that end when the client of their request leaves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self, TypeVar

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    MakeSession = Callable[[], AbstractAsyncContextManager[wxcv.Session]]

AnswerT = TypeVar("AnswerT")


class CancelledBlock:
    """A ``with`` block that can be cancelled, and then raises another error, as ``asyncio.timeout`` does.

    Args:
        make_error: makes the error.
    """

    def __init__(self, make_error: Callable[[], Exception]) -> None:
        self._make_error = make_error
        self._is_cancelled = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"  # noqa: S101 - for type checkers
        self._task, self._cancelling = task, task.cancelling()
        return self

    def cancel(self) -> None:
        """Cancel what runs in the block; to be called once, and not after the block."""
        self._is_cancelled = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_cancelled:
            return
        is_ours = self._task.uncancel() <= self._cancelling
        if is_ours and isinstance(error, asyncio.CancelledError):
            raise self._make_error() from None


class RequestSession(wxcv.Session):
    """An app's session during one request: its calls end when the client leaves.

    It shares everything with the app's session. Only its calls end so: batches and queries run on.

    Args:
        session: the app's session.
        watch: returns a context manager that cancels its block when the client leaves.
    """

    def __init__(
        self, session: wxcv.Session, watch: Callable[[], AbstractAsyncContextManager[object]]
    ) -> None:
        vars(self).update(vars(session))  # it is another view of the same session
        self._app_session = session
        self._watch = watch

    async def call(
        self, endpoint: wxcv.Endpoint[AnswerT], image: wxcv.Image, *, fields: Mapping[str, str] | None = None
    ) -> AnswerT:
        """Call the endpoint as the app's session does, until the client leaves."""
        async with self._watch():
            return await self._app_session.call(endpoint, image, fields=fields)

    def on_behalf_of(self, credential: wxcv.Credential) -> Self:
        """Return the session for another account, during the same request."""
        return type(self)(self._app_session.on_behalf_of(credential), self._watch)

    async def aclose(self, grace: float = 0.0) -> None:
        """Do nothing: the session is closed when the app ends."""


@asynccontextmanager
async def open_session(make_session: MakeSession) -> AsyncIterator[wxcv.Session]:
    """Make the session of an app, and close it at the end of the block.

    Raises:
        TypeError: ``make_session`` returned something else.
    """
    made = make_session()
    if not hasattr(made, "__aenter__"):
        raise TypeError(f"make_session must return a wxcv.Session, not {type(made).__name__}")
    async with made as session:
        if not isinstance(session, wxcv.Session):
            raise TypeError(f"make_session must yield a wxcv.Session, not {type(session).__name__}")
        yield session
