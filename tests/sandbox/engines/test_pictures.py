"""What the sandbox takes for a picture, and what it sees in it."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from PIL import Image
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import calling, found, said


async def read_code(image: bytes) -> dict[str, Any]:
    """Upload the image to a new sandbox's qrcode page."""
    async with calling() as caller:
        return await caller.upload(QRCODE, image)


def _drawn(mode: str, **options: object) -> bytes:
    """A QR code in one of Pillow's modes."""
    qr = pictures.opened(pictures.qr_png("hi"))
    return pictures.to_bytes(qr.convert(mode), **options)


def _wide(mode: str, kind: str) -> bytes:
    """A QR code with 16 bits a pixel; dark and light are both over 255, and told apart only if scaled."""
    qr = pictures.opened(pictures.qr_png("hi"))
    order = "big" if mode == "I;16B" else "little"
    dark, light = ((20_000).to_bytes(2, order), (60_000).to_bytes(2, order))
    pixels = b"".join(light if value > 127 else dark for value in qr.tobytes())
    return pictures.to_bytes(Image.frombytes(mode, qr.size, pixels), kind)


def _whole_numbers() -> bytes:
    """A QR code in a TIFF of 32 bits a pixel."""
    qr = pictures.opened(pictures.qr_png("hi"))
    return pictures.to_bytes(qr.convert("I").point(lambda value: value * 157 + 20_000), "TIFF")


IMAGES = {
    "png": lambda: _drawn("L"),
    "one bit": lambda: _drawn("1"),
    "palette": lambda: _drawn("P"),
    "16 bits": lambda: _wide("I;16", "PNG"),
    "16 bits, tiff": lambda: _wide("I;16", "TIFF"),
    "16 bits, big endian": lambda: _wide("I;16B", "TIFF"),
    "32 bits": _whole_numbers,
    "cmyk": lambda: _drawn("CMYK", kind="JPEG"),
    "jpeg": lambda: _drawn("RGB", kind="JPEG"),
    "webp": lambda: _drawn("RGB", kind="WEBP"),
    "bmp": lambda: _drawn("RGB", kind="BMP"),
    "tiff": lambda: _drawn("RGB", kind="TIFF"),
    "gif": lambda: _drawn("L", kind="GIF"),
    "first of two frames": lambda: _drawn(
        "L", kind="GIF", save_all=True, append_images=[pictures.opened(pictures.qr_png("second"))]
    ),
}


@pytest.mark.parametrize("name", IMAGES)
async def test_images_of_many_kinds_are_read(name: str) -> None:
    """BMP, GIF (the first frame), JPEG, PNG, TIFF and WebP are read, whatever their pixels are made of."""
    assert found(await read_code(IMAGES[name]())) == [("QR_CODE", "hi")]


def _png_head(width: int, height: int) -> bytes:
    """A PNG that says it is that large, without the pixels."""
    head = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x00\x00\x00\x00"
    data = b"IDAT" + zlib.compress(bytes(100))
    chunks = [head, data, b"IEND"]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks
    )


def _huge_png(width: int, height: int) -> bytes:
    return pictures.to_bytes(Image.new("1", (width, height), 1), optimize=False)


UNREADABLE = {
    "nothing": lambda: b"",
    "text": lambda: b"not an image",
    "half a png": lambda: pictures.qr_png("hi")[:100],
    "half a jpeg": lambda: pictures.to_bytes(pictures.opened(pictures.qr_png("hi")), "JPEG")[:700],
    "a format that is not asked for": lambda: pictures.to_bytes(
        pictures.opened(pictures.qr_png("hi")), "PPM"
    ),
    "no pixels": lambda: _png_head(0, 10),
    "a bomb": lambda: _png_head(60_000, 60_000),
    "over 25 megapixels": lambda: _huge_png(5001, 5000),
    "a side over 65535": lambda: _huge_png(65_536, 1),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_what_cannot_be_decoded_is_101002(name: str) -> None:
    """Bytes that are no image, or one of over 25 megapixels, are 101002 in each page's own words."""
    image = UNREADABLE[name]()
    async with calling() as caller:
        code, text = await caller.upload(QRCODE, image), await caller.upload(COMM, image)

    assert said(code) == (101002, "invalid image data")
    assert said(text) == (101002, "decode image failed")


async def test_25_megapixels_are_read() -> None:
    """An image of exactly 25,000,000 pixels is read."""
    answer = await read_code(_huge_png(5000, 5000))

    assert (answer["errcode"], answer["img_size"]) == (0, {"w": 5000, "h": 5000})


BLACK, WHITE, GREY, YELLOW, NAVY = (0, 0, 0), (255, 255, 255), (120, 120, 120), (255, 230, 0), (0, 0, 120)


def _on_nothing(drawn: bytes, color: tuple[int, int, int], *, opacity: int = 255) -> Image.Image:
    """What is dark in a picture, in this color, on a background that is transparent and of the same color."""
    mask = pictures.opened(drawn).convert("L").point(lambda value: (255 - value) * opacity // 255)
    layer = Image.new("RGB", mask.size, color)
    layer.putalpha(mask)
    return layer


@pytest.mark.parametrize("color", [BLACK, WHITE, GREY, YELLOW, NAVY])
async def test_code_on_nothing_is_seen_in_any_color(color: tuple[int, int, int]) -> None:
    """The modules of a code on a transparent background are read, light ones as well as dark ones."""
    image = pictures.to_bytes(_on_nothing(pictures.qr_png("hi"), color))

    assert found(await read_code(image)) == [("QR_CODE", "hi")]


@pytest.mark.parametrize("color", [BLACK, WHITE, YELLOW, NAVY])
@pytest.mark.parametrize("opacity", [255, 160])
async def test_text_on_nothing_is_seen_in_any_color(color: tuple[int, int, int], opacity: int) -> None:
    """Text on a transparent background is read, light as well as dark, and half transparent too."""
    drawn = pictures.text_png(["Hello wxcv 123", "second line"])
    async with calling() as caller:
        answer = await caller.upload(COMM, pictures.to_bytes(_on_nothing(drawn, color, opacity=opacity)))

    assert [item["text"] for item in answer["items"]] == ["Hello wxcv 123", "second line"]


def _with_palette(color: tuple[int, int, int]) -> bytes:
    layer = _on_nothing(pictures.qr_png("hi"), color)
    indexed = layer.getchannel("A").point(lambda value: 1 if value > 127 else 0).convert("P")
    indexed.putpalette([*color, *color])
    return pictures.to_bytes(indexed, "GIF", transparency=0)


TRANSPARENT = {
    "palette, light": lambda: _with_palette(WHITE),
    "palette, dark": lambda: _with_palette(BLACK),
    "grey and alpha": lambda: pictures.to_bytes(_on_nothing(pictures.qr_png("hi"), WHITE).convert("LA")),
    "webp": lambda: pictures.to_bytes(_on_nothing(pictures.qr_png("hi"), WHITE), "WEBP", lossless=True),
    "tiff": lambda: pictures.to_bytes(_on_nothing(pictures.qr_png("hi"), WHITE), "TIFF"),
}


@pytest.mark.parametrize("name", TRANSPARENT)
async def test_transparency_of_every_kind_is_seen(name: str) -> None:
    """A transparent background of a GIF, a PNG with grey and alpha, a WebP or a TIFF hides no code."""
    assert found(await read_code(TRANSPARENT[name]())) == [("QR_CODE", "hi")]


@pytest.mark.parametrize(("color", "paper"), [(BLACK, WHITE), (WHITE, BLACK)])
async def test_opaque_paper_on_nothing_keeps_its_code(
    color: tuple[int, int, int], paper: tuple[int, int, int]
) -> None:
    """A code on paper of its own is read wherever the paper lies on a transparent background."""
    code = _on_nothing(pictures.qr_png("hi"), color)
    canvas = Image.new("RGBA", (code.width * 3, code.height * 3), (*paper, 0))
    canvas.paste(Image.alpha_composite(Image.new("RGBA", code.size, (*paper, 255)), code), code.size)

    assert found(await read_code(pictures.to_bytes(canvas))) == [("QR_CODE", "hi")]


async def test_fully_transparent_image_has_nothing_on_it() -> None:
    """An image of which nothing is visible is read by both engines, and nothing is found."""
    image = pictures.to_bytes(Image.new("RGBA", (64, 64), (255, 255, 255, 0)))
    async with calling() as caller:
        assert (await caller.upload(QRCODE, image))["code_results"] == []
        assert (await caller.upload(COMM, image))["items"] == []
