"""An aiohttp app that reads codes from uploaded images. Run it with WXCV_APPID and WXCV_SECRET set."""

from __future__ import annotations

from aiohttp import web

import wxcv
from wxcv.integrations.aiohttp import error_middleware, get_session, read_image, session_context


def make_session() -> wxcv.Session:
    """Make the session of the app."""
    return wxcv.Session.from_env(local_files=False, slot_timeout=5.0, max_waiting=200)


async def read_codes(request: web.Request) -> web.Response:
    """Read the codes in an image."""
    scan = await get_session(request).scan_qrcode(await read_image(request))
    return web.json_response(scan.to_dict())


def make_app() -> web.Application:
    """Make the app."""
    app = web.Application(middlewares=[error_middleware])
    app.cleanup_ctx.append(session_context(make_session))
    app.router.add_post("/codes", read_codes)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
