"""Session: the public face of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from wxcv import checks
from wxcv.batch.batch import Batch
from wxcv.batch.outages import OutageDetector
from wxcv.batch.runner import BatchRunner
from wxcv.calls.call import Call
from wxcv.endpoints.printed_text import PRINTED_TEXT
from wxcv.endpoints.qrcode import SCAN_QRCODE
from wxcv.images.sources import Image
from wxcv.session import arguments
from wxcv.session.lifecycle import SessionLifecycle

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from wxcv.endpoints.base import Endpoint
    from wxcv.endpoints.printed_text import PrintedText
    from wxcv.endpoints.qrcode import QrcodeScan

ItemT = TypeVar("ItemT")
ImageT = TypeVar("ImageT", bound=Image)
AnswerT = TypeVar("AnswerT")


class Session(SessionLifecycle):
    """Calls WeChat's image endpoints for one account.

    Use it as ``async with Session(...) as session`` or end it with ``aclose()``; it belongs to the event
    loop in which it is first used, and to the process in which it was made.

    **A str may be a path or a URL.** Where image names come from users, pass ``ImageUrl(text)`` or bytes, and
    give servers ``local_files=False``, so that nobody can have a file of the server read.

    Args:
        credential: whose tokens are used.
        concurrency: how many calls run at a time; more wait in the order in which they came.
        attempt_timeout: seconds for one upload and its answer.
        call_timeout: seconds for a whole call, from when it has its slot. ``asyncio.timeout`` around a
            call bounds the wait for a slot too.
        slot_timeout: seconds for which a call may wait for its slot, then SlotTimeoutError; None: for ever.
        max_waiting: how many calls may wait for a slot; one more gets SlotTimeoutError at once. None: any
            number.
        retries: a RetryPolicy; without it, RetryPolicy().
        base_url: scheme, host and port of the API; without it, the credential's own.
        allow_http: permit plain http to a host other than this one.
        http: a borrowed aiohttp.ClientSession; it is never closed here, and its own raise_for_status,
            redirects, middlewares, decompression and timeouts do not apply. On its kept-alive connections an
            answer that nobody asked for is noticed if it is complete when the next request begins; one that
            is still arriving then is not, as it is on connections of wxcv's own.
        proxy: the URL of an HTTP proxy; WeChat accepts listed addresses only, so egress proxies are usual.
        trust_env: take the proxy from the environment; not with ``http``, which has its own.
        tokens: a TokenCache that several sessions share; without it the session has its own.
        store: a Store for the session's own TokenCache, to share tokens with other processes.
        image_limit: bytes; an image must be smaller.
        local_files: whether images may be given as paths; False refuses them with UnreadableImageError.
        on_attempt: called with a AttemptEvent after every attempt; what it raises is logged and dropped.
        clock: where the time of tokens and of waits comes from; attempt_timeout, call_timeout and
            slot_timeout run on the event loop's own.

    Raises:
        ValueError, TypeError: an argument is out of range; it is named, a secret value is not shown.
    """

    async def scan_qrcode(self, image: Image) -> QrcodeScan:
        """Read QR codes, barcodes, DataMatrix and PDF417; see ``call``."""
        return await self.call(SCAN_QRCODE, image)

    async def printed_text(self, image: Image) -> PrintedText:
        """Read printed text; see ``call``."""
        return await self.call(PRINTED_TEXT, image)

    async def call(
        self, endpoint: Endpoint[AnswerT], image: Image, *, fields: Mapping[str, str] | None = None
    ) -> AnswerT:
        """Send one image to an endpoint and return the endpoint's answer.

        Args:
            endpoint: such as ``wxcv.SCAN_QRCODE``.
            image: bytes-like, a path, an ``http(s)://`` URL for WeChat to fetch, a binary file object
                (read from where it stands) whose ``read`` may be async, ImageUrl or ImageBytes. **A str is a
                URL if it looks like one, else a path.**
            fields: extra fields that the endpoint's page knows.

        Raises:
            ImageError: refused here; nothing was sent.
            SlotTimeoutError: no slot in time; nothing was sent.
            TransportError, ProtocolError: no usable answer; by ``sends``, WeChat may have counted it.
            APIError: WeChat refused.
            TokenSourceError: the caller's own token function failed.
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            ValueError: ``fields`` are not the endpoint's.
        """
        arguments.check_endpoint(endpoint, fields)
        return await Call(self._state, self._credential, endpoint).run(image, fields)

    @overload
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[ImageT] | AsyncIterable[ImageT],
        *,
        ordered: bool = False,
        key: None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> Batch[ImageT, AnswerT]: ...

    @overload
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        ordered: bool = False,
        key: Callable[[ItemT], Image],
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> Batch[ItemT, AnswerT]: ...

    @overload  # for a list of several kinds of images, which has no type of its own
    def batch(
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[Image] | AsyncIterable[Image],
        *,
        ordered: bool = False,
        key: None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> Batch[Image, AnswerT]: ...

    def batch(  # noqa: PLR0913 - the settings of one batch
        self,
        endpoint: Endpoint[AnswerT],
        images: Iterable[Any] | AsyncIterable[Any],
        *,
        ordered: bool = False,
        key: Callable[[Any], Image] | None = None,
        fields: Mapping[str, str] | None = None,
        window: int | None = None,
    ) -> Batch[Any, AnswerT]:
        """Send any number of images; see Batch for what is promised.

        Args:
            endpoint: such as ``wxcv.SCAN_QRCODE``.
            images: any iterable or async iterable, of any length, also endless; taken from lazily.
            ordered: give the outcomes in the order of the images, not as they come.
            key: gives the image of an item, so that ``outcome.item`` can be a queue's message.
            fields: extra fields that the endpoint's page knows.
            window: how many outcomes may wait for an earlier one if ordered; ``16 * concurrency`` without it.

        Raises:
            TypeError, ValueError: an argument cannot be used; it is named.
        """
        state, credential = self._state, self._credential
        arguments.check_endpoint(endpoint, fields)
        arguments.check_batch(images, key, ordered=ordered)
        concurrency = state.slots.count
        widest = 16 * concurrency if window is None else checks.whole("window", window)
        runner: BatchRunner[Any, AnswerT] = BatchRunner(
            lambda image, before_send: Call(state, credential, endpoint, before_send).finish(image, fields),
            images,
            outages=OutageDetector(
                state.clock, state.call_timeout, lambda: state.tokens.seconds_until_retry(credential)
            ),
            clock=state.clock,
            concurrency=concurrency,
            window=widest if ordered else 2 * concurrency,
            ordered=ordered,
            key=key,
            require_usable=state.require_usable,
            forget=self._runners.discard,
        )
        self._runners.add(runner)
        return Batch(runner)
