"""The pages that the sandbox serves."""

import logging
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aiohttp import web

from wxcv.sandbox.answers import Fields, Refusal, encode, refusal_fields
from wxcv.sandbox.choices import Choices
from wxcv.sandbox.component import Platform
from wxcv.sandbox.cv import CV_PAGES, CvPage, Reader
from wxcv.sandbox.tokens import TokenDesk
from wxcv.sandbox.uploads import Received, Upload, drain, read_json_object, read_upload

logger = logging.getLogger("wxcv.sandbox")

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
class App:
    """Answers requests.

    `size_limit` is bytes, `relay` lets cv calls come without a token, and `clock` returns the Unix time in
    seconds.
    """

    account: Account
    tokens: TokenDesk
    platform: Platform
    reader: Reader
    choices: Choices
    size_limit: int
    relay: bool
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
        if request.path in CV_PAGES:
            self._record(request, errcode)
        return web.Response(body=encode(fields), headers=self._headers())

    async def _page(self, request: web.Request) -> Fields:
        try:
            match request.path:
                case "/cgi-bin/token":
                    return await self._classic(request)
                case "/cgi-bin/stable_token":
                    return await self._stable(request)
                case "/cgi-bin/component/api_component_token":
                    return await self._component_token(request)
                case "/cgi-bin/component/api_authorizer_token":
                    return await self._authorizer_token(request)
                case path if path in CV_PAGES:
                    return await self._cv(CV_PAGES[path], request)
        except (Refusal, ConnectionError):
            raise
        except Exception:
            logger.exception("%s is answered with errcode -1", request.path)
            raise Refusal(-1) from None
        raise web.HTTPNotFound(headers=self._headers())

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": self.choices.content_type}
        return {**headers, "x-openapi-seqid": uuid.uuid4().hex} if self.relay else headers

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
        body = await _posted(request)
        if body is None:
            raise Refusal(47001)
        self.account.check(
            grant_type=body.get("grant_type"), appid=body.get("appid"), secret=body.get("secret")
        )
        force_refresh = body.get("force_refresh", False)
        if not isinstance(force_refresh, bool):
            raise Refusal(47001)
        return self.tokens.stable(force_refresh=force_refresh)

    async def _component_token(self, request: web.Request) -> Fields:
        body = await _posted(request)
        if body is None:
            raise Refusal(47001)
        return self.platform.component_token(body)

    async def _authorizer_token(self, request: web.Request) -> Fields:
        body = await _posted(request)
        # The older pages of the platform have the second name.
        token = request.query.get("access_token") or request.query.get("component_access_token", "")
        return self.platform.authorizer_token(token, body)

    async def _cv(self, page: CvPage, request: web.Request) -> Fields:
        # The body is read first, so that `received` tells of an upload that came with a bad token.
        upload = await read_upload(request, limit=self.size_limit, any_part_name=self.choices.any_part_name)
        if upload is not None:
            request[_UPLOAD] = upload
        if request.method != "POST" and not (request.method == "GET" and self.choices.accept_get):
            raise Refusal(43002)
        self._check_token(request)
        return await self.reader.answer(page, upload, request.query.get("img_url", ""))

    def _check_token(self, request: web.Request) -> None:
        token = request.query.get("access_token", "")
        cloud_token = request.query.get("cloudbase_access_token", "")
        if self.relay and not token and not cloud_token:
            return
        kind = self.tokens.check(token or cloud_token)
        if token and kind == "component":
            raise Refusal(61015)
        sent_as_cloud = not token
        if sent_as_cloud != (kind == "cloud"):
            raise Refusal(40001)

    def _record(self, request: web.Request, errcode: int) -> None:
        arrived = Received(path=request.path, method=request.method, errcode=errcode)
        if (upload := request.get(_UPLOAD)) is not None:
            arrived = replace(arrived, **upload.facts)
        self.received.append(arrived)


async def _posted(request: web.Request) -> dict[str, object] | None:
    """Return the JSON object that was posted, or None if it was anything else."""
    body = await read_json_object(request)
    if request.method != "POST":
        raise Refusal(43002)
    return body
