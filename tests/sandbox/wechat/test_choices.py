"""The switches for what WeChat's pages leave open."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from PIL import Image
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import Now, calling, found, read_code, said, serving

from wxcv.sandbox import Choices


@pytest.mark.parametrize(
    ("choices", "keys"),
    [
        ({}, ["errcode", "errmsg", "LIST", "img_size"]),
        ({"nothing_found": "missing"}, ["errcode", "errmsg", "img_size"]),
        ({"img_size_when_nothing": False}, ["errcode", "errmsg", "LIST"]),
        ({"nothing_found": "missing", "img_size_when_nothing": False}, ["errcode", "errmsg"]),
    ],
)
async def test_nothing_found_and_img_size_when_nothing(choices: dict[str, Any], keys: list[str]) -> None:
    """An image with nothing on it gives an empty list or no list, and its size or no size."""
    async with calling(choices=Choices(**choices)) as caller:
        codes = await caller.upload(QRCODE, pictures.blank_png())
        text = await caller.upload(COMM, pictures.blank_png())

    assert list(codes) == ["code_results" if key == "LIST" else key for key in keys]
    assert list(text) == ["items" if key == "LIST" else key for key in keys]
    assert codes.get("code_results", []) == text.get("items", []) == []


async def test_img_size_is_there_when_something_is_found() -> None:
    """The switches for nothing do not touch an answer with a code."""
    answer = await read_code(pictures.qr_png("hi"), nothing_found="missing", img_size_when_nothing=False)

    assert list(answer) == ["errcode", "errmsg", "code_results", "img_size"]


@pytest.mark.parametrize(("choice", "order"), [("reading", ["high", "low"]), ("engine", ["low", "high"])])
async def test_code_order(choice: str, order: list[str]) -> None:
    """Of two codes the upper comes first, or the one whose own first corner is higher."""
    label = Image.new("L", (600, 300), 255)
    upside_down = pictures.opened(pictures.qr_png("high", scale=8)).transpose(Image.Transpose.ROTATE_180)
    label.paste(upside_down, (0, 0))
    label.paste(pictures.opened(pictures.qr_png("low")), (400, 80))
    answer = await read_code(pictures.to_bytes(label), code_order=choice)

    assert [code["data"] for code in answer["code_results"]] == order


async def test_oversize() -> None:
    """An image of the limit is 101002 in the page's own words, or what the switch says."""
    async with calling(size_limit=10) as caller:
        codes, text = await caller.upload(QRCODE, bytes(10)), await caller.upload(COMM, bytes(10))
    async with calling(size_limit=10, choices=Choices(oversize=(40006, "invalid file size"))) as caller:
        switched = await caller.upload(QRCODE, bytes(10))

    assert (codes["errcode"], text["errcode"], switched["errcode"]) == (101002, 101002, 40006)
    assert codes["errmsg"].startswith("invalid image data rid: ")
    assert text["errmsg"].startswith("decode image failed rid: ")
    assert switched["errmsg"].startswith("invalid file size rid: ")


@pytest.mark.parametrize(
    ("errcode", "errmsg"), [(101000, "invalid image url"), (101002, "decode image failed")]
)
async def test_url_not_image(errcode: int, errmsg: str) -> None:
    """A URL that can be fetched and holds no image is 101000 or 101002."""
    async with (
        serving(b"<html>") as (url, _),
        calling(allow_loopback=True, choices=Choices(url_not_image=errcode)) as caller,
    ):
        answer = await caller.by_url(url + "/page", path=COMM)

    assert (answer["errcode"], answer["errmsg"].partition(" rid: ")[0]) == (errcode, errmsg)


@pytest.mark.parametrize(
    ("choice", "data", "paths"), [("img", "sent", []), ("img_url", "fetched", ["/a.png"])]
)
async def test_both_inputs(choice: str, data: str, paths: list[str]) -> None:
    """When both arrive, the upload is read and nothing is fetched, or the other way round."""
    async with (
        serving(pictures.qr_png("fetched")) as (url, asked),
        calling(allow_loopback=True, choices=Choices(both_inputs=choice)) as caller,
    ):
        answer = await caller.upload(QRCODE, pictures.qr_png("sent"), query={"img_url": url + "/a.png"})

    assert [code["data"] for code in answer["code_results"]] == [data]
    assert asked == paths


async def test_both_inputs_needs_both() -> None:
    """With "img_url" an upload without a URL is still read."""
    answer = await read_code(pictures.qr_png("hi"), both_inputs="img_url")

    assert [code["data"] for code in answer["code_results"]] == ["hi"]


@pytest.mark.parametrize(("choice", "errcode"), [(True, 0), (False, 43002)])
async def test_accept_get(*, choice: bool, errcode: int) -> None:
    """The URL form by GET is read, or refused as not being a POST."""
    async with (
        serving(pictures.qr_png("hi")) as (url, _),
        calling(allow_loopback=True, choices=Choices(accept_get=choice)) as caller,
    ):
        assert (await caller.by_url(url, method="GET"))["errcode"] == errcode
        assert (await caller.by_url(url, method="POST"))["errcode"] == 0


@pytest.mark.parametrize(
    ("choices", "errcode"), [({}, 0), ({"any_part_name": True}, 0), ({"any_part_name": False}, 41005)]
)
async def test_any_part_name(choices: dict[str, Any], errcode: int) -> None:
    """A part called `file` is taken for the image, or is none."""
    async with calling(choices=Choices(**choices)) as caller:
        assert (await caller.upload(QRCODE, pictures.qr_png("hi"), name="file"))["errcode"] == errcode


@pytest.mark.parametrize(
    ("names", "data"),
    [(["a", "img", "b"], "1"), (["a", "b"], "0"), (["img", "img"], "0"), (["a", "file"], "0")],
)
async def test_any_part_name_prefers_img(names: list[str], data: str) -> None:
    """Of several files the first that is called `img` is read, and the first of all if none is."""
    form = aiohttp.FormData()
    for number, name in enumerate(names):
        form.add_field(name, pictures.qr_png(str(number)), filename="a.png")
    async with calling() as caller:
        answer = await caller.call("POST", QRCODE, params=await caller.token(), data=form)

    assert found(answer) == [("QR_CODE", data)]


@pytest.mark.parametrize(
    ("choices", "expected"),
    [({}, "application/json; encoding=utf-8"), ({"content_type": "text/plain"}, "text/plain")],
)
async def test_content_type(choices: dict[str, Any], expected: str) -> None:
    """Every answer has the Content-Type of the switch, word for word."""
    async with (
        calling(choices=Choices(**choices)) as caller,
        aiohttp.ClientSession(caller.box.base_url) as http,
    ):
        for path in (QRCODE, "/cgi-bin/stable_token"):
            async with http.post(path) as answer:
                assert answer.headers["Content-Type"] == expected


@pytest.mark.parametrize(
    ("choice", "size", "left"), [("ignore", (600, 200), True), ("apply", (200, 600), False)]
)
async def test_exif(choice: str, size: tuple[int, int], *, left: bool) -> None:
    """An image that asks to be turned is read as it is stored, or turned, in both engines."""
    canvas = Image.new("L", (600, 200), 255)
    canvas.paste(pictures.opened(pictures.qr_png("hi")), (0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = pictures.to_bytes(canvas, "JPEG", exif=exif)
    async with calling(choices=Choices(exif=choice)) as caller:
        codes, text = await caller.upload(QRCODE, image), await caller.upload(COMM, image)

    assert codes["img_size"] == text["img_size"] == {"w": size[0], "h": size[1]}
    # Stored at the left; turned clockwise by a quarter that is at the right.
    assert (codes["code_results"][0]["pos"]["left_top"]["x"] < 60) == left


@pytest.mark.parametrize(
    ("choices", "rotates", "works"),
    [
        ({}, False, True),
        ({"refresh_token_rotates": True}, True, True),
        ({"refresh_token_rotates": True, "old_refresh_token_works": False}, True, False),
    ],
)
async def test_refresh_token_rotates_and_old_refresh_token_works(
    choices: dict[str, Any], *, rotates: bool, works: bool
) -> None:
    """A refresh gives the same refresh token or a new one, and then the first still works or is refused."""
    async with calling(choices=Choices(**choices)) as caller:
        first = caller.box.authorize("wxshop")
        second = (await caller.authorizer("wxshop", first))["authorizer_refresh_token"]
        assert (second != first) == rotates
        assert "authorizer_access_token" in await caller.authorizer("wxshop", second)
        assert ("authorizer_access_token" in await caller.authorizer("wxshop", first)) == works


@pytest.mark.parametrize(
    ("errcode", "errmsg"), [(42001, "access_token expired"), (42006, "component_access_token expired")]
)
async def test_component_token_expired(errcode: int, errmsg: str) -> None:
    """A component token whose life is over is 42001 or 42006."""
    now = Now()
    async with calling(clock=now, choices=Choices(component_token_expired=errcode)) as caller:
        refresh_token = caller.box.authorize("wxshop")
        query = {"access_token": (await caller.component())["component_access_token"]}
        now.seconds += 7200

        assert said(await caller.authorizer("wxshop", refresh_token, query=query)) == (errcode, errmsg)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nothing_found", "none"),
        ("img_size_when_nothing", 1),
        ("code_text", "text"),
        ("code_order", None),
        ("oversize", 101002),
        ("oversize", ("101002", "text")),
        ("url_not_image", 0),
        ("both_inputs", "both"),
        ("accept_get", "yes"),
        ("accept_chunked", "no"),
        ("any_part_name", "file"),
        ("content_type", ""),
        ("content_type", "text/plain\r\nX: y"),
        ("content_type", None),
        ("exif", "turn"),
        ("refresh_token_rotates", "rotate"),
        ("old_refresh_token_works", None),
        ("component_token_expired", 40001),
        ("failed_call_spends", 0),
        ("quota_reset_hour", 24),
        ("quota_reset_hour", True),
    ],
)
def test_bad_choice_is_named(name: str, value: object) -> None:
    """A switch with a value that is not one of its own is named in the error."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Choices(**{name: value})
