"""WeChat's refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from wxcv.errors.base import AT_ONCE, OPERATOR, WxcvError

if TYPE_CHECKING:
    from datetime import datetime


class APIError(WxcvError):
    """WeChat answered with an errcode other than 0.

    Codes without a class of their own are plain APIErrors and are not retryable.

    Attributes:
        errcode: WeChat's code; 429 where an HTTP status 429 came without one.
        errmsg: WeChat's text without its rid and hint, masked.
        rid: WeChat's id of the request, to be quoted to its support, or None.
        hint: WeChat's older id of the request, or None.
        meaning: the code in English, or "".
        remedy: what to do, or "".
    """

    def __init__(  # noqa: PLR0913 - the fields of one answer
        self,
        errcode: int,
        errmsg: str,
        *,
        rid: str | None = None,
        hint: str | None = None,
        meaning: str = "",
        remedy: str = "",
    ) -> None:
        told = "; ".join(part for part in (meaning, remedy) if part)
        trace = f" [rid {rid}]" if rid else ""
        super().__init__(f"errcode {errcode}: {errmsg}" + (f" ({told})" if told else "") + trace)
        self.errcode = errcode
        self.errmsg = errmsg
        self.rid = rid
        self.hint = hint
        self.meaning = meaning
        self.remedy = remedy


class SystemBusyError(APIError):
    """WeChat is busy; the same call may succeed in a moment."""

    retryable = True
    user_message = AT_ONCE


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
    user_message = AT_ONCE

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
    """The day's quota, or the paid pack, is used up: every further call fails until it is refilled.

    Attributes:
        resets_at: when the day's quota of the endpoint (45009) begins anew, in UTC: midnight in UTC+8, which
            is assumed, as no page says it. None for 101003, which may be a pack that is used up, and for
            monthly quotas.
    """

    account_wide = True
    user_message = "The limit of images is reached; please try again later."
    resets_at: datetime | None = None


class TokenRejectedError(APIError):
    """WeChat refused the access_token of a call, also after one refresh where a refresh can help.

    The refused token is dropped, and the next call fetches a new one; unless this very token had replaced a
    refused one: then calls get this error for 30 s.
    """

    account_wide = True
    user_message = OPERATOR

    @classmethod
    def dropped_here(cls) -> Self:
        """Make the error for a token that ``Session.invalidate_token`` dropped and WeChat hands out again."""
        error = cls(40001, "")
        told = (
            "this program dropped the token with invalidate_token(), and WeChat hands out no other one yet; "
            "a forced refresh is allowed once in 30 s and 10 times a day"
        )
        error.args = (told,)
        return error

    @property
    def is_refreshable(self) -> bool:
        """Whether a new access_token can help, by WeChat's code."""
        return self.errcode in {40001, 40014, 42001}


class CredentialRejectedError(APIError):
    """WeChat refused to give a token: appid, secret, caller's address, or the account's state."""

    account_wide = True
    user_message = OPERATOR


class PermissionDeniedError(APIError):
    """The account may not use this endpoint."""

    account_wide = True
    user_message = OPERATOR


class ImageRejectedError(APIError):
    """WeChat could not use this image; other images are not concerned."""

    user_message = "The image could not be read; please send a clear JPEG or PNG."


class ImageUrlRejectedError(APIError):
    """WeChat could not fetch ``img_url``; uploading the bytes instead often helps."""

    user_message = "The image could not be downloaded from its address."
