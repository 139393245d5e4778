"""Reads the images of one command: some at a time, given back in the order of the command line."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

_AHEAD = 32

ALL_READ, SOME_FAILED, USAGE, ACCOUNT, QUOTA = range(5)
"""Exit codes."""

_EXIT_CODES: dict[type[wxcv.WxcvError], int] = {
    wxcv.QuotaExhaustedError: QUOTA,
    wxcv.CredentialRejectedError: ACCOUNT,
    wxcv.PermissionDeniedError: ACCOUNT,
    wxcv.TokenRejectedError: ACCOUNT,
}


@attrs.define
class Reading:
    """What came of one image: an answer or an error for each endpoint's name."""

    image: str
    answers: dict[str, Any] = attrs.field(factory=dict)
    errors: dict[str, wxcv.WxcvError] = attrs.field(factory=dict)

    @property
    def exit_code(self) -> int:
        """The worst of its errors; from ACCOUNT on, the other images would fail as well."""
        return max(
            (_EXIT_CODES.get(type(error), SOME_FAILED) for error in self.errors.values()), default=ALL_READ
        )


async def _read_one(session: wxcv.Session, image: str, endpoints: Sequence[wxcv.Endpoint[Any]]) -> Reading:
    reading = Reading(image)
    for endpoint in endpoints:
        try:
            reading.answers[endpoint.name] = await session.call(endpoint, image)
        except wxcv.WxcvError as error:
            reading.errors[endpoint.name] = error
            if isinstance(error, wxcv.ImageError):
                break  # the next endpoint would refuse it for the same reason
    return reading


async def read_all(
    session: wxcv.Session, images: Sequence[str], endpoints: Sequence[wxcv.Endpoint[Any]]
) -> AsyncGenerator[Reading, None]:
    """Yield the readings in order, a few being read ahead; closing it ends what still runs."""
    ahead: deque[asyncio.Task[Reading]] = deque()
    try:
        for image in images:
            ahead.append(asyncio.create_task(_read_one(session, image, endpoints)))
            if len(ahead) == _AHEAD:
                yield await ahead[0]
                ahead.popleft()
        while ahead:
            yield await ahead[0]
            ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)
