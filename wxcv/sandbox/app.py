"""App: answers the requests to the sandbox."""

import contextlib
import logging
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Never

from aiohttp import web

from wxcv.sandbox.fault_injection import FaultInjector
from wxcv.sandbox.faults import Fault, FaultPlan
from wxcv.sandbox.pages.cv import CV_PAGES, ImageReader
from wxcv.sandbox.pages.uploads import Received, Upload, drain, read_json_object, read_upload, tells_length
from wxcv.sandbox.wechat.accounts import Account
from wxcv.sandbox.wechat.answers import Fields, Refusal, encode, refusal_fields
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.paths import CANNED
from wxcv.sandbox.wechat.platform import Platform
from wxcv.sandbox.wechat.quotas import QuotaMeter
from wxcv.sandbox.wechat.tokens import TokenIssuer

logger = logging.getLogger("wxcv.sandbox")

_UPLOAD = web.RequestKey("upload", Upload)


@dataclass(frozen=True, kw_only=True)
class App:
    """Answers the requests to the sandbox.

    `size_limit` is in bytes, `relay` accepts cv calls without a token, and `clock` returns the Unix time in
    seconds.
    """

    account: Account
    tokens: TokenIssuer
    platform: Platform
    reader: ImageReader
    meters: Mapping[str, QuotaMeter]
    faults: FaultPlan
    fault_injector: FaultInjector
    choices: Choices
    size_limit: int
    relay: bool
    clock: Callable[[], float]
    requests: Counter[str]
    received: deque[Received]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request with JSON, with a fault, or with HTTP 412 if it has no Content-Length."""
        self.requests[request.path] += 1
        fault = self.faults.take(request.path)
        try:
            if fault is None:
                return await self._respond(request, None)
            await self.fault_injector.before(fault, request)
            return await self.fault_injector.after(fault, request, await self._respond(request, fault))
        except ConnectionError:
            # The client disconnected, or a fault reset the connection: a response cannot be sent.
            return web.Response()

    async def _respond(self, request: web.Request, fault: Fault | None) -> web.Response:
        errcode = 0
        try:
            if fault is not None and fault.replaces:
                response = await self._instead(request, fault)
            elif not (self.choices.accept_chunked or tells_length(request)):
                response = await _refuse_without_length(request)
            else:
                response = self._seal(await self._page(request), request.path)
        except Refusal as refusal:
            errcode = refusal.errcode
            response = self._seal(refusal_fields(refusal, now=self.clock()), request.path)
        if fault is not None:
            response.set_status(fault.status or response.status)
            response.headers.update(fault.headers)
        if self._is_cv(request.path):
            self._record(request, response.status, errcode, fault)
        return response

    def _seal(self, fields: Fields, path: str) -> web.Response:
        headers = {"Content-Type": self.choices.content_type, **self._seqid()}
        if path in CANNED or path in self.reader.canned:
            headers["x-wxcv-sandbox"] = "canned"
        return web.Response(body=encode(fields), headers=headers)

    def _seqid(self) -> dict[str, str]:
        return {"x-openapi-seqid": uuid.uuid4().hex} if self.relay else {}

    async def _instead(self, request: web.Request, fault: Fault) -> web.Response:
        if self._is_cv(request.path):
            await self._upload(request)
        else:
            await drain(request)
        if fault.refusal is not None:
            raise fault.refusal
        return web.Response(body=fault.body or b"", headers={"Content-Type": self.choices.content_type})

    async def _page(self, request: web.Request) -> Fields:
        pages = {
            "/cgi-bin/token": self._classic,
            "/cgi-bin/stable_token": self._stable,
            "/cgi-bin/component/api_component_token": self._component_token,
            "/cgi-bin/component/api_authorizer_token": self._authorizer_token,
            "/cgi-bin/openapi/quota/get": self._quota,
        }
        page = pages.get(request.path, self._cv if self._is_cv(request.path) else _unknown)
        try:
            return await page(request)
        except (Refusal, ConnectionError):
            raise
        except Exception:
            logger.exception("unexpected error while answering %s; errcode -1 is returned", request.path)
            raise Refusal(-1) from None

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
        body = await _read_post(request)
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
        body = await _read_post(request)
        if body is None:
            raise Refusal(47001)
        return self.platform.component_token(body)

    async def _authorizer_token(self, request: web.Request) -> Fields:
        body = await _read_post(request)
        # The older documentation pages have the second name.
        token = request.query.get("access_token") or request.query.get("component_access_token", "")
        return self.platform.authorizer_token(token, body)

    async def _quota(self, request: web.Request) -> Fields:
        body = await _read_post(request)
        self._check_token(request, errcode_for_component=76022)
        if body is None:
            raise Refusal(47001)
        path = body.get("cgi_path")
        meter = self.meters.get(path) if self.choices.quota_get_knows_cv and isinstance(path, str) else None
        if meter is None:
            raise Refusal(76021)
        return {"errcode": 0, "errmsg": "ok", **meter.describe()}

    async def _cv(self, request: web.Request) -> Fields:
        # The body is read first, so that `received` tells of an upload that came with a bad token.
        upload = await self._upload(request)
        if request.method != "POST" and not (request.method == "GET" and self.choices.accept_get):
            raise Refusal(43002)
        self._check_token(request)
        meter = self.meters.get(request.path)
        with contextlib.nullcontext() if meter is None else meter.count_call():
            return await self.reader.answer(request.path, upload, request.query)

    def _is_cv(self, path: str) -> bool:
        return path in CV_PAGES or path in self.reader.canned

    async def _upload(self, request: web.Request) -> Upload | None:
        upload = await read_upload(request, limit=self.size_limit, any_part_name=self.choices.any_part_name)
        if upload is not None:
            request[_UPLOAD] = upload
        return upload

    def _check_token(self, request: web.Request, *, errcode_for_component: int = 61015) -> None:
        token = request.query.get("access_token", "")
        cloud_token = request.query.get("cloudbase_access_token", "")
        if self.relay and not token and not cloud_token:
            return
        kind = self.tokens.check(token or cloud_token)
        if token and kind == "component":
            raise Refusal(errcode_for_component)
        sent_as_cloud = not token
        if sent_as_cloud != (kind == "cloud"):
            raise Refusal(40001)

    def _record(self, request: web.Request, status: int, errcode: int, fault: Fault | None) -> None:
        arrived = Received(
            path=request.path, method=request.method, status=status, errcode=errcode, fault=fault
        )
        if (upload := request.get(_UPLOAD)) is not None:
            arrived = replace(arrived, **upload.facts)
        self.received.append(arrived)


async def _unknown(request: web.Request) -> Never:
    await drain(request)
    raise Refusal(40066)


async def _refuse_without_length(request: web.Request) -> web.Response:
    await drain(request)
    return web.Response(status=412, text="412 Precondition Failed: the request has no Content-Length\n")


async def _read_post(request: web.Request) -> dict[str, object] | None:
    """Return the JSON object in the body of a POST, or None if the body is anything else."""
    body = await read_json_object(request)
    if request.method != "POST":
        raise Refusal(43002)
    return body
