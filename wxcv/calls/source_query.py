"""SourceQuery: asks the answer sources of a session about one call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from wxcv.callbacks import CallbackError, call_back
from wxcv.errors import ImageRejectedError
from wxcv.masking import class_name, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.clock import Clock
    from wxcv.endpoints.base import Endpoint
    from wxcv.images.sources import ImageUrl, LocalImage

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")

KEEP_SECONDS = 5.0
"""Seconds for all sources together to keep an answer."""


class SourceQuery(Generic[AnswerT]):
    """One call, as answer sources are asked about it; a source that fails has no answer.

    Args:
        endpoint: the endpoint of the call.
        image: the image that would be sent.
        fields: the extra fields of the call.
    """

    def __init__(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> None:
        self.image = image
        self._endpoint = endpoint
        self._fields = fields

    async def find(self, sources: Iterable[AnswerSource]) -> tuple[AnswerT | None, str]:
        """Return the first answer and its source's name, or None and "wechat".

        Raises:
            ImageRejectedError: a source knows that WeChat refuses the image.
        """
        for source in sources:
            try:
                found: tuple[AnswerT, str] | None = await call_back(
                    self._find, source, passing=(ImageRejectedError,)
                )
            except CallbackError as error:
                _log(source, "find", error)
                continue
            if found is not None:
                return found
        return None, "wechat"

    async def _find(self, source: AnswerSource) -> tuple[AnswerT, str] | None:
        answer = await source.find(self._endpoint, self.image, self._fields)
        name = getattr(source, "name", class_name(source))
        return None if answer is None else (answer, short_name(str(name)))

    async def keep(self, sources: Iterable[Any], answer: AnswerT, clock: Clock) -> None:
        """Pass an answer of WeChat's to the sources that keep answers, within KEEP_SECONDS."""
        try:
            async with clock.timeout(KEEP_SECONDS):
                for source in sources:
                    await self._keep(source, answer)
        except TimeoutError:
            logger.error("the answer sources did not keep an answer within %g s", KEEP_SECONDS)  # noqa: TRY400 - its traceback says nothing

    async def _keep(self, source: Any, answer: AnswerT) -> None:  # noqa: ANN401 - with or without keep
        if hasattr(source, "keep"):
            try:
                await call_back(source.keep, self._endpoint, self.image, self._fields, answer)
            except CallbackError as error:
                _log(source, "keep", error)


def _log(source: object, method: str, error: CallbackError) -> None:
    logger.error(
        "%s() of the answer source %s raised %s; the call goes on", method, class_name(source), error
    )
