"""The pages that the sandbox serves."""

import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from aiohttp import web

from wxcv.sandbox.answers import Refusal, encode, refusal_fields
from wxcv.sandbox.choices import Choices
from wxcv.sandbox.engines import Engines
from wxcv.sandbox.fetch import Fetcher, FetchError
from wxcv.sandbox.pictures import UnreadableError
from wxcv.sandbox.reading import Reading
from wxcv.sandbox.tokens import TokenDesk
from wxcv.sandbox.uploads import Received, Upload, drain, read_json_object, read_upload

logger = logging.getLogger("wxcv.sandbox")

Fields = dict[str, object]

_UPLOAD = web.RequestKey("upload", Upload)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose tokens are given out."""

    appid: str
    secret: str = field(repr=False)

    def check(self, *, grant_type: object, appid: object, secret: object) -> None:
        """Accept the parameters of a token call, or raise the Refusal for the first that is wrong."""
        if grant_type != "client_credential":
            raise Refusal(40002)
        if not appid:
            raise Refusal(41002)
        if appid != self.appid:
            raise Refusal(40013)
        if not secret:
            raise Refusal(41004)
        if secret != self.secret:
            raise Refusal(40125)


@dataclass(frozen=True, kw_only=True)
class CvPage:
    """What sets one cv page apart: the key of its list, its errmsg for 101002, and its engine."""

    list_key: str
    unreadable: str
    read: Callable[[Engines, bytes, Choices], Awaitable[Reading]]


QRCODE = CvPage(list_key="code_results", unreadable="invalid image data", read=Engines.codes)
COMM = CvPage(list_key="items", unreadable="decode image failed", read=Engines.text)


@dataclass(frozen=True, kw_only=True)
class App:
    """Answers requests. `size_limit` is bytes, `clock` returns the Unix time in seconds."""

    account: Account
    tokens: TokenDesk
    engines: Engines
    fetcher: Fetcher
    choices: Choices
    size_limit: int
    clock: Callable[[], float]
    requests: Counter[str]
    received: deque[Received]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer any request: with JSON on the pages that exist, with a plain 404 elsewhere."""
        self.requests[request.path] += 1
        errcode = 0
        try:
            fields = await self._page(request)
        except Refusal as refusal:
            errcode, fields = refusal.errcode, refusal_fields(refusal, now=self.clock())
        except ConnectionError:
            # The sender went away in the middle of its body: nobody is left to read an answer.
            return web.Response()
        if request.path.startswith("/cv/"):
            self._record(request, errcode)
        return web.Response(body=encode(fields), headers={"Content-Type": self.choices.content_type})

    async def _page(self, request: web.Request) -> Fields:
        try:
            match request.path:
                case "/cgi-bin/token":
                    return await self._classic(request)
                case "/cgi-bin/stable_token":
                    return await self._stable(request)
                case "/cv/img/qrcode":
                    return await self._cv(QRCODE, request)
                case "/cv/ocr/comm":
                    return await self._cv(COMM, request)
        except (Refusal, ConnectionError):
            raise
        except Exception:
            logger.exception("%s is answered with errcode -1", request.path)
            raise Refusal(-1) from None
        raise web.HTTPNotFound

    async def _classic(self, request: web.Request) -> Fields:
        await drain(request)
        if request.method != "GET":
            raise Refusal(43001)
        query = request.query
        self.account.check(
            grant_type=query.get("grant_type"), appid=query.get("appid"), secret=query.get("secret")
        )
        return self.tokens.classic()

    async def _stable(self, request: web.Request) -> Fields:
        body = await read_json_object(request)
        if request.method != "POST":
            raise Refusal(43002)
        if body is None:
            raise Refusal(47001)
        self.account.check(
            grant_type=body.get("grant_type"), appid=body.get("appid"), secret=body.get("secret")
        )
        force_refresh = body.get("force_refresh", False)
        if not isinstance(force_refresh, bool):
            raise Refusal(47001)
        return self.tokens.stable(force_refresh=force_refresh)

    async def _cv(self, page: CvPage, request: web.Request) -> Fields:
        # The body is read first, so that `received` tells of an upload that came with a bad token.
        upload = await read_upload(request, limit=self.size_limit, any_part_name=self.choices.any_part_name)
        if upload is not None:
            request[_UPLOAD] = upload
        if request.method != "POST" and not (request.method == "GET" and self.choices.accept_get):
            raise Refusal(43002)
        self.tokens.check(request.query.get("access_token", ""))
        url = request.query.get("img_url", "")
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
        if self.choices.url_not_image == 101000:  # noqa: PLR2004 - an errcode is its own best name
            return await self._read(page, data, Refusal(101000))
        return await self._read(page, data, Refusal(101002, page.unreadable))

    async def _read(self, page: CvPage, data: bytes | None, not_an_image: Refusal) -> Fields:
        if data is None:
            raise Refusal(*(self.choices.oversize or (101002, page.unreadable)))
        try:
            reading = await page.read(self.engines, data, self.choices)
        except UnreadableError:
            raise not_an_image from None
        fields: Fields = {"errcode": 0, "errmsg": "ok"}
        if reading.found or self.choices.nothing_found == "empty":
            fields[page.list_key] = reading.found
        if reading.found or self.choices.img_size_when_nothing:
            width, height = reading.size
            fields["img_size"] = {"w": width, "h": height}
        return fields

    def _record(self, request: web.Request, errcode: int) -> None:
        arrived = Received(path=request.path, method=request.method, errcode=errcode)
        if (upload := request.get(_UPLOAD)) is not None:
            arrived = replace(arrived, **upload.facts)
        self.received.append(arrived)
