"""wxcv in FastAPI and Starlette apps."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import pytest
from fastapi import FastAPI, Form, Request
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from support.pages import QRCODE
from support.pictures import PICTURE
from support.programs import run_program
from support.raw_calls import until
from support.web_apps import make_fastapi_app, raw_request, serve_asgi

import wxcv
from wxcv.integrations.fastapi import (
    CurrentSession,
    UploadedImage,
    cancel_on_disconnect,
    describe_upload,
    get_session,
    install,
    session_lifespan,
)
from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.responses import Response

    from wxcv.sandbox import Sandbox

ENDPOINTS: list[wxcv.Endpoint[Any]] = [
    value for value in map(wxcv.__getattr__, wxcv.__all__) if isinstance(value, wxcv.Endpoint)
]


async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Be a middleware that does nothing."""
    return await call_next(request)


async def read_first(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Be a middleware that reads the body before the app."""
    await request.body()
    return await call_next(request)


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an app; yields a client of it."""
    async with serve_asgi(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield http


def test_every_answer_class_is_a_response_model() -> None:
    """OpenAPI describes every answer class by its name, as the response of a handler that returns it."""
    app = FastAPI()
    for endpoint in ENDPOINTS:

        async def handle() -> Any:
            raise NotImplementedError

        cls = endpoint.read.__self__  # type: ignore[attr-defined]
        app.get(f"/{endpoint.name}", response_model=cls)(handle)
    app.get("/quota", response_model=wxcv.Quota)(handle)
    described = app.openapi()

    schemas = described["components"]["schemas"]
    for path, methods in described["paths"].items():
        content = methods["get"]["responses"]["200"]["content"]["application/json"]
        name = content["schema"]["$ref"].rpartition("/")[2]
        assert schemas[name]["properties"], path
    assert {endpoint.read.__self__.__name__ for endpoint in ENDPOINTS} <= set(schemas)  # type: ignore[attr-defined]
    assert {"CodeResult", "Pos", "Point", "Quota", "RateLimit"} <= set(schemas)
    assert not [name for name in schemas if "-" in name], "input and output have one schema"


def test_the_documentation_has_the_upload() -> None:
    """``describe_upload`` gives OpenAPI the form and the raw body that a handler takes."""
    app = FastAPI()

    @app.post("/codes", openapi_extra=describe_upload("photo"))
    async def read_codes(image: UploadedImage) -> None: ...

    content = app.openapi()["paths"]["/codes"]["post"]["requestBody"]["content"]

    assert content["multipart/form-data"]["schema"]["required"] == ["photo"]
    assert content["image/*"]["schema"]["format"] == "binary"


@pytest.mark.parametrize("is_outside", [True, False], ids=["outside", "inside"])
async def test_a_client_that_leaves_is_noticed_through_middlewares(
    session: wxcv.Session, box: Sandbox, is_outside: bool
) -> None:
    """Middlewares around the app, or between it and the handler, neither hide clients nor lose answers."""
    app = FastAPI(lifespan=session_lifespan(lambda: session))

    def add_middlewares() -> None:
        app.add_middleware(GZipMiddleware)
        app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
        app.add_middleware(BaseHTTPMiddleware, dispatch=read_first)

    if not is_outside:
        add_middlewares()
    install(app)
    if is_outside:
        add_middlewares()

    @app.post("/codes")
    async def read_codes(image: UploadedImage, current: CurrentSession) -> wxcv.QrcodeScan:
        return await current.scan_qrcode(image)

    async with client_of(app) as http:
        assert (await http.post("/codes", content=PICTURE)).status_code == 200
        box.fail_next(QRCODE, Fault(stall=True))
        length = f"Content-Length: {len(PICTURE)}"
        async with raw_request(str(http.base_url).rstrip("/"), "/codes", length) as request:
            await request.send(PICTURE)
            await until(lambda: box.requests[QRCODE] == 2)
        await until(lambda: session.stats().running == 0)
        assert (await http.post("/codes", content=PICTURE)).status_code == 200


async def test_a_body_may_be_read_after_a_call(session: wxcv.Session) -> None:
    """Watching for a client that leaves takes nothing from a body that a handler reads later."""
    app = FastAPI(lifespan=session_lifespan(lambda: session))
    install(app)

    @app.post("/later")
    async def read_later(request: Request, current: CurrentSession) -> dict[str, Any]:
        scan = await current.scan_qrcode(PICTURE)
        return {"data": scan.code_results[0].data, "body": (await request.body()).decode()}

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"piece "

    async with client_of(app) as http:
        for body in (b"", b"piece " * 3, pieces()):
            reply = await http.post("/later", content=body)
            assert reply.json() == {"data": "x", "body": "" if body == b"" else "piece piece piece "}


async def test_a_call_may_outlive_several_blocks(session: wxcv.Session, box: Sandbox) -> None:
    """A handler may make several calls, and one after it caught that the client left runs no more."""
    app, seen = FastAPI(lifespan=session_lifespan(lambda: session)), []
    install(app)

    @app.post("/codes")
    async def read_codes(request: Request, image: UploadedImage, current: CurrentSession) -> str:
        await current.scan_qrcode(image)
        for _ in range(2):
            try:
                async with cancel_on_disconnect(request):
                    await asyncio.Event().wait()
            except Exception as error:  # noqa: BLE001 - whatever it is
                seen.append(type(error).__name__)
        return "done"

    async with serve_asgi(app) as url:
        async with raw_request(url, "/codes", f"Content-Length: {len(PICTURE)}") as request:
            await request.send(PICTURE)
            await until(lambda: session.stats().calls == 1 and session.stats().running == 0)
        await until(lambda: len(seen) == 2)

    assert seen == ["ClientDisconnect", "ClientDisconnect"]
    assert box.requests[QRCODE] == 1


async def test_another_account_is_watched_too(session: wxcv.Session, credential: wxcv.AppCredential) -> None:
    """The session of a request makes sessions of other accounts, shares statistics, and closes nothing."""
    app = FastAPI(lifespan=session_lifespan(lambda: session))
    install(app)

    @app.post("/codes")
    async def read_codes(image: UploadedImage, current: CurrentSession) -> dict[str, Any]:
        other = current.on_behalf_of(credential)
        async with current, other:
            scan = await other.scan_qrcode(image)
        async with current.batch(wxcv.SCAN_QRCODE, [PICTURE]) as outcomes:
            statuses = [outcome.status async for outcome in outcomes]
        same = current.stats() == session.stats()
        return {
            "codes": len(scan.code_results),
            "statuses": statuses,
            "same": same,
            "other": type(other) is type(current),
        }

    async with client_of(app) as http:
        reply = await http.post("/codes", content=PICTURE)

    assert reply.json() == {"codes": 1, "statuses": ["ok"], "same": True, "other": True}


async def test_a_lifespan_of_ones_own_keeps_its_state(session: wxcv.Session) -> None:
    """A lifespan may enter the session's and add to its state."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with session_lifespan(lambda: session)(app) as state:
            yield {**state, "name": "own"}

    app = FastAPI(lifespan=lifespan)
    install(app)

    @app.post("/codes")
    async def read_codes(request: Request, image: UploadedImage, current: CurrentSession) -> str:
        await current.scan_qrcode(image)
        return str(request.state.name)

    async with client_of(app) as http:
        assert (await http.post("/codes", content=PICTURE)).json() == "own"


@asynccontextmanager
async def in_process(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Run an app without a server; yields a client of it, which raises what the app raises."""
    async with app.router.lifespan_context(app) as state:

        async def run(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        async with httpx.AsyncClient(transport=httpx.ASGITransport(run), base_url="http://app") as http:
            yield http


async def test_an_app_is_tested_without_a_server(session: wxcv.Session) -> None:
    """An app runs in the process of its test, and ``get_session`` can be replaced."""
    app = make_fastapi_app(lambda: session)

    async with in_process(app) as http:
        reply = await http.post("/codes", files={"image": ("a.png", PICTURE)})
        assert reply.json()["code_results"][0]["data"] == "x"
        app.dependency_overrides[get_session] = lambda: None
        with pytest.raises(AttributeError, match="scan_qrcode"):
            await http.post("/codes", content=PICTURE)


@pytest.mark.parametrize(
    ("is_installed", "has_session", "message"),
    [(False, True, r"call install\(app\)"), (True, False, "session_lifespan")],
)
async def test_what_is_missing_is_named(
    session: wxcv.Session, is_installed: bool, has_session: bool, message: str
) -> None:
    """An app without ``install``, or without a session, is told what to do at the first call."""
    app = FastAPI(lifespan=session_lifespan(lambda: session) if has_session else None)
    if is_installed:
        install(app)

    @app.get("/codes")
    async def read_codes(current: CurrentSession) -> wxcv.QrcodeScan:
        return await current.scan_qrcode(PICTURE)

    async with in_process(app) as http:
        with pytest.raises(RuntimeError, match=message):
            await http.get("/codes")


async def test_a_body_that_was_read_is_an_error_of_the_program() -> None:
    """A handler with form parameters beside the upload fails at once and says why."""
    app = FastAPI()

    @app.post("/codes")
    async def read_codes(image: UploadedImage, note: Annotated[str, Form()]) -> None: ...

    async with in_process(app) as http:
        with pytest.raises(RuntimeError, match="body was read before"):
            await http.post("/codes", data={"note": "x"}, files={"image": ("a.png", PICTURE)})


@pytest.mark.parametrize("made", ["session", nullcontext("session")], ids=["returned", "yielded"])
async def test_a_session_function_that_makes_none_is_named(made: Any) -> None:
    """A function that returns no Session, and none in a context manager, fails when the app starts."""
    app = FastAPI(lifespan=session_lifespan(lambda: made))

    with pytest.raises(TypeError, match=r"make_session must (return|yield) a wxcv\.Session, not str"):
        async with in_process(app):
            pass


@pytest.mark.parametrize("package", ["fastapi", "starlette", "python_multipart"])
def test_a_missing_extra_is_named(package: str) -> None:
    """Without a package of the extra, importing the module names the command that installs it."""
    hidden = dict.fromkeys([package, "multipart"])  # the second is an older name of the last package
    done = run_program(f"import sys; sys.modules.update({hidden}); import wxcv.integrations.fastapi")

    assert done.returncode == 1
    assert f"needs {package}" in done.stderr
    assert 'python -m pip install "wxcv[fastapi]"' in done.stderr
