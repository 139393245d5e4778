"""Plain calls to a sandbox: what the client sends is not to be trusted where the sandbox is tested."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from support.pages import QRCODE
from wxcv.sandbox import Choices, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

GOOD = 41005
"""The errcode of a good token when nothing is sent with it to read."""


def said(answer: dict[str, Any]) -> tuple[int, str]:
    """Return errcode and errmsg without the request id."""
    return answer["errcode"], answer["errmsg"].partition(" rid: ")[0]


def found(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return type_name and data of each code."""
    return [(code["type_name"], code["data"]) for code in answer["code_results"]]


class Now:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Caller:
    """Calls one sandbox. Every answer must have HTTP status 200."""

    def __init__(self, box: Sandbox, http: aiohttp.ClientSession) -> None:
        self.box = box
        self.http = http
        self._token: str | None = None

    async def call(self, method: str, path: str, **options: object) -> dict[str, Any]:
        """Send a request and return the JSON of the answer."""
        async with self.http.request(method, self.box.base_url + path, **options) as answer:
            body = await answer.read()
            assert answer.status == 200, (answer.status, body)
            return json.loads(body)

    async def classic(self, **query: str) -> dict[str, Any]:
        """Ask for a classic token."""
        known = {"grant_type": "client_credential", "appid": self.box.appid, "secret": self.box.secret}
        return await self.call("GET", "/cgi-bin/token", params={**known, **query})

    async def stable(self, **fields: object) -> dict[str, Any]:
        """Ask for a stable token."""
        known = {"grant_type": "client_credential", "appid": self.box.appid, "secret": self.box.secret}
        return await self.call("POST", "/cgi-bin/stable_token", json={**known, **fields})

    async def component(self, **fields: object) -> dict[str, Any]:
        """Ask for a component token with the newest ticket."""
        known = {
            "component_appid": self.box.component_appid,
            "component_appsecret": self.box.component_appsecret,
            "component_verify_ticket": self.box.ticket,
        }
        return await self.call("POST", "/cgi-bin/component/api_component_token", json={**known, **fields})

    async def authorizer(
        self, appid: str, refresh_token: str, *, query: Mapping[str, str] | None = None, **fields: object
    ) -> dict[str, Any]:
        """Ask for a merchant's token, with a new component token unless there is a query."""
        if query is None:
            query = {"access_token": (await self.component())["component_access_token"]}
        known = {
            "component_appid": self.box.component_appid,
            "authorizer_appid": appid,
            "authorizer_refresh_token": refresh_token,
        }
        path = "/cgi-bin/component/api_authorizer_token"
        return await self.call("POST", path, params=query, json={**known, **fields})

    async def errcode(self, token: str) -> int:
        """Return what the token is answered with: `GOOD` if it is good."""
        answer = await self.call("POST", QRCODE, params={"access_token": token})
        return answer["errcode"]

    async def token(self) -> dict[str, str]:
        """Return the query of a good token."""
        if self._token is None:
            self._token = (await self.stable())["access_token"]
        return {"access_token": self._token}

    async def upload(
        self,
        path: str,
        image: bytes,
        *,
        name: str = "img",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Upload an image with a good token."""
        form = aiohttp.FormData()
        form.add_field(name, io.BytesIO(image), filename="a.png", content_type="image/png")
        return await self.call("POST", path, params={**await self.token(), **(query or {})}, data=form)

    async def by_url(self, url: str, *, path: str = QRCODE, method: str = "POST") -> dict[str, Any]:
        """Name an image's address, with a good token."""
        return await self.call(method, path, params={**await self.token(), "img_url": url})


@contextlib.asynccontextmanager
async def calling(**settings: object) -> AsyncIterator[Caller]:
    """Start a sandbox with these settings and call it."""
    async with Sandbox(**settings) as box, aiohttp.ClientSession() as http:
        yield Caller(box, http)


@contextlib.asynccontextmanager
async def serving(body: bytes, **answer: object) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve the bytes on loopback; yields the base URL and the paths that were asked for."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=body, **answer)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


async def read_code(image: bytes, **choices: object) -> dict[str, Any]:
    """Upload the image to the qrcode page of a sandbox with these choices."""
    async with calling(choices=Choices(**choices)) as caller:
        return await caller.upload(QRCODE, image)
