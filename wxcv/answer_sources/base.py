"""AnswerSource: something that may have the answer of a call before it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.endpoints.base import AnswerT, Endpoint
    from wxcv.images.sources import ImageUrl, LocalImage


class AnswerSource(Protocol):
    """Something that may have a call's answer, so that the image need not be sent.

    A source may also have ``async def keep(endpoint, image, fields, answer)``, which is called with every
    answer of WeChat's: with the arguments of ``find`` and the answer. The ``keep`` methods of a session's
    sources are called one after another and have 5 s together; then the running one is cancelled and the rest
    are not called.
    """

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return the answer of a call, or None if this source does not have it.

        An exception is logged, and the call goes on as if the source had no answer.

        Args:
            endpoint: the endpoint.
            image: the image that would be sent.
            fields: the extra fields of the call.

        Raises:
            ImageRejectedError: it is known that WeChat refuses this image; the call ends with this error.
        """
