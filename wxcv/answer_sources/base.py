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
    that WeChat gave. It gets what ``find`` gets, and the answer.
    """

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return the answer of a call, or None if this source does not know it.

        Args:
            endpoint: the page that is called.
            image: what would be sent.
            fields: the extra fields of the call.
        """


class KeepingSource(AnswerSource, Protocol):
    """An AnswerSource that learns from WeChat's answers."""

    async def keep(
        self, endpoint: Endpoint[Any], image: LocalImage | ImageUrl, fields: Mapping[str, str], answer: object
    ) -> None:
        """Take note of an answer of WeChat's."""
