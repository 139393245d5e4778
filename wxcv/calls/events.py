"""The events of calls: the arguments of ``on_call_start``, ``on_attempt`` and ``on_call``."""

from __future__ import annotations

from typing import Literal

import attrs

from wxcv.values import Value

CallStatus = Literal["ok", "failed", "not_sent", "unknown", "cancelled"]


@attrs.frozen(repr=False)
class CallStart(Value):
    """The start of a call, or of one image of a batch, as passed to ``on_call_start``. It holds no secrets.

    Attributes:
        endpoint: the endpoint's name, such as "scan_qrcode".
        path: the endpoint's path, such as "/cv/img/qrcode".
    """

    endpoint: str
    path: str


@attrs.frozen(repr=False)
class AttemptEvent(Value):
    """One attempt of a call, as passed to ``on_attempt``. It holds no secrets.

    Attributes:
        path: the endpoint's path.
        attempt: the number of the attempt in its call, from 1. Every request with the image counts, also
            those after a throttling or a refused token, which ``RetryPolicy.attempts`` does not count.
        status: the HTTP status, or None if no usable response was received.
        errcode: WeChat's code, 0 for success, or None if the response could not be read.
        bytes: the size of the image to upload in bytes; 0 for an ``img_url``.
        seconds: the time from the start of the request to its response or failure.
        base_url: scheme, host and port of the server that responded; without a response, of the session's
            ``base_url``.
        error: the class name of the error, such as "AnswerLostError"; "CancelledError" if the call was
            cancelled or its time ran out; None if the image was answered.
    """

    path: str
    attempt: int
    status: int | None
    errcode: int | None
    bytes: int
    seconds: float
    base_url: str = ""
    error: str | None = None


@attrs.frozen(repr=False)
class CallEvent(Value):
    """One call, or one image of a batch, as passed to ``on_call`` when it has ended. It holds no secrets.

    Attributes:
        endpoint: the endpoint's name, such as "scan_qrcode".
        status: "ok", or "failed", "not_sent" or "unknown" as Unanswered describes them, or "cancelled". An
            image that has no outcome because its batch was closed is "cancelled"; one that has none because
            the journal failed is "failed" or "unknown".
        source: where the answer came from: "wechat", or the ``name`` of the answer source that had it, such
            as "cache" or "local"; None without an answer.
        sends: how many times the image was sent for this call, in full or in part.
        seconds: the time from when the call got its slot, for the last time, to its end; 0.0 without a slot.
        queued: seconds for which it waited for its slot, the last time.
        error: the class name of the error, such as "QuotaExhaustedError"; None if there is an answer, or the
            status is "cancelled".
    """

    endpoint: str
    status: CallStatus
    source: str | None
    sends: int
    seconds: float
    queued: float
    error: str | None = None
