"""A served app of each web framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import httpx
import pytest
from support.web_apps import FRAMEWORKS

import wxcv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wxcv.sandbox import Sandbox


class Site(NamedTuple):
    """An app that is served.

    Attributes:
        url: its base URL.
        session: the app's session, with 1 slot, for which 1 call may wait.
        http: a client of the app.
    """

    url: str
    session: wxcv.Session
    http: httpx.AsyncClient


@pytest.fixture(params=FRAMEWORKS)
async def site(
    request: pytest.FixtureRequest, box: Sandbox, credential: wxcv.AppCredential
) -> AsyncIterator[Site]:
    """Serve an app of each framework, with the sandbox for WeChat."""
    make_app, serve = FRAMEWORKS[request.param]
    sessions: list[wxcv.Session] = []

    def make_session() -> wxcv.Session:
        retries = wxcv.RetryPolicy(attempts=1)
        options = {"base_url": box.base_url, "local_files": False, "concurrency": 1, "max_waiting": 1}
        sessions.append(wxcv.Session(credential, retries=retries, **options))  # type: ignore[arg-type]
        return sessions[-1]

    async with serve(make_app(make_session)) as url, httpx.AsyncClient(base_url=url, timeout=60) as http:
        yield Site(url, sessions[0], http)
    with pytest.raises(wxcv.SessionClosedError):
        await sessions[0].token()
