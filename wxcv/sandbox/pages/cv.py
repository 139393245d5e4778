"""The two cv endpoints, which read an image."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from wxcv.sandbox.engines.detection import Detection
from wxcv.sandbox.engines.extras import MissingExtraError
from wxcv.sandbox.engines.pictures import UnreadableError
from wxcv.sandbox.engines.threads import Engines
from wxcv.sandbox.pages.fetching import Fetcher, FetchError
from wxcv.sandbox.pages.uploads import Upload
from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.paths import COMM, QRCODE


@dataclass(frozen=True, kw_only=True)
class CvPage:
    """What distinguishes a cv endpoint: the key of its list, its errmsg for 101002, and its engine."""

    list_key: str
    unreadable: str
    read: Callable[[Engines, bytes, Choices], Awaitable[Detection]]


CV_PAGES = {
    QRCODE: CvPage(list_key="code_results", unreadable="invalid image data", read=Engines.codes),
    COMM: CvPage(list_key="items", unreadable="decode image failed", read=Engines.text),
}
"""The cv endpoints by path."""


@dataclass(frozen=True, kw_only=True)
class ImageReader:
    """Reads the image of a call with a valid token."""

    engines: Engines
    fetcher: Fetcher
    choices: Choices

    async def answer(self, page: CvPage, upload: Upload | None, url: str) -> Fields:
        """Return the endpoint's answer to an upload, to the URL of an image, or to both.

        Raises:
            Refusal: 41005 there is neither; 101000 the URL cannot be fetched; 101002, or the code that
                `choices` sets, it is not an image or too large; -1 the endpoint's engine is not installed.
        """
        if upload is not None and (self.choices.both_inputs == "img" or not url):
            return await self._read(page, upload.data, Refusal(101002, page.unreadable))
        if not url:
            raise Refusal(41005)
        return await self._read_url(page, url)

    async def _read_url(self, page: CvPage, url: str) -> Fields:
        try:
            data = await self.fetcher.fetch(url)
        except FetchError:
            raise Refusal(101000) from None
        if self.choices.url_not_image == 101000:
            return await self._read(page, data, Refusal(101000))
        return await self._read(page, data, Refusal(101002, page.unreadable))

    async def _read(self, page: CvPage, data: bytes | None, not_an_image: Refusal) -> Fields:
        if data is None:
            raise Refusal(*(self.choices.oversize or (101002, page.unreadable)))
        try:
            detection = await page.read(self.engines, data, self.choices)
        except UnreadableError:
            raise not_an_image from None
        except MissingExtraError as error:
            raise Refusal(-1, str(error)) from None
        fields: Fields = {"errcode": 0, "errmsg": "ok"}
        if detection.found or self.choices.nothing_found == "empty":
            fields[page.list_key] = detection.found
        if detection.found or self.choices.img_size_when_nothing:
            width, height = detection.size
            fields["img_size"] = {"w": width, "h": height}
        return fields
