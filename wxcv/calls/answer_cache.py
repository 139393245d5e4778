"""AnswerCache: keeps the answers of images that were sent."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from cachetools import TLRUCache

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.endpoints.base import Endpoint
from wxcv.errors import ImageRejectedError, StoreError
from wxcv.images.sources import ImageUrl
from wxcv.masking import class_name

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from wxcv.clock import Clock
    from wxcv.endpoints.base import AnswerT
    from wxcv.images.loading import LoadedImage
    from wxcv.images.sources import LocalImage
    from wxcv.stores.base import AnswerStore

logger = logging.getLogger("wxcv")

_HASHED_AT_ONCE = 256 * 1024
"""Bytes that are hashed in the event loop; that takes less than a millisecond."""

_READ_AT_ONCE = 128 * 1024
"""Characters of JSON that are read in the event loop."""

_KEPT_REJECTIONS = {101001, 101002}


class _Kept(NamedTuple):
    """An answer, or the error with which WeChat refused the image, and the monotonic time when it expires."""

    answer: Any
    error: ImageRejectedError | None
    ends_at: float


class AnswerCache:
    """An AnswerSource that keeps WeChat's answers, so that the same image is not sent again.

    Images are the same if their bytes (by SHA-256) or their URLs are equal, for the same account, endpoint,
    content type and fields. Calls of the same image that run at the same time in one session share one send:
    the first call has the slot, and the others wait without a slot and without the bytes. Cancelling any of
    them does not affect the others. If all are cancelled, a send that has begun is finished and its answer
    kept. If the send fails, all get its error, with ``sends`` 0 for those that did not send.

    Sends at the same time are shared within one session only. Two processes, or two sessions, may send the
    same image at once, so give each its own part of the images.

    Errors are not kept, except that WeChat found no document in the image (101001) or could not decode it
    (101002, ImageRejectedError). Answers of other sources are not kept. Put the cache before a
    LocalCodeReader, so that equal images that arrive together are read once.

    It may serve several sessions, event loops and threads; all get the same answer object. Answers hold
    people's texts and cards, and stay in memory until they expire or are displaced. Construct it and pass it
    in ``answer_sources``; a session has at most one.

    Args:
        maxsize: how many answers are kept, 1 to 10 ** 9; the least recently used is dropped first.
        ttl: seconds for which the answer of uploaded bytes is kept.
        url_ttl: seconds for which the answer of an ``img_url`` is kept; the image there may change.
        rejected_ttl: seconds for which the error is kept with which WeChat refused an image.
        share: endpoints whose answers are also kept in the session's store, for all sessions that share it;
            none by default. Their answer class must have ``to_dict`` in WeChat's JSON shape, as wxcv's own
            have; otherwise nothing is shared. ``credential.account`` must be known.
        clock: the source of time; None uses the system's clocks.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it.
    """

    name = "cache"

    def __init__(  # noqa: PLR0913 - the settings of a cache
        self,
        *,
        maxsize: int = 10_000,
        ttl: float = 86_400,
        url_ttl: float = 3_600,
        rejected_ttl: float = 3_600,
        share: Iterable[Endpoint[Any]] = (),
        clock: Clock | None = None,
    ) -> None:
        checks.check_optional("clock", clock, "Clock", "monotonic", "wall", "sleep", "timeout")
        self._clock = clock or SystemClock()
        self._ttl = checks.check_seconds("ttl", ttl)
        self._url_ttl = checks.check_seconds("url_ttl", url_ttl)
        self._rejected_ttl = checks.check_seconds("rejected_ttl", rejected_ttl)
        self.share = _check_share(share)
        self._kept: TLRUCache[Hashable, _Kept, float] = TLRUCache(
            checks.check_integer("maxsize", maxsize),
            lambda _key, kept, _now: kept.ends_at,
            timer=self._clock.monotonic,
        )
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<AnswerCache with {len(self)} of {self._kept.maxsize:,.0f} answers>"

    def __len__(self) -> int:
        """Return how many answers are kept."""
        with self._lock:
            return len(self._kept)

    def clear(self) -> None:
        """Forget all answers; those in a store stay there until they expire."""
        with self._lock:
            self._kept.clear()

    def for_call(self, account: str, store: AnswerStore | None = None) -> CachedAnswers:
        """Return the AnswerSource for one call of an account."""
        return CachedAnswers(self, account, store)

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return an answer that ``keep`` was given; a session uses ``for_call`` instead."""
        return await self.for_call("").find(endpoint, image, fields)

    async def keep(
        self, endpoint: Endpoint[Any], image: LocalImage | ImageUrl, fields: Mapping[str, str], answer: object
    ) -> None:
        """Keep an answer of no particular account; a session uses ``for_call`` instead."""
        await self.for_call("").keep(endpoint, image, fields, answer)

    def _load(self, key: Hashable) -> _Kept | None:
        with self._lock:
            kept: _Kept | None = self._kept.get(key)
            return kept

    def _save(self, key: Hashable, answer: object, error: ImageRejectedError | None, ttl: float) -> None:
        with self._lock:
            self._kept[key] = _Kept(answer, error, self._clock.monotonic() + ttl)


class CachedAnswers:
    """An AnswerCache, as an AnswerSource for one call of one account.

    Attributes:
        key: identifies the call's image, account, endpoint and fields, once ``find`` has been called.
    """

    name = AnswerCache.name

    def __init__(self, cache: AnswerCache, account: str, store: AnswerStore | None) -> None:
        self._cache = cache
        self._account = account
        self._store = store
        self.key: Hashable = None
        self._digest = ""
        self._ttl = cache._ttl  # noqa: SLF001 - its own half

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LoadedImage, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return the kept answer, or None.

        Raises:
            ImageRejectedError: the kept error with which WeChat refused this image.
        """
        await self._identify(endpoint, image, fields)
        kept = self._cache._load(self.key)  # noqa: SLF001 - its own half
        if kept is None and self._store is not None and endpoint in self._cache.share:
            await self._copy_from_store(self._store, endpoint)
            # Another call may have ended meanwhile; after this line, no other task runs before the caller.
            kept = self._cache._load(self.key)  # noqa: SLF001 - its own half
        if kept is not None and kept.error is not None:
            raise copy.copy(kept.error)
        return None if kept is None else kept.answer

    async def keep(
        self, endpoint: Endpoint[Any], image: LoadedImage, fields: Mapping[str, str], answer: object
    ) -> None:
        """Keep an answer here and, if the endpoint is shared, in the store."""
        await self._identify(endpoint, image, fields)
        self.remember(answer)
        ttl = self._ttl
        if self._store is None or endpoint not in self._cache.share:
            return
        text = json.dumps(answer.to_dict(), ensure_ascii=False)  # type: ignore[attr-defined] # as documented
        try:
            await self._store.keep_answer(self._store_key(endpoint), text, ttl)
        except StoreError as error:
            logger.warning("%s; an answer was not shared", error)

    def remember(self, answer: object) -> None:
        """Keep an answer here, once ``find`` has been called."""
        if self.key is not None:
            self._cache._save(self.key, answer, None, self._ttl)  # noqa: SLF001 - its own half

    def keep_rejection(self, error: ImageRejectedError) -> None:
        """Keep the error with which WeChat refused the image, if its errcode says that it always will."""
        if error.errcode in _KEPT_REJECTIONS and self.key is not None:
            told = copy.copy(error)  # without the traceback, which holds the image
            self._cache._save(self.key, None, told, self._cache._rejected_ttl)  # noqa: SLF001 - its own half

    async def _identify(self, endpoint: Endpoint[Any], image: LoadedImage, fields: Mapping[str, str]) -> None:
        if self.key is not None:
            return
        if isinstance(image, ImageUrl):
            self._ttl = self._cache._url_ttl  # noqa: SLF001 - its own half
            digest = "url:" + hashlib.sha256(image.url.encode()).hexdigest()
        elif len(image.data) <= _HASHED_AT_ONCE:
            digest = hashlib.sha256(image.data).hexdigest()
        else:
            digest = (await asyncio.to_thread(hashlib.sha256, image.data)).hexdigest()
        # The type that is sent may be the caller's own, and wrong.
        extras = (getattr(image, "content_type", ""), *sorted(fields.items()))
        self._digest = hashlib.sha256(repr((digest, extras)).encode()).hexdigest()
        key = (self._account, endpoint, digest, extras)
        hash(key)  # an endpoint of the caller's own may be unhashable
        self.key = key

    def _store_key(self, endpoint: Endpoint[Any]) -> str:
        return f"{self._account}:{endpoint.path}:{self._digest}"

    async def _copy_from_store(self, store: AnswerStore, endpoint: Endpoint[Any]) -> None:
        """Copy an answer that another process kept in the store; an unreadable one is ignored."""
        try:
            text = await store.find_answer(self._store_key(endpoint))
            answer = None if text is None else await _read(endpoint, text)
        except StoreError as error:
            logger.warning("%s; shared answers are not used", error)
        except Exception as error:  # noqa: BLE001 - whatever is in the store
            logger.warning("an answer of %s in the store is unreadable: %s", endpoint.name, class_name(error))
        else:
            if answer is not None:
                self.remember(answer)


async def _read(endpoint: Endpoint[AnswerT], text: str) -> AnswerT:
    """Read a stored answer, a large one in a thread."""
    if len(text) > _READ_AT_ONCE:
        return await asyncio.to_thread(lambda: endpoint.read(json.loads(text)))
    return endpoint.read(json.loads(text))


def _check_share(share: object) -> frozenset[Endpoint[Any]]:
    if isinstance(share, str) or not isinstance(share, Iterable):
        raise TypeError(f"share must be a list such as [wxcv.SCAN_QRCODE], not {class_name(share)}")
    endpoints = tuple(share)
    for endpoint in endpoints:
        if not isinstance(endpoint, Endpoint):
            raise TypeError(f"share must be a list such as [wxcv.SCAN_QRCODE], not of {class_name(endpoint)}")
    return frozenset(endpoints)
