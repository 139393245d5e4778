"""What ``on_attempt`` is told."""

from __future__ import annotations

import attrs

from wxcv.values import Value


@attrs.frozen(repr=False)
class AttemptEvent(Value):
    """One attempt of a call, as told to ``on_attempt``; it holds nothing secret.

    Attributes:
        path: the endpoint's path.
        attempt: 1 for the first attempt of the call.
        status: the HTTP status, or None if no answer came.
        errcode: WeChat's code, 0 for success, or None if no answer could be read.
        bytes: of the image that was to be uploaded; 0 for an ``img_url``.
        seconds: from the request to its answer or failure.
    """

    path: str
    attempt: int
    status: int | None
    errcode: int | None
    bytes: int
    seconds: float
