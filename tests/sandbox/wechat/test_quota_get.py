"""The page that tells of quotas: what the sandbox's own meters have counted."""

from __future__ import annotations

from typing import Any

import pytest
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import Caller, Now, calling, said

from wxcv.sandbox import Choices, Quota

GET = "/cgi-bin/openapi/quota/get"


async def ask(caller: Caller, cgi_path: object, **query: str) -> dict[str, Any]:
    """Ask for a quota, with a good token unless there is another one."""
    return await caller.call(
        "POST", GET, params={**await caller.token(), **query}, json={"cgi_path": cgi_path}
    )


async def test_it_tells_what_was_counted_today() -> None:
    """A call counts until the day ends, and the limit of the minute is told where there is one."""
    now = Now()
    async with calling(clock=now, quota={QRCODE: Quota(per_day=1, per_minute=7)}) as caller:
        for used in (0, 1, 1):  # the last upload is refused, and not counted
            answer = await ask(caller, QRCODE)
            assert answer == {
                "errcode": 0,
                "errmsg": "ok",
                "quota": {"daily_limit": 1, "used": used, "remain": 1 - used},
                "rate_limit": {"call_count": 7, "refresh_second": 60},
            }
            await caller.upload(QRCODE, pictures.blank_png())
        now.seconds += 86_400
        caller._token = None
        assert (await ask(caller, QRCODE))["quota"]["used"] == 0


async def test_no_limit_is_a_very_high_one() -> None:
    """Without a quota of its own an endpoint has ten million calls a day, and no limit of the minute."""
    async with calling() as caller:
        answer = await ask(caller, COMM)

    assert answer["quota"] == {"daily_limit": 10_000_000, "used": 0, "remain": 10_000_000}
    assert "rate_limit" not in answer


@pytest.mark.parametrize("path", ["/cv/img/none", "cv/img/qrcode", "", None, 5, [QRCODE], GET])
async def test_an_unknown_path_is_told(path: object) -> None:
    """A path that is none of the cv endpoints', or no text, is 76021."""
    async with calling() as caller:
        assert said(await ask(caller, path)) == (76021, "cgi_path not found")


async def test_it_may_know_no_cv_paths() -> None:
    """With the other choice every cv path is unknown."""
    async with calling(choices=Choices(quota_get_knows_cv=False)) as caller:
        assert said(await ask(caller, QRCODE))[0] == 76021


async def test_it_wants_a_token_a_post_and_an_object() -> None:
    """Tokens are checked as on the other pages, but a component's is 76022; so are method and body."""
    async with calling() as caller:
        component = (await caller.component())["component_access_token"]
        refused = [
            (await ask(caller, QRCODE, access_token=""))["errcode"],
            (await ask(caller, QRCODE, access_token="unknown"))["errcode"],
            (await ask(caller, QRCODE, access_token=component))["errcode"],
            (await caller.call("GET", GET, params=await caller.token()))["errcode"],
            (await caller.call("POST", GET, params=await caller.token(), json=[QRCODE]))["errcode"],
        ]

    assert refused == [41001, 40001, 76022, 43002, 47001]
