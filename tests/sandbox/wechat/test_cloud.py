"""The sandbox as cloud hosting."""

from __future__ import annotations

import aiohttp
import pytest
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import GOOD, Now, calling, said


@pytest.mark.parametrize("path", [QRCODE, COMM])
async def test_cloud_token_opens_the_cv_pages(path: str) -> None:
    """A token of cloud hosting is good as cloudbase_access_token, and is 40001 as access_token."""
    async with calling() as caller:
        token = caller.box.cloud_token()
        good = await caller.call("POST", path, params={"cloudbase_access_token": token})
        misplaced = await caller.call("POST", path, params={"access_token": token})
        assert caller.box.tokens_issued == {"cloud": 1}

    assert good["errcode"] == GOOD
    assert said(misplaced) == (40001, "invalid credential, access_token is invalid or not latest")


async def test_cloud_token_lives_half_an_hour_beside_newer_ones() -> None:
    """A token of cloud hosting is good for 1800 seconds, whatever newer ones there are, and then 42001."""
    now = Now()
    async with calling(clock=now) as caller:

        async def errcode() -> int:
            return (await caller.call("POST", QRCODE, params={"cloudbase_access_token": token}))["errcode"]

        token = caller.box.cloud_token()
        caller.box.cloud_token()
        now.seconds += 1799
        assert await errcode() == GOOD
        now.seconds += 1
        assert await errcode() == 42001


async def test_other_tokens_are_no_cloud_tokens() -> None:
    """An account's and a platform's token are 40001 as cloudbase_access_token, and an empty one is 41001."""
    async with calling() as caller:
        stable = (await caller.stable())["access_token"]
        component = (await caller.component())["component_access_token"]
        answers = [
            await caller.call("POST", QRCODE, params={"cloudbase_access_token": token})
            for token in (stable, component, "made-up", "")
        ]

    assert [answer["errcode"] for answer in answers] == [40001, 40001, 40001, 41001]


async def test_access_token_goes_before_a_cloud_token() -> None:
    """When both are sent the access_token decides."""
    async with calling() as caller:
        query = {"cloudbase_access_token": "made-up", **await caller.token()}
        assert (await caller.call("POST", QRCODE, params=query))["errcode"] == GOOD
        query = {"cloudbase_access_token": caller.box.cloud_token(), "access_token": "made-up"}
        assert (await caller.call("POST", QRCODE, params=query))["errcode"] == 40001


async def test_relay_takes_calls_without_a_token() -> None:
    """A relay reads an image that came without any token."""
    async with calling(relay=True) as caller:
        form = aiohttp.FormData()
        form.add_field("img", pictures.qr_png("hi"), filename="a.png")
        answer = await caller.call("POST", QRCODE, data=form)

    assert answer["code_results"][0]["data"] == "hi"


async def test_relay_looks_at_a_token_that_is_sent() -> None:
    """A relay refuses a bad token of either name."""
    async with calling(relay=True) as caller:
        for name in ("access_token", "cloudbase_access_token"):
            assert (await caller.call("POST", QRCODE, params={name: "made-up"}))["errcode"] == 40001


async def test_relay_marks_every_answer() -> None:
    """Each answer of a relay has an x-openapi-seqid of its own, and no other sandbox's answer has one."""
    seqids = []
    paths = (QRCODE, COMM, "/cgi-bin/stable_token", "/else")
    for relay in (True, False):
        async with calling(relay=relay) as caller:
            for path in paths:
                async with caller.http.post(caller.box.base_url + path) as answer:
                    seqids.append(answer.headers.get("x-openapi-seqid"))

    assert len(set(seqids[:4]) - {None}) == 4
    assert seqids[4:] == [None] * 4
