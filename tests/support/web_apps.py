"""Small web apps of every framework, served by their real servers on free ports."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import uvicorn
from aiohttp import web
from fastapi import Depends, FastAPI, Query, Request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import wxcv
from wxcv.integrations import aiohttp as wxcv_aiohttp, fastapi as wxcv_fastapi
from wxcv.integrations.fastapi import CurrentSession, UploadedImage, image_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

LARGE = 3_000_000
"""The limit of the path /large."""


def make_fastapi_app(make_session: Callable[[], wxcv.Session]) -> FastAPI:
    """Make an app that reads codes."""
    app = FastAPI(lifespan=wxcv_fastapi.session_lifespan(make_session))
    wxcv_fastapi.install(app)

    @app.post("/codes")
    async def read_codes(image: UploadedImage, session: CurrentSession) -> wxcv.QrcodeScan:
        return await session.scan_qrcode(image)

    @app.post("/large")
    async def read_large(
        image: Annotated[wxcv.ImageBytes, Depends(image_reader(LARGE, "photo"))],
    ) -> dict[str, int]:
        return {"size": len(memoryview(image.data))}

    @app.get("/by-url")
    async def read_url(url: Annotated[str, Query()], session: CurrentSession) -> wxcv.QrcodeScan:
        return await session.scan_qrcode(wxcv.ImageUrl(url))

    return app


def make_starlette_app(make_session: Callable[[], wxcv.Session]) -> Starlette:
    """Make an app that reads codes."""

    async def read_codes(request: Request) -> JSONResponse:
        session = await wxcv_fastapi.get_session(request)
        scan = await session.scan_qrcode(await wxcv_fastapi.read_image(request))
        return JSONResponse(scan.to_dict())

    async def read_large(request: Request) -> JSONResponse:
        image = await wxcv_fastapi.read_image(request, limit=LARGE, field="photo")
        return JSONResponse({"size": len(memoryview(image.data))})

    async def read_url(request: Request) -> JSONResponse:
        session = await wxcv_fastapi.get_session(request)
        scan = await session.scan_qrcode(wxcv.ImageUrl(request.query_params["url"]))
        return JSONResponse(scan.to_dict())

    routes = [
        Route("/codes", read_codes, methods=["POST"]),
        Route("/large", read_large, methods=["POST"]),
        Route("/by-url", read_url),
    ]
    app = Starlette(routes=routes, lifespan=wxcv_fastapi.session_lifespan(make_session))
    wxcv_fastapi.install(app)
    return app


def make_aiohttp_app(make_session: Callable[[], wxcv.Session]) -> web.Application:
    """Make an app that reads codes."""

    async def read_codes(request: web.Request) -> web.Response:
        image = await wxcv_aiohttp.read_image(request)
        return web.json_response((await wxcv_aiohttp.get_session(request).scan_qrcode(image)).to_dict())

    async def read_large(request: web.Request) -> web.Response:
        image = await wxcv_aiohttp.read_image(request, limit=LARGE, field="photo")
        return web.json_response({"size": len(memoryview(image.data))})

    async def read_url(request: web.Request) -> web.Response:
        image = wxcv.ImageUrl(request.query["url"])
        return web.json_response((await wxcv_aiohttp.get_session(request).scan_qrcode(image)).to_dict())

    app = web.Application(middlewares=[wxcv_aiohttp.error_middleware])
    app.cleanup_ctx.append(wxcv_aiohttp.session_context(make_session))
    app.router.add_post("/codes", read_codes)
    app.router.add_post("/large", read_large)
    app.router.add_get("/by-url", read_url)
    return app


@asynccontextmanager
async def serve_asgi(app: Any) -> AsyncIterator[str]:
    """Serve an app with uvicorn; yields the base URL."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                assert not serving.done(), "the app did not start"
                await asyncio.sleep(0.001)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


@asynccontextmanager
async def serve_aiohttp(app: web.Application, **options: Any) -> AsyncIterator[str]:
    """Serve an app with aiohttp's server; yields the base URL."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


FRAMEWORKS = {
    "fastapi": (make_fastapi_app, serve_asgi),
    "starlette": (make_starlette_app, serve_asgi),
    "aiohttp": (make_aiohttp_app, serve_aiohttp),
}


class Reply(NamedTuple):
    """A response that was read from a raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawRequest:
    """One request on a connection of its own, of which a test decides what is sent and when it ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def send_chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; b"" ends it."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def read_reply(self) -> Reply:
        """Read the response."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(head[0].split()[1]), headers, body)


@asynccontextmanager
async def raw_request(
    base_url: str, path: str, *headers: str, method: str = "POST"
) -> AsyncIterator[RawRequest]:
    """Send the head of a request; the connection is closed at the end of the block."""
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        request = RawRequest(reader, writer)
        lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers)
        await request.send("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n")
        yield request
    finally:
        writer.close()
