"""The two cv pages: uploads, URLs and what is refused."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import aiohttp
import pytest
from PIL import Image
from support import pictures
from support.pages import AICROP, COMM, CORNERS, QRCODE
from support.sandbox_calls import calling, found, said


async def read_code(image: bytes, **settings: object) -> dict[str, Any]:
    """Upload the image to a new sandbox's qrcode page."""
    async with calling(**settings) as caller:
        return await caller.upload(QRCODE, image)


async def test_a_text_field_that_comes_in_two_segments_is_whole() -> None:
    """A field beside the image is read to its end, however the connection splits it."""
    image = pictures.qr_png("hi")
    begin = b'--b\r\nContent-Disposition: form-data; name="ratios"\r\n\r\n1'
    rest = (
        b',2,0.5\r\n--b\r\nContent-Disposition: form-data; name="img"; filename="a.png"\r\n\r\n'
        + image
        + b"\r\n--b--\r\n"
    )
    async with calling() as caller:
        token = (await caller.token())["access_token"]
        host, port = caller.box.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {AICROP}?access_token={token} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n"
            f"Content-Length: {len(begin + rest)}\r\n\r\n".encode()
            + begin
        )
        while not caller.box.requests[AICROP]:
            await asyncio.sleep(0)
        for _ in range(20):  # until the sandbox has read the first part of the field
            await asyncio.sleep(0)
        writer.write(rest)
        body = (await reader.read()).partition(b"\r\n\r\n")[2]
        writer.close()

    assert len(json.loads(body)["results"]) == 3


@pytest.mark.parametrize("path", [QRCODE, COMM])
async def test_image_must_be_smaller_than_the_limit(path: str) -> None:
    """An image of 2,097,151 bytes passes, one of 2,097,152 bytes is 101002, and both arrive whole."""
    passing = pictures.padded_png(2_097_151, png=pictures.blank_png(300, 300))
    refused = pictures.padded_png(2_097_152)
    async with calling() as caller:
        assert (await caller.upload(path, passing))["errcode"] == 0
        assert (await caller.upload(path, refused))["errcode"] == 101002
        assert [arrived.size for arrived in caller.box.received] == [2_097_151, 2_097_152]
        assert caller.box.received[1].sha256 == hashlib.sha256(refused).hexdigest()


async def test_limit_can_be_set() -> None:
    """With `size_limit` that many bytes are refused and one less is not."""
    image = pictures.blank_png()
    assert (await read_code(image, size_limit=len(image)))["errcode"] == 101002
    assert (await read_code(image, size_limit=len(image) + 1))["errcode"] == 0


async def test_upload_far_over_the_limit_is_answered() -> None:
    """A sender of 8 MiB gets to read its JSON answer."""
    image = bytes(8 * 1024 * 1024)
    async with calling() as caller:
        assert (await caller.upload(QRCODE, image))["errcode"] == 101002
        assert caller.box.received[0].size == len(image)


@pytest.mark.parametrize("path", [QRCODE, COMM])
async def test_without_an_image_media_data_is_missing(path: str) -> None:
    """A request that names no image and holds none is 41005, by POST and by GET."""
    async with calling() as caller:
        for method in ("POST", "GET"):
            answer = await caller.call(method, path, params=await caller.token())
            assert said(answer) == (41005, "media data missing")


async def test_other_parts_beside_the_image_do_no_harm() -> None:
    """The part called `img` is found behind text fields and other files."""
    async with calling() as caller:
        form = aiohttp.FormData()
        form.add_field("ratios", "1")
        form.add_field("other", b"x", filename="x.txt")
        form.add_field("img", pictures.qr_png("hi"), filename="a.png")
        form.add_field("img", b"a second one", filename="b.png")
        answer = await caller.call("POST", QRCODE, params=await caller.token(), data=form)

    assert found(answer) == [("QR_CODE", "hi")]


def _part(*lines: bytes) -> bytes:
    return b"--b\r\n" + b"\r\n".join(lines) + b"\r\n\r\nx\r\n--b--\r\n"


FORM = "multipart/form-data; boundary=b"
IMG = b'Content-Disposition: form-data; name="img"; filename="a.png"'
MALFORMED = {
    "not a form": ("image/png", pictures.qr_png("hi")),
    "no content type": ("", b"x"),
    "urlencoded": ("application/x-www-form-urlencoded", b"img=x"),
    "no boundary": ("multipart/form-data", _part(IMG)),
    "boundary too long": ("multipart/form-data; boundary=" + "b" * 80, _part(IMG)),
    "another boundary": ("multipart/form-data; boundary=c", _part(IMG)),
    "an odd boundary": ('multipart/form-data; boundary="\u00e9"', _part(IMG)),
    "empty": (FORM, b""),
    "no parts": (FORM, b"--b--\r\n"),
    "no end": (FORM, _part(IMG)[:-7]),
    "no blank line": (FORM, b"--b\r\n" + IMG),
    "bad header": (FORM, _part(b"\x00\x01: \xff", IMG)),
    "header without a colon": (FORM, _part(b"nonsense", IMG)),
    "bad disposition": (FORM, _part(b'Content-Disposition: form-data; name="img')),
    "bad filename charset": (FORM, _part(IMG + b"; filename*=nope''%ff")),
    "no disposition": (FORM, _part(b"Content-Type: image/png")),
    "huge header": (FORM, _part(b"X: " + b"y" * 20_000, IMG)),
    "many headers": (FORM, _part(*[b"X-%d: y" % number for number in range(1000)], IMG)),
    "bad charset field": (
        FORM,
        _part(b'Content-Disposition: form-data; name="_charset_"').replace(b"x", b"y" * 99),
    ),
    "mixed with a bad length": ("multipart/mixed; boundary=b", _part(IMG, b"Content-Length: -5")),
    "no filename": (FORM, _part(b'Content-Disposition: form-data; name="img"')),
    "only a text field": (FORM, _part(b'Content-Disposition: form-data; name="file"')),
    "forms in forms": (FORM, _part(b"Content-Type: multipart/mixed; boundary=b", IMG) * 3000),
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_body_is_answered_in_json(name: str) -> None:
    """A body that is not a form with an image is 41005, and never a fault of the server."""
    content_type, body = MALFORMED[name]
    async with calling() as caller:
        headers = {"Content-Type": content_type}
        answer = await caller.call("POST", QRCODE, params=await caller.token(), data=body, headers=headers)

    assert said(answer) == (41005, "media data missing")


DIALECTS = {
    "the type before the disposition": [b"Content-Type: image/png", IMG],
    "no type": [IMG],
    "a wrong type": [IMG, b"Content-Type: application/octet-stream"],
    "raw utf-8": [b'Content-Disposition: form-data; name="img"; filename="' + "快递.png".encode() + b'"'],
    "a whole path": [b'Content-Disposition: form-data; name="img"; filename="/home/user/a.png"'],
    "encoded": [b"Content-Disposition: form-data; name=\"img\"; filename*=utf-8''%E5%BF%AB.png"],
    "no quotes": [b"Content-Disposition: form-data; name=img; filename=a.png"],
    "file": [b'Content-Disposition: form-data; name="file"; filename="a.jpg"', b"Content-Type: a/b"],
}


@pytest.mark.parametrize("name", DIALECTS)
async def test_forms_of_other_clients_are_read(name: str) -> None:
    """The image is found in the forms that widely used clients send, whatever their part's headers are."""
    image = pictures.qr_png("hi")
    body = _part(*DIALECTS[name]).replace(b"\r\n\r\nx\r\n", b"\r\n\r\n" + image + b"\r\n")
    async with calling() as caller:
        headers = {"Content-Type": FORM}
        answer = await caller.call("POST", QRCODE, params=await caller.token(), data=body, headers=headers)

        assert found(answer) == [("QR_CODE", "hi")]
        assert caller.box.received[0].size == len(image)


async def test_broken_content_encoding_is_answered_in_json() -> None:
    """A body that says gzip and is not is 41005."""
    async with calling() as caller:
        headers = {"Content-Type": FORM, "Content-Encoding": "gzip"}
        answer = await caller.call(
            "POST", QRCODE, params=await caller.token(), data=b"x" * 99, headers=headers
        )

    assert answer["errcode"] == 41005


async def test_other_methods_are_refused() -> None:
    """PUT and DELETE on a cv page are 43002."""
    async with calling() as caller:
        for method in ("PUT", "DELETE"):
            answer = await caller.call(method, QRCODE, params=await caller.token())
            assert said(answer) == (43002, "require POST method")


async def test_text_is_read_with_its_boxes() -> None:
    """Each line of text is an item with its text and four corners around it, as integers."""
    async with calling() as caller:
        image = pictures.text_png(["Hello wxcv 123", "second line"])
        answer = await caller.upload(COMM, image)

    width, height = pictures.opened(image).size
    assert list(answer) == ["errcode", "errmsg", "items", "img_size"]
    assert [item["text"] for item in answer["items"]] == ["Hello wxcv 123", "second line"]
    assert answer["img_size"] == {"w": width, "h": height}
    first, second = (item["pos"] for item in answer["items"])
    assert list(first) == CORNERS
    assert {type(value) for corner in first.values() for value in corner.values()} == {int}
    # The lines begin at (20, 20) and (20, 100), 40 pixels high.
    assert first["left_top"] == {"x": pytest.approx(20, abs=15), "y": pytest.approx(25, abs=15)}
    assert first["right_bottom"]["y"] < second["left_top"]["y"] < second["left_bottom"]["y"] < 170
    assert first["left_top"]["x"] < first["right_top"]["x"]


async def test_boxes_of_a_reduced_image_are_in_its_own_pixels() -> None:
    """In an image of 4000 pixels, which is made smaller for the engine, boxes are where the text is."""
    canvas = Image.new("RGB", (4000, 1000), "white")
    canvas.paste(pictures.opened(pictures.text_png(["Right here"], size=100)), (3300, 600))
    async with calling() as caller:
        (item,) = (await caller.upload(COMM, pictures.to_bytes(canvas)))["items"]

    assert item["text"].replace(" ", "") == "Righthere"
    assert item["pos"]["left_top"] == {"x": pytest.approx(3320, abs=30), "y": pytest.approx(625, abs=30)}


@pytest.mark.parametrize("size", [(1, 1), (1000, 1), (1, 1000), (65_535, 3)])
async def test_narrow_images_are_read_as_empty(size: tuple[int, int]) -> None:
    """An image of a few pixels' width or height is read by both engines, and nothing is found."""
    image = pictures.blank_png(*size)
    async with calling() as caller:
        assert (await caller.upload(COMM, image))["items"] == []
        assert (await caller.upload(QRCODE, image))["code_results"] == []
