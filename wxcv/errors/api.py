"""Errors for WeChat's error codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wxcv.errors.base import BUSY, LIMIT_REACHED, UNAVAILABLE, WxcvError

if TYPE_CHECKING:
    from datetime import datetime


class APIError(WxcvError):
    """WeChat returned an errcode other than 0.

    A code without a class of its own becomes a plain APIError, which is not retryable.

    Attributes:
        errcode: WeChat's code; 429 for an HTTP status 429 without a code.
        errmsg: WeChat's text without its rid and hint, masked, at most 300 characters.
        rid: WeChat's ID of the request, to quote to WeChat's support, or None.
        hint: WeChat's older ID of the request, or None.
        meaning: what the code means, in English, or "" for an unknown code.
        remedy: what to do about it, or "".
    """

    def __init__(  # noqa: PLR0913 - the fields of one response
        self,
        errcode: int,
        errmsg: str,
        *,
        rid: str | None = None,
        hint: str | None = None,
        meaning: str = "",
        remedy: str = "",
    ) -> None:
        explanation = "; ".join(part for part in (meaning, remedy) if part)
        trace = f" [rid {rid}]" if rid else ""
        super().__init__(
            f"errcode {errcode}: {errmsg}" + (f" ({explanation})" if explanation else "") + trace
        )
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid
        self.hint = hint
        self.meaning = meaning
        self.remedy = remedy


class SystemBusyError(APIError):
    """WeChat is busy; the same call may succeed a moment later."""

    retryable = True
    user_message = BUSY


class RateLimitedError(APIError):
    """Too many calls in this minute (45011, 9301011, or HTTP status 429).

    After it the endpoint is paused for the whole session until the minute ends. A call that could not end
    within its ``call_timeout`` gets this error at once, with the errcode of the refusal before.

    Attributes:
        retry_after: seconds to wait: as the answer's Retry-After says, or for which the endpoint is still
            paused; None if neither is known.
    """

    retryable = True
    retry_after: float | None = None
    user_message = BUSY

    @classmethod
    def for_pause(cls, refusal: RateLimitedError, seconds: float) -> Self:
        """Make the error of a call that would have to wait for so long, after an earlier refusal."""
        error = cls(refusal.errcode, refusal.errmsg, meaning=refusal.meaning, remedy=refusal.remedy)
        told = (
            f"the endpoint is paused for another {seconds:.0f} s, after WeChat refused an earlier call with "
            f"errcode {refusal.errcode} ({refusal.meaning or 'too many calls'}); call_timeout is shorter"
        )
        error.args = (told,)
        error.retry_after = seconds
        return error


class QuotaExhaustedError(APIError):
    """A daily or monthly quota, or a paid pack, is used up; calls fail until it is refilled.

    Attributes:
        resets_at: for 45009 on an image call, the UTC time at which the endpoint's daily quota resets. It is
            assumed to be midnight in UTC+8, as WeChat does not document it. None for every other errcode and
            for token requests.
    """

    account_wide = True
    user_message = LIMIT_REACHED
    resets_at: datetime | None = None


class TokenRejectedError(APIError):
    """WeChat refused the access_token of a call, even after one refresh if a refresh can help.

    The refused token is dropped and the next call fetches another one, unless it had replaced a refused token
    less than 30 s before: then calls raise this error for 30 s.

    Also raised, with errcode 40001, while WeChat returns no other token than the one that
    ``Session.invalidate_token`` dropped.
    """

    account_wide = True
    user_message = UNAVAILABLE

    @classmethod
    def dropped_here(cls) -> Self:
        """Make the error for a token that ``Session.invalidate_token`` dropped and WeChat returned again."""
        error = cls(40001, "")
        message = (
            "this program dropped the token with invalidate_token(), and WeChat still returns the same one; "
            "a forced refresh is allowed every 30 s, at most 10 times a day"
        )
        error.args = (message,)
        return error

    @property
    def is_refreshable(self) -> bool:
        """Whether a new access_token can help, according to WeChat's code."""
        return self.errcode in {40001, 40014, 42001}


class CredentialRejectedError(APIError):
    """WeChat refused to issue a token because of the appid, secret, caller's IP address or account status."""

    account_wide = True
    user_message = UNAVAILABLE


class PermissionDeniedError(APIError):
    """The account is not allowed to use this endpoint."""

    account_wide = True
    user_message = UNAVAILABLE


class ImageRejectedError(APIError):
    """WeChat could not process this image; other images are not affected."""

    user_message = "The image could not be read; please send a clear JPEG or PNG."


class DocumentNotFoundError(ImageRejectedError):
    """WeChat found no card, licence or menu in this image (101001); other images are not affected."""

    user_message = "No document was found in the image; please send a clear picture of it."


class ImageUrlRejectedError(APIError):
    """WeChat could not fetch ``img_url``; uploading the bytes instead often helps."""

    user_message = "The image could not be downloaded from its address."
