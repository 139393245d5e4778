"""Classic and stable tokens: how long they live, and which ends which."""

from __future__ import annotations

import re

import pytest
from support.pages import COMM, QRCODE
from support.sandbox_calls import GOOD, Now, calling, said

from wxcv.sandbox import Sandbox
from wxcv.sandbox.wechat.answers import Refusal
from wxcv.sandbox.wechat.tokens import REMEMBERED, TokenIssuer


async def test_stable_token_has_the_documented_shape() -> None:
    """A first stable token lives 7200 seconds, has 100 or more URL-safe characters, and no errcode."""
    async with calling() as caller:
        answer = await caller.stable()

    assert answer.keys() == {"access_token", "expires_in"}
    assert answer["expires_in"] == 7200
    assert re.fullmatch("[A-Za-z0-9_-]{100,512}", answer["access_token"])


async def test_stable_token_is_handed_out_again_with_the_rest_of_its_life() -> None:
    """While a stable token lives, the same one comes back with its remaining seconds, down to 300."""
    now = Now()
    async with calling(clock=now) as caller:
        first = await caller.stable()
        now.seconds += 6855.5
        assert await caller.stable() == {**first, "expires_in": 344}
        now.seconds += 44.5
        assert await caller.stable() == {**first, "expires_in": 300}
        assert caller.box.tokens_issued == {"stable": 1}


async def test_stable_token_is_followed_by_a_new_one_in_its_last_five_minutes() -> None:
    """With less than 300 seconds left a new token comes, both are good, and the old one ends at its time."""
    now = Now()
    async with calling(clock=now) as caller:
        old = (await caller.stable())["access_token"]
        now.seconds += 6901
        new = await caller.stable()
        assert new["expires_in"] == 7200
        assert new["access_token"] != old
        assert [await caller.errcode(old), await caller.errcode(new["access_token"])] == [GOOD, GOOD]
        now.seconds += 299
        assert [await caller.errcode(old), await caller.errcode(new["access_token"])] == [42001, GOOD]
        assert caller.box.tokens_issued == {"stable": 2}


async def test_force_refresh_makes_a_new_token_and_kills_the_old_ones_at_once() -> None:
    """After a forced refresh every earlier stable token is answered with 40001."""
    now = Now()
    async with calling(clock=now) as caller:
        oldest = (await caller.stable())["access_token"]
        now.seconds += 6901
        old = (await caller.stable())["access_token"]
        new = await caller.stable(force_refresh=True)
        assert new["expires_in"] == 7200
        assert [await caller.errcode(token) for token in (oldest, old)] == [40001, 40001]
        assert await caller.errcode(new["access_token"]) == GOOD
        assert (await caller.stable())["access_token"] == new["access_token"]


async def test_force_refresh_within_thirty_seconds_does_not_refresh() -> None:
    """A forced refresh under 30 seconds after the last one returns the current token; at 30 a new one."""
    now = Now()
    async with calling(clock=now) as caller:
        first = await caller.stable(force_refresh=True)
        now.seconds += 29
        assert await caller.stable(force_refresh=True) == {**first, "expires_in": 7171}
        now.seconds += 1
        assert (await caller.stable(force_refresh=True))["access_token"] != first["access_token"]


async def test_force_refresh_is_refused_after_twenty_in_a_day() -> None:
    """The 21st forced refresh of a day is 45009 and leaves the token good; a day later it works."""
    now = Now()
    async with calling(clock=now) as caller:
        for _ in range(20):
            now.seconds += 30
            last = await caller.stable(force_refresh=True)
        now.seconds += 30
        refused = await caller.stable(force_refresh=True)
        assert said(refused) == (45009, "reach max api daily quota limit")
        assert await caller.errcode(last["access_token"]) == GOOD
        now.seconds += 86_400
        assert "access_token" in await caller.stable(force_refresh=True)
        assert caller.box.tokens_issued == {"stable": 21}


async def test_classic_token_is_new_at_each_call_and_the_one_before_lives_five_minutes_more() -> None:
    """A classic token that was superseded is good for 300 seconds, then 40001, and 42001 after its life."""
    now = Now()
    async with calling(clock=now) as caller:
        old = await caller.classic()
        assert old["expires_in"] == 7200
        now.seconds += 10
        new = await caller.classic()
        now.seconds += 299
        assert [await caller.errcode(answer["access_token"]) for answer in (old, new)] == [GOOD, GOOD]
        now.seconds += 1
        assert [await caller.errcode(answer["access_token"]) for answer in (old, new)] == [40001, GOOD]
        now.seconds += 6890
        assert [await caller.errcode(answer["access_token"]) for answer in (old, new)] == [42001, GOOD]
        assert caller.box.tokens_issued == {"classic": 2}


async def test_the_two_kinds_of_token_do_not_touch_each_other() -> None:
    """A forced stable token leaves classic tokens good, and classic tokens leave the stable one good."""
    now = Now()
    async with calling(clock=now) as caller:
        classic = (await caller.classic())["access_token"]
        stable = (await caller.stable(force_refresh=True))["access_token"]
        assert await caller.errcode(classic) == GOOD
        await caller.classic()
        await caller.classic()
        now.seconds += 301
        assert await caller.errcode(stable) == GOOD
        assert (await caller.stable())["access_token"] == stable


async def test_token_life_can_be_shortened() -> None:
    """With `token_life` a token says and keeps that life, and is handed out again in its first half."""
    now = Now()
    async with calling(clock=now, token_life=10) as caller:
        first = await caller.stable()
        assert first["expires_in"] == 10
        now.seconds += 5
        assert (await caller.stable())["access_token"] == first["access_token"]
        now.seconds += 1
        assert (await caller.stable())["access_token"] != first["access_token"]
        now.seconds += 4
        assert await caller.errcode(first["access_token"]) == 42001


@pytest.mark.parametrize("path", [QRCODE, COMM])
async def test_cv_pages_say_what_is_wrong_with_a_token(path: str) -> None:
    """No token is 41001, a token that was never given out is 40001, one whose life is over is 42001."""
    now = Now()
    async with calling(clock=now) as caller:
        expired = (await caller.stable())["access_token"]
        now.seconds += 7200

        answers = [
            await caller.call("POST", path),
            await caller.call("POST", path, params={"access_token": ""}),
            await caller.call("POST", path, params={"access_token": "made up"}),
            await caller.call("POST", path, params={"access_token": expired}),
        ]

    assert [said(answer) for answer in answers] == [
        (41001, "access_token missing"),
        (41001, "access_token missing"),
        (40001, "invalid credential, access_token is invalid or not latest"),
        (42001, "access_token expired"),
    ]


BAD_CREDENTIALS = [
    ({"grant_type": "authorization_code"}, (40002, "invalid grant_type")),
    ({"grant_type": ""}, (40002, "invalid grant_type")),
    ({"appid": ""}, (41002, "appid missing")),
    ({"appid": "wx0000000000000000"}, (40013, "invalid appid")),
    ({"secret": ""}, (41004, "appsecret missing")),
    ({"secret": "wrong"}, (40125, "invalid appsecret")),
]


@pytest.mark.parametrize(("changed", "expected"), BAD_CREDENTIALS)
async def test_both_token_calls_name_the_parameter_that_is_wrong(
    changed: dict[str, str], expected: tuple[int, str]
) -> None:
    """A wrong or missing grant_type, appid or secret has an errcode of its own, and no token is made."""
    async with calling() as caller:
        assert said(await caller.stable(**changed)) == expected
        assert said(await caller.classic(**changed)) == expected
        assert not caller.box.tokens_issued


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\xfd",
        b"grant_type=client_credential",
        b"[" * 60_000,
        b"{}" + b" " * 70_000,
    ],
)
async def test_stable_token_wants_a_json_object(body: bytes) -> None:
    """A body that is not a JSON object of at most 64 KiB is 47001."""
    async with calling() as caller:
        answer = await caller.call("POST", "/cgi-bin/stable_token", data=body)

    assert said(answer) == (47001, "data format error")


async def test_stable_token_with_a_broken_content_encoding_is_a_format_error() -> None:
    """A body that says gzip and is not is 47001."""
    async with calling() as caller:
        headers = {"Content-Encoding": "gzip"}
        answer = await caller.call("POST", "/cgi-bin/stable_token", data=b"{}", headers=headers)

    assert answer["errcode"] == 47001


@pytest.mark.parametrize("value", ["true", 1, None])
async def test_force_refresh_must_be_a_boolean(value: object) -> None:
    """A force_refresh that is not true or false is 47001."""
    async with calling() as caller:
        assert (await caller.stable(force_refresh=value))["errcode"] == 47001


async def test_fields_of_another_type_are_wrong_values() -> None:
    """A number for the appid is an invalid appid, and a list for the secret an invalid secret."""
    async with calling() as caller:
        assert (await caller.stable(appid=7))["errcode"] == 40013
        assert (await caller.stable(secret=["x"]))["errcode"] == 40125


async def test_token_calls_want_their_own_method() -> None:
    """GET on the stable call is 43002, and POST on the classic call is 43001."""
    async with calling() as caller:
        stable = await caller.call("GET", "/cgi-bin/stable_token")
        classic = await caller.call("POST", "/cgi-bin/token", data=b"x")

    assert said(stable) == (43002, "require POST method")
    assert said(classic) == (43001, "require GET method")


async def test_killed_stable_token_is_handed_out_until_it_is_forced() -> None:
    """A killed stable token is 40001 and still handed out; a forced refresh brings a good one."""
    async with calling() as caller:
        dead = (await caller.stable())["access_token"]
        caller.box.revoke(dead)
        assert await caller.errcode(dead) == 40001
        assert (await caller.stable())["access_token"] == dead
        healed = (await caller.stable(force_refresh=True))["access_token"]
        assert await caller.errcode(healed) == GOOD
        assert caller.box.tokens_issued == {"stable": 2}


async def test_killed_stable_token_is_replaced_in_its_last_five_minutes() -> None:
    """Without force a killed stable token is handed out down to its last 300 seconds and no longer."""
    now = Now()
    async with calling(clock=now) as caller:
        dead = (await caller.stable())["access_token"]
        caller.box.revoke(dead)
        now.seconds += 6900
        assert (await caller.stable())["access_token"] == dead
        now.seconds += 1
        assert await caller.errcode((await caller.stable())["access_token"]) == GOOD


async def test_killed_classic_token_stays_dead_when_a_newer_one_comes() -> None:
    """A killed token is not good again for the 300 seconds that a newer one leaves to it."""
    async with calling() as caller:
        dead = (await caller.classic())["access_token"]
        caller.box.revoke(dead)
        await caller.classic()
        assert await caller.errcode(dead) == 40001


def test_unknown_token_cannot_be_killed() -> None:
    """Killing what is no token of the sandbox raises, and the error does not hold it."""
    with pytest.raises(ValueError, match="token must be one that") as caught:
        Sandbox().revoke("made-up")

    assert "made-up" not in str(caught.value)


def test_only_the_last_hundred_thousand_tokens_are_remembered() -> None:
    """The oldest of 100,001 tokens is unknown, and the second is still known to have expired."""
    now = Now()
    desk = TokenIssuer(clock=now, life=7200)
    tokens = [str(desk.classic()["access_token"]) for _ in range(REMEMBERED + 1)]
    now.seconds += 7200

    errcodes = []
    for token in tokens[:2]:
        with pytest.raises(Refusal) as caught:
            desk.check(token)
        errcodes.append(caught.value.errcode)
    assert REMEMBERED == 100_000
    assert errcodes == [40001, 42001]
