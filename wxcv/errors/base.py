"""The root of the error tree, and the errors that are not about an image, a response or a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wxcv.masking import mask

if TYPE_CHECKING:
    from datetime import datetime

BUSY = "The image service is busy; please try again in a moment."
UNREACHABLE = "The image service cannot be reached right now; please try again later."
UNAVAILABLE = "The image service is not available; please tell the operator of this site."
LIMIT_REACHED = "The image limit has been reached; please try again later."


def _rebuild(cls: type[WxcvError], args: tuple[object, ...], state: dict[str, Any]) -> WxcvError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class WxcvError(Exception):
    """The base class of all errors that wxcv raises.

    Attributes:
        retryable: whether the same call may succeed later with nothing changed.
        account_wide: whether every other image sent to the same endpoint for this account would get the same
            error.
        sends: how many times the image was sent, in full or in part, before this error.
        elapsed: seconds from when the call got its slot to this error; 0.0 if it got none.
        image: a short name of the image: the ``name`` of an ImageBytes, its path, its URL without the query,
            the name of a file object, the size of bytes, or a class name in angle brackets. None if the error
            is not about an image, such as one raised by ``session.token()``.
        user_message: one short English sentence for an end user, without codes and names.
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
        if self.image and not message.startswith(f"{self.image}: "):
            message = f"{self.image}: {message}"
        return f"{message} [sends: {self.sends}, elapsed: {self.elapsed:.2f} s]" if self.sends else message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default would call __init__ with the message alone.
        return _rebuild, (type(self), self.args, self.__dict__)


class SlotTimeoutError(WxcvError):
    """The call got no slot within ``slot_timeout``, or ``max_waiting`` calls were already waiting.

    In the second case it is raised at once. Nothing was sent, and the image was not read. Raise
    ``concurrency`` or reduce the number of callers.
    """

    retryable = True
    user_message = BUSY


class TokenSourceError(WxcvError):
    """A token or ticket function, or a credential, store or clock of the caller's, failed.

    It raised an exception or returned something unusable. The message names the class of the exception and
    the file and line; its text is left out and it is not chained, as both may hold a secret. The function is
    called again by the first call after 60 s.

    Attributes:
        reason: the name of the class that was raised or returned, or "" if the class was right and its value
            unusable.
        location: the file and line in the caller's code, or "" if unknown.
    """

    account_wide = True
    user_message = UNAVAILABLE

    def __init__(self, message: str, *, reason: str = "", location: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.location = location


class DailyLimitError(WxcvError):
    """A limit of ``DailyLimits``, or WeChat's quota by its last refusal, is used up; nothing was sent.

    That is about the current attempt; ``sends`` counts earlier ones. The message says when the limit or the
    quota begins anew, and what to do after more was bought.

    Attributes:
        resets_at: the UTC time at which the day ends, a datetime (``Usage.resets_at`` is Unix time); None if
            market quota is used up.
    """

    account_wide = True
    user_message = LIMIT_REACHED
    resets_at: datetime | None = None

    def __init__(self, message: str, *, resets_at: datetime | None = None) -> None:
        super().__init__(message)
        self.resets_at = resets_at


class SessionClosedError(WxcvError, RuntimeError):
    """The session is closed, or was closed while the call waited or ran; open a new one.

    Also raised when a session is used in an event loop or a process other than its own.
    """

    user_message = BUSY


class StoreError(WxcvError):
    """The store failed, so that a token, a count or a mark could not be read or written.

    The current attempt was not sent; ``sends`` counts earlier ones. The store may have carried out the
    operation all the same.
    """

    retryable = True
    user_message = UNREACHABLE


class JournalError(WxcvError):
    """The journal of a batch cannot be read or written, and nothing more is sent.

    The message has the cause and the remedy. Every outcome that the batch yielded is in the journal. What was
    being sent at that moment may be sent again by the next run.
    """

    user_message = UNAVAILABLE
