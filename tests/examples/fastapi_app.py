"""A FastAPI app that reads codes and text from uploaded images.

Run it with ``uvicorn fastapi_app:app --workers 2``, and WXCV_APPID, WXCV_SECRET and perhaps WXCV_STORE set.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

import wxcv
from wxcv.integrations.fastapi import (
    CurrentSession,
    UploadedImage,
    describe_upload,
    install,
    session_lifespan,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def open_session() -> AsyncIterator[wxcv.Session]:
    """Open the session of a worker process; with a store, all of them share a token."""
    async with AsyncExitStack() as closing:
        url = os.environ.get("WXCV_STORE")
        store = await closing.enter_async_context(wxcv.RedisStore.from_url(url)) if url else None
        session = wxcv.Session.from_env(local_files=False, slot_timeout=5.0, max_waiting=200, store=store)
        yield await closing.enter_async_context(session)


app = FastAPI(title="Codes", lifespan=session_lifespan(open_session))
install(app)


@app.post("/codes", openapi_extra=describe_upload())
async def read_codes(image: UploadedImage, session: CurrentSession) -> wxcv.QrcodeScan:
    """Read the codes in an image."""
    return await session.scan_qrcode(image)


@app.get("/text")
async def read_text(url: str, session: CurrentSession) -> wxcv.PrintedText:
    """Read the text in an image that WeChat downloads."""
    return await session.printed_text(wxcv.ImageUrl(url))
