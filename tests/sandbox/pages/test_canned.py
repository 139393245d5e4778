"""Pages whose images the sandbox cannot read answer what a test has set, and say so."""

from __future__ import annotations

import aiohttp
import pytest
from support import pictures
from support.sandbox_calls import Now, calling

import wxcv
from wxcv.sandbox import Quota, Sandbox
from wxcv.sandbox.wechat.paths import CANNED, QRCODE

CARD = {"type": "Front", "name": "N", "id": "123"}
IDCARD = "/cv/ocr/idcard"


@pytest.mark.parametrize("path", CANNED)
async def test_a_page_answers_what_was_set_and_nothing_else(path: str) -> None:
    """Until an answer is set, and after None, the page answers 101001; each answer is marked as canned."""
    async with Sandbox() as box, aiohttp.ClientSession() as http:
        token = (await _token(http, box))["access_token"]
        told = []
        for fields in (None, {"number": "1", "list": [1]}, None):
            box.answer(path, fields)
            form = aiohttp.FormData()
            form.add_field("img", pictures.blank_png(), filename="a.png")
            async with http.post(f"{box.base_url}{path}?access_token={token}", data=form) as response:
                assert response.headers["x-wxcv-sandbox"] == "canned"
                told.append(await response.json(content_type=None))

    assert [answer["errcode"] for answer in told] == [101001, 0, 101001]
    assert told[1] == {"errcode": 0, "errmsg": "ok", "number": "1", "list": [1]}


async def _token(http: aiohttp.ClientSession, box: Sandbox) -> dict[str, str]:
    query = {"grant_type": "client_credential", "appid": box.appid, "secret": box.secret}
    async with http.get(f"{box.base_url}/cgi-bin/token", params=query) as response:
        token: dict[str, str] = await response.json(content_type=None)
        return token


async def test_what_the_sandbox_reads_itself_is_not_marked() -> None:
    """An answer of a page that really reads images has no mark."""
    async with Sandbox() as box, aiohttp.ClientSession() as http:
        async with http.post(f"{box.base_url}{QRCODE}", data=b"") as response:
            assert "x-wxcv-sandbox" not in response.headers


async def test_what_is_no_image_is_101002_on_a_canned_page_too() -> None:
    """A canned answer is given for images only."""
    async with calling() as caller:
        caller.box.answer(IDCARD, CARD)
        credential = wxcv.AppCredential(caller.box.appid, caller.box.secret)
        async with wxcv.Session(credential, base_url=caller.box.base_url) as session:
            with pytest.raises(wxcv.ImageRejectedError, match="101002"):
                await session.idcard(wxcv.ImageBytes(b"no image", content_type="image/png"))
            assert (await session.idcard(pictures.blank_png())).to_dict() == CARD


async def test_a_canned_page_has_a_quota() -> None:
    """Calls to a canned page count, and are 45009 beyond the quota of a day."""
    async with Sandbox(clock=Now(), quota={IDCARD: Quota(per_day=1)}) as box:
        box.answer(IDCARD, CARD)
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            await session.idcard(pictures.blank_png())
            with pytest.raises(wxcv.QuotaExhaustedError):
                await session.idcard(pictures.blank_png())
        assert box.usage(IDCARD).day == 1


async def test_an_endpoint_of_ones_own_can_be_tried() -> None:
    """The answer of any path below /cv/ can be set, and is then given to a good token and an image."""
    logo = wxcv.Endpoint("logo", "/cv/img/logo", dict)
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            with pytest.raises(wxcv.APIError, match="40066"):
                await session.call(logo, pictures.blank_png())
            box.answer("/cv/img/logo", {"name": "N"})
            found = await session.call(logo, pictures.blank_png())

        assert found["name"] == "N"
        assert [call.path for call in box.received] == ["/cv/img/logo"]


def test_wrong_answers_are_refused() -> None:
    """A path that the sandbox reads itself, or that is not below /cv/, and what is not JSON are refused."""
    box = Sandbox()

    for path in (QRCODE, "/cgi-bin/token", "logo"):
        with pytest.raises(ValueError, match="path must begin with"):
            box.answer(path, CARD)
    with pytest.raises(TypeError, match="fields must be a mapping, or None"):
        box.answer(IDCARD, [])  # type: ignore[arg-type] # on purpose
    for value in (object(), float("nan"), {1}, b"x"):
        with pytest.raises(TypeError, match="fields must be JSON"):
            box.answer(IDCARD, {"name": value})


async def test_an_answer_that_was_set_does_not_change() -> None:
    """What a test does to its own fields later does not change the answer."""
    fields = {"list": [1]}
    box = Sandbox()
    box.answer(IDCARD, fields)
    fields["list"].append(2)

    assert box._canned[IDCARD] == {"list": [1]}
