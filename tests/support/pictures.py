"""Pictures that the tests draw themselves, as the bytes of image files."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from typing import TYPE_CHECKING

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def qr_png(text: str | bytes, *, scale: int = 4) -> bytes:
    """A QR code with its quiet zone, `scale` pixels a module."""
    return barcode_png("QRCode", text, scale=scale)


def barcode_png(kind: str, text: str | bytes, *, scale: int = 4, **options: object) -> bytes:
    """A code of one of zxing-cpp's kinds ("EAN13", "DataMatrix", ...) with its quiet zone.

    The options are zxing-cpp's: with `gs1=True` brackets are around identifiers, `eci` is a character set.
    """
    barcode = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind), **options)
    picture = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=scale))
    margin = 4 * scale
    canvas = Image.new("L", (picture.width + 2 * margin, picture.height + 2 * margin), 255)
    canvas.paste(picture, (margin, margin))
    return to_bytes(canvas)


def text_png(lines: Sequence[str], *, size: int = 40) -> bytes:
    """Lines of text, black on white, `size` pixels high; a square is what the text engine reads fastest."""
    font = ImageFont.load_default(size)
    width = max([300, *(40 + round(font.getlength(line)) for line in lines)])
    canvas = Image.new("RGB", (width, max(300, 40 + 2 * size * len(lines))), "white")
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        draw.text((20, 20 + 2 * size * row), line, fill="black", font=font)
    return to_bytes(canvas)


def blank_png(width: int = 64, height: int = 64) -> bytes:
    """Nothing but white."""
    return to_bytes(Image.new("L", (width, height), 255))


def column_png(*pictures: bytes) -> bytes:
    """The pictures in one, from top to bottom."""
    rows = [opened(picture).convert("RGB") for picture in pictures]
    width, height = max(each.width for each in rows), sum(each.height for each in rows)
    canvas = Image.new("RGB", (width, height), "white")
    top = 0
    for each in rows:
        canvas.paste(each, (0, top))
        top += each.height
    return to_bytes(canvas)


def padded_png(size: int, *, png: bytes | None = None) -> bytes:
    """A valid PNG of exactly `size` bytes that shows `png`, or nothing but white."""
    png = blank_png() if png is None else png
    end = png.rindex(b"IEND") - 4
    filler = b"paDd" + bytes(size - len(png) - 12)
    chunk = struct.pack(">I", len(filler) - 4) + filler + struct.pack(">I", zlib.crc32(filler))
    return png[:end] + chunk + png[end:]


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture with detail everywhere, always the same."""
    data = random.Random(1).randbytes(width * height * 3)  # noqa: S311 - a picture, no secret
    return Image.frombytes("RGB", (width, height), data).convert(mode)


@cache
def scene() -> Image.Image:
    """A QR code in a corner and a line of small text on a background full of detail, as people look at it."""
    base = Image.effect_noise((400, 300), 60).resize((2400, 1800), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((2400, 1800), 80)
    canvas = Image.merge("RGB", [ImageChops.add(base, grain, 2), grain, base])
    canvas.paste(opened(qr_png("corner", scale=5)).convert("RGB"), (2100, 1500))
    canvas.paste(opened(text_png(["SMALL TEXT 42"], size=24)), (60, 60))
    return canvas


def opened(picture: bytes) -> Image.Image:
    """The picture for further drawing."""
    return Image.open(io.BytesIO(picture)).copy()


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    """The picture as a JPEG of quality 95, unless the options say otherwise."""
    return to_bytes(picture, "JPEG", **{"quality": 95, **options})


def to_bytes(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file of one of Pillow's kinds."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


PICTURE = qr_png("x")
BLANK = blank_png()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
"""What begins like a PNG, and is none."""
