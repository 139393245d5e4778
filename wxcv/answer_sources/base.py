"""AnswerSource: what may answer a call before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.endpoints.base import AnswerT, Endpoint
    from wxcv.images.sources import ImageUrl, LocalImage


class AnswerSource(Protocol):
    """Where a call may find its answer without a send.

    A source may also have ``async def keep(endpoint, image, fields, answer)``: it is called with every answer
    that WeChat gave. It gets what ``find`` gets, and the answer. All sources together have 5 s to keep an
    answer; after that the call ends without waiting for them.
    """

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return the answer of a call, or None if this source does not know it.

        A source that fails has no answer; it is logged, and the call goes on.

        Args:
            endpoint: the page that is called.
            image: what would be sent.
            fields: the extra fields of the call.

        Raises:
            ImageRejectedError: it is known that WeChat rejects this image; the call ends with it.
        """


class KeepingSource(AnswerSource, Protocol):
    """An AnswerSource that learns from WeChat's answers."""

    async def keep(
        self, endpoint: Endpoint[Any], image: LocalImage | ImageUrl, fields: Mapping[str, str], answer: object
    ) -> None:
        """Take note of an answer of WeChat's."""
