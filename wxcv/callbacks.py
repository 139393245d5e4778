"""Calls functions of the caller's, and tells of their failures without quoting them."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from wxcv.masking import class_name, where_raised

if TYPE_CHECKING:
    from collections.abc import Callable


class CallbackError(Exception):
    """A function of the caller's raised; its text is never kept, as it may hold a secret.

    Attributes:
        reason: the name of the class that it raised.
        location: file and line in the caller's code, or "".
    """

    def __init__(self, error: BaseException) -> None:
        self.reason = class_name(error)
        self.location = where_raised(error)
        super().__init__(f"{self.reason} at {self.location}" if self.location else self.reason)


def is_cancelled() -> bool:
    """Tell whether somebody asked for the end of the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def call_back(
    function: Callable[..., Any], *arguments: object, passing: tuple[type[Exception], ...] = ()
) -> Any:  # noqa: ANN401 - a caller's
    """Call a function, sync or async, and return what it returns.

    Args:
        function: the caller's.
        arguments: for it.
        passing: classes of errors that are passed on as they are.

    Raises:
        CallbackError: it raised anything else. A CancelledError of its own is one too, unless the current
            task is being cancelled.
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
    # Raised out here: inside the block the caller's error would be its context.
    raise failure
