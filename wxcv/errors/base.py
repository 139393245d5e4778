"""The root of all errors, and what concerns no image, answer or connection."""

from __future__ import annotations

from typing import Any

from wxcv.masking import mask

AT_ONCE = "The image service is busy; please try again in a moment."
LATER = "The image service cannot be reached right now; please try again later."
OPERATOR = "The image service is not available; please tell the operator of this site."


def _rebuild(cls: type[WxcvError], args: tuple[object, ...], state: dict[str, Any]) -> WxcvError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class WxcvError(Exception):
    """Root of all errors of wxcv.

    Attributes:
        retryable: whether the very same call may succeed later with nothing changed.
        account_wide: whether every other image of this account would meet the same error.
        sends: how many times the image was sent, wholly or in part, before this error.
        elapsed: seconds since the call had its slot.
        image: a short name of the image: its path, its URL without the query, or its size; None if the error
            is not about an image, such as one of ``session.token()``.
        user_message: one short English sentence fit for an end user, without codes and names.
    """

    retryable: bool = False
    account_wide: bool = False
    user_message: str = "The image could not be processed."

    def __init__(self, message: str) -> None:
        super().__init__(mask(message))
        self.sends = 0
        self.elapsed = 0.0
        self.image: str | None = None

    def __str__(self) -> str:
        message = super().__str__()
        if self.image and not message.startswith(self.image):
            message = f"{self.image}: {message}"
        return f"{message} [sends: {self.sends}, elapsed: {self.elapsed:.2f} s]" if self.sends else message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone.
        return _rebuild, (type(self), self.args, self.__dict__)


class SlotTimeoutError(WxcvError):
    """The call had no slot within ``slot_timeout``, or ``max_waiting`` calls waited already.

    Nothing was sent, and the image was not read. Concurrency, or the number of callers, is the caller's.
    """

    retryable = True
    user_message = AT_ONCE


class TokenSourceError(WxcvError):
    """The caller's own token or ticket function raised, or returned something else than it must.

    The message names the class of what was raised, and the file and line; its text is left out and it is not
    chained, as both may hold a secret. The function is called again for the first call after 60 s.

    Attributes:
        reason: the name of the class that was raised or returned.
        location: the file and line in the caller's code, or "" where there is none.
    """

    account_wide = True
    user_message = OPERATOR

    def __init__(self, message: str, *, reason: str = "", location: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.location = location


class SessionClosedError(WxcvError, RuntimeError):
    """The session is closed, or was closed while the call waited or ran; open a new one.

    Also for a session that is used in another event loop, or in another process, than the one it belongs to.
    """

    user_message = AT_ONCE


class StoreError(WxcvError):
    """The shared token store failed, and no token may be fetched without it."""

    retryable = True
    user_message = LATER
