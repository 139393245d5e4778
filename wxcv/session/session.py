"""Session: the public API of the library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar

from wxcv.calls.call import Call
from wxcv.endpoints.printed_text import PRINTED_TEXT
from wxcv.endpoints.qrcode import SCAN_QRCODE
from wxcv.session import arguments
from wxcv.session.batches import SessionBatches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wxcv.endpoints.ai_crop import Crops
    from wxcv.endpoints.bankcard import Bankcard
    from wxcv.endpoints.base import Endpoint
    from wxcv.endpoints.business_license import BusinessLicense
    from wxcv.endpoints.driver_license import DriverLicense
    from wxcv.endpoints.idcard import Idcard
    from wxcv.endpoints.menu import Menu
    from wxcv.endpoints.plate_number import PlateNumber
    from wxcv.endpoints.printed_text import PrintedText
    from wxcv.endpoints.qrcode import QrcodeScan
    from wxcv.endpoints.superresolution import Superresolution
    from wxcv.endpoints.vehicle_license import VehicleLicense
    from wxcv.images.sources import Image

AnswerT = TypeVar("AnswerT")


class Session(SessionBatches):
    """Calls WeChat's image endpoints for one account.

    Use it as ``async with Session(...) as session``, or close it with ``aclose()``. It belongs to the event
    loop in which it is first used, and to the process in which it was constructed. Numbers of seconds are
    above 0 and at most 10 ** 9.

    **A str may be a path or a URL.** If image names come from users, pass ``ImageUrl(text)`` or bytes, and
    set ``local_files=False`` in servers, so that users cannot make the server read its own files.

    Args:
        credential: the account whose tokens are used.
        concurrency: how many calls run at a time, 1 to 10 ** 9; 8 by default. Further calls wait in order of
            arrival.
        attempt_timeout: seconds for one request, its upload and its response; 30 by default.
        call_timeout: seconds for a whole call with its retries, excluding time spent waiting for a slot; 60
            by default. ``asyncio.timeout`` around a call bounds that wait too.
        slot_timeout: seconds for which a call may wait for a slot before it raises SlotTimeoutError; None,
            the default, is no limit.
        max_waiting: how many calls may wait for a slot, 0 to 10 ** 9; a further call raises SlotTimeoutError
            at once. None, the default, is no limit.
        retries: the RetryPolicy, not a number of retries; None is ``RetryPolicy()``.
        base_url: scheme, host and port of the API; None is the credential's own.
        fallback_urls: base URLs of other hosts of the same API, such as ``wxcv.FALLBACK_URLS``; () by
            default. If a host cannot be reached within 5 s (less with several of them, or a short
            ``call_timeout``), a call or token request moves on to the next one, provided that nothing of it
            was sent, and the host is not used for 60 s; then one request tries it. A fallback that answers
            HTTP 404 or errcode 40066 is not used again. A failing proxy does not count as a failing host, nor
            does a wait for the connection pool of ``http``. Not with a CloudRelayCredential.
        allow_http: allow plain HTTP to a host other than the loopback interface; False by default.
        http: a borrowed aiohttp.ClientSession, or None for connections of wxcv's own. It is never closed
            here; its raise_for_status, redirect, middleware, decompression and timeout settings do not apply.
            An unsolicited response is detected there only if it has arrived completely before the next
            request; on wxcv's own connections, if it arrives within 20 ms, or before the next request. The
            password of a proxy that the ClientSession uses by itself (its ``proxy`` or ``trust_env``) is not
            known here, and an error may show it if a server repeats it.
        proxy: URL of an http or https proxy, with user and password if needed (never shown); None by default.
        trust_env: take the proxy from the environment; False by default. Not with ``http``. A password in the
            proxy's URL is never shown; one from a ``.netrc`` file is not known here, and an error may show
            it if a server repeats it.
        tokens: a TokenCache that several sessions share; None is a cache of the session's own.
        store: a Store through which processes share tokens, daily limits and answers; None by default. Not
            with ``tokens``, whose own store serves for all three.
        image_limit: size in bytes that an image must stay below, 1 to 10 ** 9; 2,097,152 by default.
        local_files: whether images may be paths; True by default. False refuses paths with
            UnreadableImageError.
        fit: make pictures of ``image_limit`` bytes or more smaller before they are sent, and convert HEIC and
            AVIF even if they are small enough, as ``wxcv.fit`` does (extra: ``fit``), one at a time in a
            thread; answers are in the pixels of the image that you passed. ImageBytes with a content type
            are sent unchanged if they are smaller than ``image_limit``. False by default.
        daily_limits: a DailyLimits; a send beyond it raises DailyLimitError instead. It needs
            ``credential.account``. None by default.
        answer_sources: objects that may have a call's answer, so that the image need not be sent, such as an
            AnswerCache or a LocalCodeReader; asked in this order, after the image has been read.
        on_attempt: a function, not async, that is called with an AttemptEvent after every attempt; what it
            raises is logged and dropped. None by default.
        on_call: a function, not async, that is called with a CallEvent at the end of every call and for every
            outcome of a batch; what it raises is logged and dropped. None by default.
        on_call_start: a function, not async, that is called with a CallStart when a call, or an image of a
            batch, begins, before it waits for its slot; what it raises is logged and dropped. For every start
            ``on_call`` is called once, in the same context (``contextvars``), also if the call is cancelled.
            What the function sets in that context is seen by ``on_attempt`` and by every other function of
            yours that the call calls; ``on_call`` must undo it. None by default.
        clock: the source of time for token lifetimes, waits, retries, outages, hosts, ``elapsed`` and,
            without a store, the days of daily limits; None uses the system's clocks. The timers behind the
            timeouts are the event loop's. ``tokens``, ``store`` and an AnswerCache keep their own clocks.

    Raises:
        ValueError, TypeError: an argument is unusable or out of range; the message names it and never shows a
            secret.
    """

    async def scan_qrcode(self, image: Image) -> QrcodeScan:
        """Read QR codes, barcodes, DataMatrix and PDF417; see ``call``."""
        return await self.call(SCAN_QRCODE, image)

    async def printed_text(self, image: Image) -> PrintedText:
        """Read printed text; see ``call``."""
        return await self.call(PRINTED_TEXT, image)

    async def ai_crop(self, image: Image, ratios: Iterable[float] = ()) -> Crops:
        """Find crops around what matters in a picture; see ``call``.

        Args:
            image: as for ``call``.
            ratios: width divided by height, at most 5 of them, each from 0.001 to 1000; without any, WeChat
                chooses one crop. In a batch: ``fields={"ratios": "1,2.35"}``.

        Raises:
            ValueError, TypeError: the ratios cannot be used; nothing was sent.
        """
        from wxcv.endpoints.ai_crop import AI_CROP, ratios_field

        return await self.call(AI_CROP, image, fields=ratios_field(ratios))

    async def superresolution(self, image: Image) -> Superresolution:
        """Have WeChat make a picture of twice the size; see ``call``."""
        from wxcv.endpoints.superresolution import SUPERRESOLUTION

        return await self.call(SUPERRESOLUTION, image)

    async def idcard(self, image: Image, type: Literal["photo", "scan"] = "photo") -> Idcard:  # noqa: A002 - WeChat's
        """Read either side of an ID card; see ``call``.

        Args:
            image: as for ``call``.
            type: "photo" for a picture with background, "scan" for the card only. In a batch:
                ``fields={"type": "scan"}``.

        Raises:
            ValueError: the type is neither; nothing was sent.
        """
        from wxcv.endpoints.idcard import IDCARD, type_field

        return await self.call(IDCARD, image, fields=type_field(type))

    async def bankcard(self, image: Image) -> Bankcard:
        """Read a bank card; see ``call``."""
        from wxcv.endpoints.bankcard import BANKCARD

        return await self.call(BANKCARD, image)

    async def vehicle_license(self, image: Image) -> VehicleLicense:
        """Read a vehicle licence; see ``call``."""
        from wxcv.endpoints.vehicle_license import VEHICLE_LICENSE

        return await self.call(VEHICLE_LICENSE, image)

    async def driver_license(self, image: Image) -> DriverLicense:
        """Read a driver's licence; see ``call``."""
        from wxcv.endpoints.driver_license import DRIVER_LICENSE

        return await self.call(DRIVER_LICENSE, image)

    async def business_license(self, image: Image) -> BusinessLicense:
        """Read a business licence; see ``call``."""
        from wxcv.endpoints.business_license import BUSINESS_LICENSE

        return await self.call(BUSINESS_LICENSE, image)

    async def menu(self, image: Image) -> Menu:
        """Read a restaurant's menu; see ``call``."""
        from wxcv.endpoints.menu import MENU

        return await self.call(MENU, image)

    async def plate_number(self, image: Image) -> PlateNumber:
        """Read a vehicle's number plate; see ``call``."""
        from wxcv.endpoints.plate_number import PLATE_NUMBER

        return await self.call(PLATE_NUMBER, image)

    async def call(
        self, endpoint: Endpoint[AnswerT], image: Image, *, fields: Mapping[str, str] | None = None
    ) -> AnswerT:
        """Send one image to an endpoint and return the endpoint's answer.

        Args:
            endpoint: the endpoint, such as ``wxcv.SCAN_QRCODE``.
            image: bytes-like, a path, an ``http(s)://`` URL for WeChat to fetch, a binary file object whose
                ``read`` may be async (read from its current position), an ImageUrl or an ImageBytes. **A str
                is a URL if it looks like one, else a path.**
            fields: extra fields for the endpoint, by name.

        Raises:
            ImageError: wxcv refused the image; nothing was sent.
            DailyLimitError: a daily limit is used up; nothing was sent, unless an earlier attempt was.
            SlotTimeoutError: no slot in time, or too many calls waiting; nothing was sent.
            TransportError, ProtocolError: no usable response to the image or to a token request. If ``sends``
                is not 0, WeChat may have counted the image.
            APIError: WeChat refused the image or a token request.
            TokenSourceError: a token or ticket function, store or clock of the caller's failed.
            StoreError: the store failed, and without it no token may be fetched, or no send counted.
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            TypeError: ``endpoint`` is not an Endpoint, or ``fields`` is not a mapping.
            ValueError: ``fields`` has a name that the endpoint does not accept, or a value that is not a str.
        """
        arguments.check_endpoint(endpoint, fields)
        return await Call(self._state, self._credential, endpoint, fields).run(image)
