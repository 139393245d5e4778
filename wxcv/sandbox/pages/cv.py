"""The cv endpoints, which read an image."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from wxcv.sandbox.engines.detection import Detection
from wxcv.sandbox.engines.extras import MissingExtraError
from wxcv.sandbox.engines.pictures import UnreadableError
from wxcv.sandbox.engines.threads import Engines
from wxcv.sandbox.pages.fetching import Fetcher, FetchError
from wxcv.sandbox.pages.uploads import Upload
from wxcv.sandbox.wechat.answers import Fields, Refusal
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.paths import AICROP, CANNED, COMM, QRCODE


@dataclass(frozen=True, kw_only=True)
class CvPage:
    """What distinguishes a cv endpoint: the key of its list, its errmsg for 101002, and its engine.

    An endpoint without a list returns canned answers, which a test has set.
    """

    list_key: str = ""
    unreadable: str = "decode image failed"
    read: Callable[[Engines, bytes, Choices, Mapping[str, str]], Awaitable[Detection]] = Engines.open


CV_PAGES = {path: CvPage() for path in CANNED} | {
    QRCODE: CvPage(list_key="code_results", unreadable="invalid image data", read=Engines.codes),
    COMM: CvPage(list_key="items", read=Engines.text),
    AICROP: CvPage(list_key="results", unreadable="invalid image data", read=Engines.crops),
}
"""The cv endpoints by path."""

_OWN = CvPage()  # an endpoint that is not WeChat's, or that wxcv does not know


@dataclass(frozen=True, kw_only=True)
class ImageReader:
    """Reads the image of a call with a valid token."""

    engines: Engines
    fetcher: Fetcher
    choices: Choices
    canned: Mapping[str, Fields]

    async def answer(self, path: str, upload: Upload | None, query: Mapping[str, str]) -> Fields:
        """Return the endpoint's answer to an upload, to the URL of an image, or to both.

        Raises:
            Refusal: 41005 there is neither; 101000 the URL cannot be fetched; 101002, or the code that
                `choices` sets, it is not an image or too large; 101001 no canned answer is set; -1 the
                endpoint's engine is not installed.
        """
        page, url = CV_PAGES.get(path, _OWN), query.get("img_url", "")
        if upload is not None and (self.choices.both_inputs == "img" or not url):
            fields = {**query, **upload.fields}
            detection = await self._read(page, upload.data, fields, Refusal(101002, page.unreadable))
        elif url:
            detection = await self._read_url(page, url, query)
        else:
            raise Refusal(41005)
        return self._found(page, detection) if page.list_key else self._find_canned(path)

    async def _read_url(self, page: CvPage, url: str, query: Mapping[str, str]) -> Detection:
        try:
            data = await self.fetcher.fetch(url)
        except FetchError:
            raise Refusal(101000) from None
        if self.choices.url_not_image == 101000:
            return await self._read(page, data, query, Refusal(101000))
        return await self._read(page, data, query, Refusal(101002, page.unreadable))

    async def _read(
        self, page: CvPage, data: bytes | None, fields: Mapping[str, str], not_an_image: Refusal
    ) -> Detection:
        if data is None:
            raise Refusal(*(self.choices.oversize or (101002, page.unreadable)))
        try:
            return await page.read(self.engines, data, self.choices, fields)
        except UnreadableError:
            raise not_an_image from None
        except MissingExtraError as error:
            raise Refusal(-1, str(error)) from None

    def _found(self, page: CvPage, detection: Detection) -> Fields:
        fields: Fields = {"errcode": 0, "errmsg": "ok"}
        if detection.found or self.choices.nothing_found == "empty":
            fields[page.list_key] = detection.found
        if detection.found or self.choices.img_size_when_nothing:
            width, height = detection.size
            fields["img_size"] = {"w": width, "h": height}
        return fields

    def _find_canned(self, path: str) -> Fields:
        answer = self.canned.get(path)
        if answer is None:
            raise Refusal(101001)
        return {"errcode": 0, "errmsg": "ok", **answer}
