"""LocalCodeReader: reads codes on this machine."""

from __future__ import annotations

import asyncio
import threading
from concurrent import futures
from typing import TYPE_CHECKING, cast

from wxcv.answer_sources.codes import TYPE_NAMES, read_codes
from wxcv.endpoints.qrcode import SCAN_QRCODE
from wxcv.errors import ImageError
from wxcv.images.pictures import require_packages
from wxcv.images.sources import ImageUrl, LocalImage
from wxcv.masking import class_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from wxcv.endpoints.base import AnswerT, Endpoint
    from wxcv.endpoints.qrcode import QrcodeScan

_THREADS = 2
_PATIENCE = 2.0
"""Seconds of waiting after which a search is given up if no picture at all was finished in them."""

_ROUNDS = 5
"""Times `_PATIENCE` that a search waits at most."""

_KINDS = tuple(dict.fromkeys(TYPE_NAMES.values()))


class LocalCodeReader:
    """An AnswerSource that reads QR codes and barcodes on this machine, so that the image need not be sent.

    It needs the extra ``local``. It answers ``scan_qrcode`` for images that are uploaded, and nothing else:
    an ``img_url`` goes to WeChat. A picture is answered here only if

    - every code in it is of one of the ``kinds``, which all have mandatory error detection, and holds UTF-8
      text without control characters, so that nothing is guessed;
    - three more readings, with another threshold and at another size, find no further code, not even one with
      errors, and none reads a different text;
    - no other part of it has the contrast of a code, readable or not.

    Any other picture goes to WeChat, including one in which no code is found, and one of more than 4,000,000
    pixels, which is not decoded. **A second code may still be missed**: one that is so damaged, blurred or
    small that no trace of it is found here, while WeChat might read it. Do not use this if a picture may hold
    several codes and all of them matter.

    Answers look like WeChat's: ``type_name`` in its spelling (QR_CODE, EAN_13 and CODE_128 are known, the
    others follow ZXing), and ``pos`` for QR codes and DataMatrix only, in the pixels as stored; an EXIF
    orientation is not applied. A UPC-A is reported as the equivalent EAN-13, with a leading 0, and the data
    of a UPC-E are the 13 digits that it stands for.

    Pictures are read in two threads of its own, never in the event loop. It may serve several sessions and
    event loops. The threads end with ``aclose``, or when nothing refers to the reader any more.

    A photo takes 0.1 s per megapixel, and up to four times that if a code is in it. But **a picture that is
    made for it keeps a thread for 6 to 12 s**, however small its file is: one full of what looks like the
    corners of QR codes. Meanwhile neither ``aclose`` nor the interpreter's exit can end that thread. A call
    does not wait so long: after 2 s in which the threads finished no picture at all, and after 10 s in any
    case, its image goes to WeChat.

    Args:
        kinds: the ``type_name`` of the codes that are accepted; all of them by default. A picture with a code
            of another kind goes to WeChat.

    Raises:
        ImportError: the extra is not installed.
        TypeError, ValueError: kinds is not a collection of these names.
    """

    name = "local"

    def __init__(self, *, kinds: Collection[str] = _KINDS) -> None:
        require_packages("LocalCodeReader", "local", zxingcpp="zxing-cpp", PIL="pillow")
        if isinstance(kinds, str) or not hasattr(kinds, "__iter__"):
            raise TypeError(f"kinds must be a collection of names, not {class_name(kinds)}")
        self._kinds = frozenset(kinds)
        if not self._kinds or not self._kinds <= set(_KINDS):
            raise ValueError(f"kinds must be some of {', '.join(_KINDS)}")
        self._readers = futures.ThreadPoolExecutor(_THREADS, "wxcv code reader")
        self._is_closed = False
        self._finished = 0  # pictures

    async def find(
        self, endpoint: Endpoint[AnswerT], image: LocalImage | ImageUrl, fields: Mapping[str, str]
    ) -> AnswerT | None:
        """Return the codes of an uploaded image as ``scan_qrcode`` does, or None to leave it to WeChat.

        None is also returned for a picture that cannot be decoded here, or that would wait too long. A
        cancelled call is dropped if its thread has not begun with it; otherwise the thread finishes.

        Raises:
            RuntimeError: the reader is closed.
        """
        if self._is_closed:
            raise RuntimeError("this LocalCodeReader is closed")
        if endpoint != SCAN_QRCODE or isinstance(image, ImageUrl) or fields:
            return None
        return cast("AnswerT | None", await self._scan(image))  # the answer of SCAN_QRCODE

    async def _scan(self, image: LocalImage) -> QrcodeScan | None:
        given_up = threading.Event()
        scanning = asyncio.get_running_loop().run_in_executor(self._readers, self._read, image, given_up)
        try:
            for _ in range(_ROUNDS):
                finished = self._finished
                await asyncio.wait([scanning], timeout=_PATIENCE)
                if scanning.done():
                    return scanning.result()
                if self._finished == finished:
                    break
        finally:
            given_up.set()
            scanning.cancel()
        return None

    def _read(self, image: LocalImage, given_up: threading.Event) -> QrcodeScan | None:
        try:
            return read_codes(image.name, image.data, self._kinds, given_up.is_set)
        except ImageError:
            return None
        finally:
            self._finished += 1  # of two at a time one may be lost: it has changed all the same

    async def aclose(self) -> None:
        """End the threads after the pictures that they are reading. May be called again."""
        self._is_closed = True
        await asyncio.to_thread(self._readers.shutdown, wait=True, cancel_futures=True)
