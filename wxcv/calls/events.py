"""AttemptEvent: the argument of ``on_attempt``."""

from __future__ import annotations

import attrs

from wxcv.values import Value


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
    """

    path: str
    attempt: int
    status: int | None
    errcode: int | None
    bytes: int
    seconds: float
