"""What a reader of an endpoint may do, and how it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import STATIC
from support.pictures import BLANK
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

NESTED = "[" * 100_000


def first_item(fields: Mapping[str, Any]) -> object:
    """Read as a careless program does."""
    return fields["items"][0]


OWN: wxcv.Endpoint[object] = wxcv.Endpoint("own", "/cv/own/page", first_item)


@pytest.mark.parametrize(
    ("endpoint", "fields", "told"),
    [
        (wxcv.MENU, {"content": NESTED}, "RecursionError"),
        (OWN, {"items": []}, r"IndexError at .*test_readers\.py:\d+"),
        (OWN, {}, "KeyError"),
    ],
)
async def test_whatever_a_reader_raises_is_a_protocol_error(
    endpoint: wxcv.Endpoint[Any], fields: dict[str, Any], told: str
) -> None:
    """An answer that its reader cannot read fails alone: the other images of a batch have their outcomes."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=0, **fields)

    async with api_server(call) as url, wxcv.Session(STATIC, base_url=url) as session:
        with pytest.raises(wxcv.ProtocolError, match=rf"does not match the documented format \({told}"):
            await session.call(endpoint, BLANK)
        async with session.batch(endpoint, [BLANK] * 5) as outcomes:
            statuses = [outcome.status async for outcome in outcomes]

    assert statuses == ["failed"] * 5


@pytest.mark.parametrize(
    ("content", "items"),
    [
        ('{"menu_items":[{"name":"a\tb\n","price":1}]}', (wxcv.MenuItem("a\tb\n", 1),)),
        ('{"menu_items":[{"name":"a","price":""},{"price":" "}]}', (wxcv.MenuItem("a"), wxcv.MenuItem())),
        ({"menu_items": [{"name": "a", "price": ""}]}, (wxcv.MenuItem("a"),)),
        (" \n", ()),
        ("", ()),
    ],
)
def test_one_odd_dish_does_not_cost_the_menu(content: object, items: tuple[wxcv.MenuItem, ...]) -> None:
    """A control character in a name, a blank price and a blank content are read like those of any answer."""
    assert wxcv.Menu.from_dict({"content": content}).menu_items == items


@pytest.mark.parametrize(
    ("errmsg", "kept"),
    [
        ("certificate not found", "certificate not found"),
        ("name 张三丰 id 110101199003074518", ""),
        ("no 6222021234567890", ""),
        ("name Zhang San", ""),
    ],
)
async def test_the_errmsg_of_a_personal_endpoint_names_nobody(errmsg: str, kept: str) -> None:
    """Of a refusal's text only a plain phrase and the id of the request are kept, where persons are read."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(errcode=101002, errmsg=f"{errmsg} rid: 61725984-6126f6f9-040f19c4")

    async with api_server(call) as url, wxcv.Session(STATIC, base_url=url) as session:
        with pytest.raises(wxcv.ImageRejectedError) as caught:
            await session.idcard(BLANK)

    assert (caught.value.errmsg, caught.value.rid) == (kept, "61725984-6126f6f9-040f19c4")
    assert "张" not in str(caught.value)


def test_the_side_of_a_card_is_shown_and_nothing_else() -> None:
    """The repr shows "Front" and "Back", and no other text that comes as a type."""
    assert repr(wxcv.Idcard.from_dict({"type": "Back"})).startswith("Idcard(type='Back', name=None")
    assert repr(wxcv.Idcard.from_dict({"type": "张三"})).startswith("Idcard(type=***, name=None")


@pytest.mark.parametrize("names", [("img",), ("img_url",), ("access_token",), ("a", "a"), ("é",)])
def test_fields_that_would_be_sent_twice_are_refused(names: tuple[str, ...]) -> None:
    """An extra field must not be one that every call has, be named twice, or have a name beyond ASCII."""
    for keyword in ("fields", "query_fields"):
        with pytest.raises((ValueError, TypeError), match=keyword):
            wxcv.Endpoint("own", "/cv/own", dict, **{keyword: names})
    with pytest.raises(ValueError, match="path"):
        wxcv.Endpoint("own", "/cv/../own", dict)
