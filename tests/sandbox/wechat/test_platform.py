"""The sandbox as a third-party platform."""

from __future__ import annotations

import re

import pytest
from support.pages import AUTHORIZER_TOKEN, COMM, COMPONENT_TOKEN, QRCODE
from support.sandbox_calls import GOOD, Now, calling, said

from wxcv.sandbox import Sandbox


async def test_platform_is_like_wechats() -> None:
    """A sandbox has a platform with an appid and a secret of WeChat's shape that are not the account's."""
    box = Sandbox()

    assert re.fullmatch("wx[0-9a-f]{16}", box.component_appid)
    assert re.fullmatch("[0-9a-f]{32}", box.component_appsecret)
    assert (box.component_appid, box.component_appsecret) != (box.appid, box.secret)
    assert box.ticket.startswith("ticket@@@")


async def test_component_token_has_the_documented_shape() -> None:
    """A component token lives 7200 seconds, has no errcode, and is counted."""
    async with calling() as caller:
        answer = await caller.component()
        assert caller.box.tokens_issued == {"component": 1}

    assert answer.keys() == {"component_access_token", "expires_in"}
    assert answer["expires_in"] == 7200


async def test_authorizer_token_has_the_documented_shape_and_opens_the_cv_pages() -> None:
    """A merchant's token comes with its life and a refresh token, and is good as access_token."""
    async with calling() as caller:
        answer = await caller.authorizer("wxshop", caller.box.authorize("wxshop"))
        assert await caller.errcode(answer["authorizer_access_token"]) == GOOD
        assert caller.box.tokens_issued == {"component": 1, "authorizer": 1}

    assert answer.keys() == {"authorizer_access_token", "expires_in", "authorizer_refresh_token"}
    assert answer["expires_in"] == 7200


async def test_component_token_may_come_under_its_older_name() -> None:
    """The query names `access_token` and `component_access_token` are both taken."""
    async with calling() as caller:
        refresh_token = caller.box.authorize("wxshop")
        token = (await caller.component())["component_access_token"]
        for name in ("access_token", "component_access_token"):
            answer = await caller.authorizer("wxshop", refresh_token, query={name: token})
            assert "authorizer_access_token" in answer


async def test_ticket_lives_twelve_hours() -> None:
    """A ticket is good for 12 hours from its push, also beside a newer one, and is 61005 after that."""
    now = Now()
    async with calling(clock=now) as caller:
        old = caller.box.ticket
        now.seconds += 600
        new = caller.box.push_ticket()
        assert new == caller.box.ticket != old
        now.seconds += 12 * 3600 - 601
        for ticket in (old, new):
            assert "component_access_token" in await caller.component(component_verify_ticket=ticket)
        now.seconds += 1
        expired = await caller.component(component_verify_ticket=old)
        assert said(expired) == (61005, "component ticket is expired")
        assert "component_access_token" in await caller.component(component_verify_ticket=new)


async def test_ticket_can_be_set() -> None:
    """A ticket that is set is the newest and is taken."""
    async with calling() as caller:
        caller.box.ticket = "ticket@@@mine"
        assert caller.box.ticket == "ticket@@@mine"
        assert "component_access_token" in await caller.component()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"component_appid": None}, (41018, "missing component_appid")),
        ({"component_appid": "wx0000000000000000"}, (40013, "invalid appid")),
        ({"component_appid": 7}, (40013, "invalid appid")),
        ({"component_appid": "wxaccount"}, (61011, "invalid component")),
        ({"component_verify_ticket": None}, (61006, "component ticket is invalid")),
        ({"component_verify_ticket": ["x"]}, (61006, "component ticket is invalid")),
        ({"component_verify_ticket": "ticket@@@no"}, (61006, "component ticket is invalid")),
        ({"component_appsecret": None}, (41004, "appsecret missing")),
        ({"component_appsecret": None, "component_secret": "secret"}, (41004, "appsecret missing")),
        ({"component_appsecret": "wrong"}, (40125, "invalid appsecret")),
    ],
)
async def test_component_call_names_the_field_that_is_wrong(
    changed: dict[str, object], expected: tuple[int, str]
) -> None:
    """A wrong or missing field has an errcode of its own, and no token is made."""
    async with calling(appid="wxaccount") as caller:
        assert said(await caller.component(**changed)) == expected
        assert not caller.box.tokens_issued


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"component_appid": ""}, (41018, "missing component_appid")),
        ({"component_appid": "wx0000000000000000"}, (40013, "invalid appid")),
        ({"component_appid": "wxaccount"}, (61011, "invalid component")),
        ({"authorizer_appid": None}, (41002, "appid missing")),
        ({"authorizer_appid": "wxother"}, (61003, "component is not authorized by this account")),
        ({"authorizer_appid": {}}, (41002, "appid missing")),
        ({"authorizer_refresh_token": None}, (61023, "refresh_token is invalid")),
        ({"authorizer_refresh_token": "wrong"}, (61023, "refresh_token is invalid")),
    ],
)
async def test_authorizer_call_names_the_field_that_is_wrong(
    changed: dict[str, object], expected: tuple[int, str]
) -> None:
    """A wrong or missing field has an errcode of its own, and no merchant's token is made."""
    async with calling(appid="wxaccount") as caller:
        refresh_token = caller.box.authorize("wxshop")
        path, query = AUTHORIZER_TOKEN, {"access_token": (await caller.component())["component_access_token"]}
        known = {"component_appid": caller.box.component_appid, "authorizer_appid": "wxshop"}
        fields = {**known, "authorizer_refresh_token": refresh_token, **changed}
        assert said(await caller.call("POST", path, params=query, json=fields)) == expected
        assert caller.box.tokens_issued["authorizer"] == 0


async def test_refresh_token_is_its_own_merchants_only() -> None:
    """A merchant's refresh token is 61023 for another merchant."""
    async with calling() as caller:
        caller.box.authorize("wxone")
        answer = await caller.authorizer("wxone", caller.box.authorize("wxtwo"))

    assert answer["errcode"] == 61023


async def test_authorising_again_ends_the_refresh_token_of_before() -> None:
    """After a merchant authorised a second time its first refresh token is 61023."""
    async with calling() as caller:
        first, second = caller.box.authorize("wxshop"), caller.box.authorize("wxshop")
        assert (await caller.authorizer("wxshop", first))["errcode"] == 61023
        assert "authorizer_access_token" in await caller.authorizer("wxshop", second)


async def test_authorizer_call_wants_a_good_component_token() -> None:
    """None is 41001, one made up or killed is 40001, and the account's own token is 61014."""
    async with calling() as caller:
        refresh_token = caller.box.authorize("wxshop")
        killed = (await caller.component())["component_access_token"]
        caller.box.revoke(killed)
        account = (await caller.stable())["access_token"]

        async def errcode(**query: str) -> int:
            return (await caller.authorizer("wxshop", refresh_token, query=query))["errcode"]

        assert await errcode() == 41001
        assert await errcode(access_token="made-up") == 40001
        assert await errcode(access_token=killed) == 40001
        assert await errcode(component_access_token=account) == 61014
        assert await errcode(access_token=caller.box.cloud_token()) == 61014


@pytest.mark.parametrize("path", [QRCODE, COMM])
async def test_component_token_does_not_open_the_cv_pages(path: str) -> None:
    """A component token as access_token is 61015."""
    async with calling() as caller:
        token = (await caller.component())["component_access_token"]
        answer = await caller.call("POST", path, params={"access_token": token})

    assert said(answer) == (61015, "must use biz account token for not component api")


async def test_each_merchant_has_tokens_of_its_own() -> None:
    """A merchant's new token ends its old one after 300 seconds, and leaves those of others alone."""
    now = Now()
    async with calling(clock=now) as caller:
        refresh_tokens = {appid: caller.box.authorize(appid) for appid in ("wxone", "wxtwo")}

        async def token(appid: str) -> str:
            return (await caller.authorizer(appid, refresh_tokens[appid]))["authorizer_access_token"]

        tokens = [await token("wxone"), await token("wxtwo"), await token("wxone")]
        assert [await caller.errcode(each) for each in tokens] == [GOOD, GOOD, GOOD]
        now.seconds += 300
        assert [await caller.errcode(each) for each in tokens] == [40001, GOOD, GOOD]
        now.seconds += 6900
        assert [await caller.errcode(each) for each in tokens] == [42001, 42001, 42001]


async def test_component_token_before_is_good_for_five_minutes_more() -> None:
    """A newer component token ends the one before it after 300 seconds."""
    now = Now()
    async with calling(clock=now) as caller:
        refresh_token = caller.box.authorize("wxshop")
        query = {"access_token": (await caller.component())["component_access_token"]}
        await caller.component()
        now.seconds += 299
        assert "expires_in" in await caller.authorizer("wxshop", refresh_token, query=query)
        now.seconds += 1
        assert (await caller.authorizer("wxshop", refresh_token, query=query))["errcode"] == 40001


@pytest.mark.parametrize("path", [COMPONENT_TOKEN, AUTHORIZER_TOKEN])
async def test_platform_calls_want_a_posted_json_object(path: str) -> None:
    """A GET is 43002 and a body that is no JSON object is 47001."""
    async with calling() as caller:
        query = {"access_token": (await caller.component())["component_access_token"]}
        get = await caller.call("GET", path, params=query)
        form = await caller.call("POST", path, params=query, data={"component_appid": "wx"})

    assert said(get) == (43002, "require POST method")
    assert said(form) == (47001, "data format error")


def test_thousands_of_merchants_are_kept() -> None:
    """10,000 merchants have 10,000 different refresh tokens."""
    box = Sandbox()

    assert len({box.authorize(f"wx{number:016x}") for number in range(10_000)}) == 10_000


@pytest.mark.parametrize("value", ["", "a b", None, 7])
def test_ticket_and_authorizer_appid_must_be_words(value: object) -> None:
    """A ticket or an authorizer_appid that could not be sent is refused and named."""
    box = Sandbox()

    with pytest.raises(ValueError, match=r"^authorizer_appid must be"):
        box.authorize(value)
    with pytest.raises(ValueError, match=r"^ticket must be"):
        box.ticket = value
