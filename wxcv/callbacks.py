"""Calls the caller's functions, and reports their failures without quoting them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from wxcv.masking import class_name, where_raised

if TYPE_CHECKING:
    from collections.abc import Callable

EventT = TypeVar("EventT")

logger = logging.getLogger("wxcv")


class CallbackError(Exception):
    """A function of the caller's raised; the exception's text is never kept, as it may hold a secret.

    Attributes:
        reason: the class name of the exception.
        location: file and line in the caller's code, or "".
    """

    def __init__(self, error: BaseException) -> None:
        self.reason = class_name(error)
        self.location = where_raised(error)
        super().__init__(f"{self.reason} at {self.location}" if self.location else self.reason)


def is_cancelled() -> bool:
    """Return whether a cancellation of the current task has been requested."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def call_back(
    function: Callable[..., Any], *arguments: object, passing: tuple[type[Exception], ...] = ()
) -> Any:  # noqa: ANN401 - a caller's
    """Call a function of the caller's, sync or async, and return its result.

    Args:
        function: the function.
        arguments: its arguments.
        passing: exception classes that are raised unchanged.

    Raises:
        CallbackError: the function raised anything else, including a CancelledError of its own (one that
            does not come from the cancellation of the current task).
    """
    try:
        value = function(*arguments)
        return await value if inspect.isawaitable(value) else value
    except passing:
        raise
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        failure = CallbackError(error)
    except Exception as error:  # noqa: BLE001 - a caller's function may raise anything
        failure = CallbackError(error)
    # Raised outside the except block: inside it, the caller's exception would become its context.
    try:
        raise failure
    finally:
        del failure  # avoids a reference cycle through its own traceback, which holds the arguments


def notify(name: str, function: Callable[[EventT], object], event: EventT) -> None:
    """Call a function of the caller's with an event; what it raises is logged and dropped.

    Args:
        name: of the argument through which the function was passed.
        function: the function, not async.
        event: its argument.
    """
    try:
        function(event)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - a caller's function
        logger.error("%s raised %s; the call continues", name, CallbackError(error))  # noqa: TRY400 - the text may hold a secret
