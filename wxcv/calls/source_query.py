"""SourceQuery: asks the answer sources of a session about one call. CallRecord: where its result is kept."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from wxcv.callbacks import CallbackError, call_back
from wxcv.endpoints.scaling import scale_answer
from wxcv.errors import ImageRejectedError
from wxcv.images.sources import LocalImage
from wxcv.masking import class_name, short_name

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.calls.answer_cache import CachedAnswers
    from wxcv.clock import Clock
    from wxcv.endpoints.base import Endpoint
    from wxcv.errors import WxcvError
    from wxcv.images.loading import ImageLoader, LoadedImage
    from wxcv.images.sources import ImageUrl

AnswerT = TypeVar("AnswerT")

logger = logging.getLogger("wxcv")

KEEP_SECONDS = 5.0
"""Seconds for all sources together to keep an answer."""


class KnownResult(Protocol):
    """The result of an earlier call.

    Attributes:
        answer: the answer, which may be None if only its status was kept.
        error: the error, or None if there was an answer.
    """

    @property
    def answer(self) -> Any:  # noqa: ANN401 - of any endpoint
        """The answer, which may be None if only its status was kept."""

    @property
    def error(self) -> WxcvError | None:
        """The error, or None if there was an answer."""


class CallRecord(Protocol):
    """The record of one image's call, such as a JournalRecord.

    Attributes:
        key: equal for the calls of which one send is enough, once ``find`` has been called.
        known: the result of an earlier call, or None.
    """

    @property
    def known(self) -> KnownResult | None:
        """The result of an earlier call, or None."""

    @property
    def key(self) -> Hashable:
        """Equal for the calls of which one send is enough, once ``find`` has been called."""

    async def find(self, image: LoadedImage) -> KnownResult | None:
        """Return the result of an earlier call of the same image, or None."""

    async def begin(self) -> None:
        """Prepare for a send; called before its first byte leaves, and before every further send of the call.

        It may raise the error of another call of the same image that has ended meanwhile; ``known`` is its
        result then.
        """

    def end(self) -> None:
        """End what ``begin`` began; its result, if any, was saved."""

    async def withdraw(self) -> None:
        """Undo ``begin``, as nothing was sent."""

    async def save_call(
        self,
        status: Literal["ok", "failed", "not_sent", "unknown"],
        answer: Any,  # noqa: ANN401 - of any endpoint
        error: WxcvError | None,
        sends: int,
        source: str | None,
    ) -> None:
        """Record a result; it is durable when this returns."""


class SourceQuery(Generic[AnswerT]):
    """One call, as answer sources are asked about it; a source that fails has no answer.

    The cache knows images by their bytes as they were read, so that a picture that is known is not made
    smaller again; all other sources get what would be sent. Answers are in the pixels of the original.

    Args:
        endpoint: the endpoint of the call.
        image: the image.
        fields: the extra fields of the call.
        loader: makes the image smaller if need be.
        has_cache: whether ``find_kept`` follows; until then the original is held.
    """

    def __init__(
        self,
        endpoint: Endpoint[AnswerT],
        image: LoadedImage,
        fields: Mapping[str, str],
        loader: ImageLoader,
        *,
        has_cache: bool,
    ) -> None:
        self._is_original_needed = has_cache
        self._endpoint = endpoint
        self._image = image
        self._fields = fields
        self._loader = loader
        self._fitted: LocalImage | ImageUrl | None = None

    @property
    def original(self) -> LoadedImage:
        """The image as it was read, before ``fit`` was called."""
        return self._image

    async def fit(self) -> LocalImage | ImageUrl:
        """Return what would be sent, which is made once.

        Raises:
            ImageError: the image cannot be made smaller.
        """
        if self._fitted is None:
            self._fitted = await self._loader.fit(self._image)
            self._drop_original()
        return self._fitted

    def _drop_original(self) -> None:
        if self._fitted is not None and not self._is_original_needed:
            self._image = self._fitted

    async def find(self, sources: Iterable[AnswerSource]) -> tuple[AnswerT | None, str]:
        """Return the first answer and its source's name, or None and "wechat".

        Raises:
            ImageError: the image cannot be made smaller.
            ImageRejectedError: a source knows that WeChat refuses the image.
        """
        for source in sources:
            found = await self._ask(source, await self.fit())
            if found is not None:
                return self.scale(found[0]), found[1]
        return None, "wechat"

    async def find_kept(self, cached: CachedAnswers) -> tuple[AnswerT | None, str]:
        """Return the answer that the cache has, and its name, or None and "wechat"; see ``find``."""
        found = await self._ask(cached, self._image)
        self._is_original_needed = False  # the cache remembers its hash
        self._drop_original()
        return found or (None, "wechat")

    async def _ask(self, source: Any, image: LoadedImage) -> tuple[AnswerT, str] | None:  # noqa: ANN401 - of either kind
        async def ask() -> tuple[AnswerT, str] | None:
            answer = await source.find(self._endpoint, image, self._fields)
            name = getattr(source, "name", class_name(source))
            return None if answer is None else (answer, short_name(str(name)))

        try:
            found: tuple[AnswerT, str] | None = await call_back(ask, passing=(ImageRejectedError,))
        except CallbackError as error:
            _log(source, "find", error)
            return None
        return found

    def scale(self, answer: AnswerT) -> AnswerT:
        """Return an answer about what was sent, in the pixels of the original."""
        fitted = self._fitted
        is_scaled = isinstance(fitted, LocalImage) and fitted.scaled is not None
        return scale_answer(answer, *fitted.scaled) if is_scaled else answer  # type: ignore[union-attr, misc] # as checked

    async def keep(
        self, sources: Iterable[AnswerSource], cached: CachedAnswers | None, answer: AnswerT, clock: Clock
    ) -> None:
        """Pass WeChat's answer to the cache and to the sources that keep answers, within KEEP_SECONDS."""
        try:
            async with clock.timeout(KEEP_SECONDS):
                if cached is not None:
                    await self._keep(cached, self._image, self.scale(answer))
                for source in sources:
                    await self._keep(source, await self.fit(), answer)
        except TimeoutError:
            logger.error("the answer sources did not keep an answer within %g s", KEEP_SECONDS)  # noqa: TRY400 - its traceback says nothing

    async def _keep(self, source: Any, image: LoadedImage, answer: AnswerT) -> None:  # noqa: ANN401 - with or without keep
        if hasattr(source, "keep"):
            try:
                await call_back(source.keep, self._endpoint, image, self._fields, answer)
            except CallbackError as error:
                _log(source, "keep", error)


def _log(source: object, method: str, error: CallbackError) -> None:
    name = class_name(source)
    logger.error("%s() of the answer source %s raised %s; the call continues", method, name, error)
