"""SourceQuery: asks the answer sources of a session about one call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, TypeVar

from wxcv.callbacks import CallbackError
from wxcv.masking import class_name, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.endpoints.base import Endpoint
    from wxcv.images.sources import ImageUrl, LocalImage

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")


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
        self._endpoint = endpoint
        self._image = image
        self._fields = fields

    async def find(self, sources: Iterable[AnswerSource]) -> tuple[AnswerT | None, str]:
        """Return the first answer and its source's name, or None and "wechat"."""
        for source in sources:
            try:
                answer = await source.find(self._endpoint, self._image, self._fields)
            except Exception as error:  # noqa: BLE001 - a caller's object may raise anything
                _log(source, "find", error)
                continue
            if answer is not None:
                return answer, short_name(str(getattr(source, "name", class_name(source))))
        return None, "wechat"

    async def keep(self, sources: Iterable[AnswerSource], answer: AnswerT) -> None:
        """Pass an answer of WeChat's to the sources that keep answers."""
        for source in sources:
            keep = getattr(source, "keep", None)
            if keep is not None:
                try:
                    await keep(self._endpoint, self._image, self._fields, answer)
                except Exception as error:  # noqa: BLE001 - a caller's object may raise anything
                    _log(source, "keep", error)


def _log(source: object, method: str, error: Exception) -> None:
    told = CallbackError(error)  # not its traceback, whose text may hold personal data
    logger.error("%s() of the answer source %s raised %s; the call goes on", method, class_name(source), told)
