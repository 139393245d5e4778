# Copyright (c) 2026 The wxcv maintainers
"""Draw parcel.png: a made-up shipping label on a cardboard parcel, as if photographed with a phone.

Usage: python tests/images/draw_parcel.py [--font PATH] [--out PATH]

Needs Pillow, zxing-cpp and a font with Chinese characters. Nothing is random: the textures come from a
hash, so the same font and the same library versions write the same bytes every time. All names,
addresses and numbers are invented.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from pathlib import Path
from typing import NamedTuple

import zxingcpp
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Size = tuple[int, int]
Colour = tuple[int, int, int]

INK: Colour = (24, 24, 28)
RED: Colour = (196, 30, 36)
PAPER: Colour = (252, 251, 247)
CARDBOARD: Colour = (206, 164, 118)
TAPE: Colour = (222, 190, 146)
TABLE: Colour = (88, 94, 100)


class Line(NamedTuple):
    """One line of text on the label; x and y are in label units, anchor as in Pillow."""

    text: str
    x: int
    y: int
    size: int
    bold: bool = False
    ink: Colour = INK
    anchor: str = "ls"


class Code(NamedTuple):
    """One barcode on the label: left, top, width and height in label units."""

    text: str
    format: zxingcpp.BarcodeFormat
    x: int
    y: int
    width: int
    height: int


PARCEL_ID = "WXCV-2026-0000042"

CODES = (
    Code(f"https://example.com/track/{PARCEL_ID}", zxingcpp.BarcodeFormat.QRCode, 48, 668, 174, 174),
    Code(PARCEL_ID, zxingcpp.BarcodeFormat.DataMatrix, 598, 668, 144, 144),
    Code("6901234567892", zxingcpp.BarcodeFormat.EAN13, 163, 892, 475, 112),
)

LINES = (
    Line("示例速运", 32, 66, 46, bold=True),
    Line("EXAMPLE EXPRESS", 240, 64, 30, bold=True),
    Line("标准快件", 768, 48, 26, bold=True, anchor="rs"),
    Line("STANDARD", 768, 78, 22, anchor="rs"),
    Line("上海 SHANGHAI", 32, 165, 40, bold=True),
    Line("成都 CHENGDU", 768, 165, 40, bold=True, anchor="rs"),
    Line("收件人", 66, 278, 30, bold=True, ink=PAPER, anchor="ms"),
    Line("TO", 66, 314, 24, bold=True, ink=PAPER, anchor="ms"),
    Line("李小样 LI XIAOYANG", 156, 252, 32, bold=True),
    Line("000-0000-0042", 768, 252, 26, anchor="rs"),
    Line("四川省成都市样例区测试路42号", 156, 300, 28),
    Line("42 Ceshi Road, Yangli District, Chengdu", 156, 342, 25),
    Line("寄件人", 66, 430, 30, bold=True, anchor="ms"),
    Line("FROM", 66, 466, 24, bold=True, anchor="ms"),
    Line("王大试 WANG DASHI", 156, 408, 28, bold=True),
    Line("000-0000-0007", 768, 408, 24, anchor="rs"),
    Line("上海市示范区虚构街7号", 156, 450, 25),
    Line("7 Xugou Street, Shifan District, Shanghai", 156, 488, 24),
    Line("重量 Weight 2.5 kg", 32, 548, 26, bold=True),
    Line("日期 Date 2026-01-15", 32, 586, 24),
    Line("内件 Contents 茶杯 Tea cups", 32, 623, 24),
    Line("FRAGILE 易碎品", 602, 572, 38, bold=True, ink=PAPER, anchor="ms"),
    Line("轻拿轻放 HANDLE WITH CARE", 602, 610, 22, ink=PAPER, anchor="ms"),
    Line("扫码查件", 252, 748, 30, bold=True),
    Line("Scan to track", 252, 786, 24),
    Line("包裹号", 566, 732, 30, bold=True, anchor="rs"),
    Line("Parcel ID", 566, 770, 24, anchor="rs"),
    Line(PARCEL_ID, 670, 848, 21, anchor="ms"),
    Line("6", 146, 1030, 32, anchor="ms"),
    Line("901234", 283, 1030, 32, anchor="ms"),
    Line("567892", 518, 1030, 32, anchor="ms"),
)

FRAME: Size = (1000, 1300)
LABEL: Size = (800, 1062)
FACE: Size = (1004, 1320)
OVERSAMPLE = 2
RULES = (98, 198, 364, 508, 642, 868)
RECIPIENT_TAB = (0, 199, 132, 364)
SENDER_TAB_EDGE = (132, 364, 132, 508)
FRAGILE_BOX = (436, 521, 768, 629)
ROUTE_ARROW = (352, 151, 452)

FONTS = (
    Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
)
NO_FONT = "draw_parcel: no Chinese font found; install the Debian package fonts-noto-cjk or give --font PATH"


class Camera(NamedTuple):
    """How a flat sheet is seen: turn in degrees, zoom, and the perspective per pixel of the frame."""

    turn: float
    zoom: float
    lean_x: float = 0.000012
    lean_y: float = -0.000020


FACE_VIEW = Camera(turn=-0.5, zoom=0.93)
LABEL_VIEW = Camera(turn=2.8, zoom=0.955)


class Fonts:
    """The regular and bold face of one family, in any size."""

    def __init__(self, path: Path) -> None:
        """Use path, and the bold file next to it where there is one."""
        bold = path.with_name(path.name.replace("Regular", "Bold"))
        self.regular = path
        self.bold = bold if bold.is_file() else path

    def at(self, size: int, *, bold: bool) -> ImageFont.FreeTypeFont:
        """Return the face in the size, the simplified Chinese one of a collection."""
        path = str(self.bold if bold else self.regular)
        for index in range(5):
            try:
                font = ImageFont.truetype(path, size, index=index)
            except OSError:
                break
            if str(font.getname()[0]).endswith(" SC"):
                return font
        return ImageFont.truetype(path, size)


def scaled(*values: int) -> tuple[int, ...]:
    """Turn label units into the pixels of the oversampled drawing."""
    return tuple(value * OVERSAMPLE for value in values)


def big(size: Size) -> Size:
    """Return the size in oversampled pixels."""
    return size[0] * OVERSAMPLE, size[1] * OVERSAMPLE


def texture(size: Size, grain: Size, depth: int, seed: str) -> Image.Image:
    """Return a grey layer to multiply with: patches of grain pixels, at most depth darker than white."""
    cells = (-(-size[0] // grain[0]), -(-size[1] // grain[1]))
    noise = Image.frombytes("L", cells, hashlib.shake_128(seed.encode()).digest(cells[0] * cells[1]))
    return noise.resize(size, Image.Resampling.BICUBIC).point(lambda value: 255 - value * depth / 255)


def multiply(image: Image.Image, layer: Image.Image) -> Image.Image:
    """Darken the image by a grey layer."""
    return ImageChops.multiply(image, layer.convert("RGB"))


def blend(image: Image.Image, colour: Colour, mask: Image.Image, strength: float) -> None:
    """Lay the colour over the image where the mask is white, as thick as strength."""
    image.paste(colour, (0, 0), mask.point(lambda value: value * strength))


def draw_code(label: Image.Image, code: Code) -> None:
    """Put one barcode on the label."""
    barcode = zxingcpp.create_barcode(code.text, code.format)
    image = Image.fromarray(zxingcpp.write_barcode_to_image(barcode, scale=1, add_quiet_zones=False))
    image = image.resize(big((code.width, code.height)), Image.Resampling.NEAREST)
    label.paste(INK, big((code.x, code.y)), ImageChops.invert(image))


def draw_line(draw: ImageDraw.ImageDraw, fonts: Fonts, line: Line) -> None:
    """Print one line of text on the label."""
    font = fonts.at(line.size * OVERSAMPLE, bold=line.bold)
    draw.text((line.x * OVERSAMPLE, line.y * OVERSAMPLE), line.text, line.ink, font, line.anchor)


def draw_arrow(draw: ImageDraw.ImageDraw) -> None:
    """Draw the arrow between the two cities."""
    left, y, right = (value * OVERSAMPLE for value in ROUTE_ARROW)
    tip = 13 * OVERSAMPLE
    draw.line((left, y, right - tip, y), INK, 5 * OVERSAMPLE)
    draw.polygon(((right, y), (right - 2 * tip, y - tip), (right - 2 * tip, y + tip)), INK)


def draw_label(fonts: Fonts) -> Image.Image:
    """Draw the label flat and upright."""
    label = Image.new("RGB", big(LABEL), PAPER)
    draw = ImageDraw.Draw(label)
    for y in RULES:
        draw.rectangle(scaled(0, y, LABEL[0], y + 2), INK)
    draw.rectangle(scaled(*RECIPIENT_TAB), INK)
    draw.line(scaled(*SENDER_TAB_EDGE), INK, 3 * OVERSAMPLE)
    draw.rounded_rectangle(scaled(*FRAGILE_BOX), 10 * OVERSAMPLE, RED)
    draw_arrow(draw)
    for line in LINES:
        draw_line(draw, fonts, line)
    for code in CODES:
        draw_code(label, code)
    return label


def flutes(size: Size) -> Image.Image:
    """Return the faint ridges of corrugated cardboard as a grey layer."""
    ridges = Image.frombytes("L", (1, 160), bytes((255, 246)) * 80)
    return ridges.resize(size, Image.Resampling.BICUBIC)


def draw_face() -> Image.Image:
    """Draw the cardboard of the parcel: fibres, flutes, a seam and the tape over it."""
    size = big(FACE)
    face = Image.new("RGB", size, CARDBOARD)
    for grain, depth in ((420, 420), 22), ((70, 8), 9), ((6, 5), 20):
        face = multiply(face, texture(size, grain, depth, f"cardboard {grain}"))
    face = multiply(face, flutes(size))
    middle = size[0] // 2
    ImageDraw.Draw(face).line((middle, 0, middle, size[1]), (112, 80, 52), 5)
    return draw_tape(face)


def draw_tape(face: Image.Image) -> Image.Image:
    """Stick a strip of glossy tape along the seam."""
    width, height = face.size
    mask = Image.new("L", face.size, 0)
    left, right = width // 2 - 170, width // 2 + 170
    ImageDraw.Draw(mask).rectangle((left, 0, right, height), 255)
    blend(face, TAPE, mask, 0.55)
    shine = Image.new("L", face.size, 0)
    ImageDraw.Draw(shine).rectangle((left + 40, 0, left + 90, height), 255)
    blend(face, (255, 248, 232), shine.filter(ImageFilter.GaussianBlur(24)), 0.35)
    for x in (left, right):
        ImageDraw.Draw(face).line((x, 0, x, height), (150, 112, 74), 2)
    return face


def draw_table() -> Image.Image:
    """Draw the table under the parcel, a little out of focus."""
    size = big(FRAME)
    table = multiply(Image.new("RGB", size, TABLE), texture(size, (8, 300), 40, "table"))
    return table.filter(ImageFilter.GaussianBlur(6))


def coefficients(camera: Camera, sheet: Size) -> tuple[float, ...]:
    """Return Pillow's eight perspective numbers, which lead from the frame to the sheet."""
    width, height = big(FRAME)
    x0, y0 = width / 2, height / 2
    cos = math.cos(math.radians(camera.turn)) / camera.zoom
    sin = math.sin(math.radians(camera.turn)) / camera.zoom
    g, h = camera.lean_x, camera.lean_y
    w = 1 - g * x0 - h * y0
    u, v = sheet[0] / 2, sheet[1] / 2
    row_x = (cos + u * g, sin + u * h, u * w - cos * x0 - sin * y0)
    row_y = (-sin + v * g, cos + v * h, v * w + sin * x0 - cos * y0)
    return tuple(value / w for value in (*row_x, *row_y, g, h))


def seen(sheet: Image.Image, camera: Camera) -> Image.Image:
    """Return the sheet as the camera sees it, on the whole frame."""
    how = Image.Transform.PERSPECTIVE
    return sheet.transform(big(FRAME), how, coefficients(camera, sheet.size), Image.Resampling.BICUBIC)


def lay(scene: Image.Image, sheet: Image.Image, camera: Camera, shadow: tuple[int, int, float]) -> None:
    """Lay the sheet on the scene over its own shadow: how far it falls, its blur and its strength."""
    fall, blur, strength = shadow
    outline = Image.new("L", sheet.size, 0)
    ImageDraw.Draw(outline).rounded_rectangle((2, 2, sheet.width - 3, sheet.height - 3), 14, 255)
    mask = seen(outline, camera)
    dark = ImageChops.offset(mask, fall, fall).filter(ImageFilter.GaussianBlur(blur))
    blend(scene, (38, 24, 14), dark, strength)
    scene.paste(seen(sheet, camera), (0, 0), mask)


def light(image: Image.Image) -> Image.Image:
    """Let the light come from the upper left and fade to the lower right."""
    width, height = image.size
    fade = Image.radial_gradient("L").resize((width * 3, height * 3), Image.Resampling.BICUBIC)
    left, top = round(width * 1.2), round(height * 1.3)
    fade = fade.crop((left, top, left + width, top + height))
    return multiply(image, fade.point(lambda value: 255 - value * 0.42))


def photograph(label: Image.Image) -> Image.Image:
    """Put table, parcel and label together and return what the phone would keep."""
    scene = draw_table()
    lay(scene, draw_face(), FACE_VIEW, (26, 30, 0.75))
    label = multiply(label, texture(label.size, (260, 340), 12, "paper"))
    lay(scene, label, LABEL_VIEW, (9, 10, 0.55))
    photo = scene.resize(FRAME, Image.Resampling.LANCZOS).filter(ImageFilter.GaussianBlur(0.5))
    return multiply(light(photo), texture(FRAME, (1, 1), 4, "sensor"))


def has_chinese(path: Path) -> bool:
    """Say whether path is a font that has a Chinese character, not the box for a missing one."""
    try:
        font = ImageFont.truetype(str(path), 32)
    except OSError:
        return False
    return bytes(font.getmask("易")) != bytes(font.getmask("\U0010ffff"))


def chosen_font(given: Path | None) -> Path:
    """Return the font file to use, or stop with a message."""
    candidates = FONTS if given is None else (given,)
    for path in candidates:
        if has_chinese(path):
            return path
    raise SystemExit(NO_FONT)


def main() -> None:
    """Read the command line and write the picture."""
    parser = argparse.ArgumentParser(description="Draw the photograph of a parcel that the tests use.")
    parser.add_argument("--font", type=Path, help="a font file with Chinese characters")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("parcel.png"))
    options = parser.parse_args()
    photo = photograph(draw_label(Fonts(chosen_font(options.font))))
    coarse = photo.point(lambda value: value & 0xFC)  # invisible, and the file shrinks by a third
    coarse.save(options.out, format="PNG", optimize=True)
    sys.stdout.write(f"{options.out}: {options.out.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
