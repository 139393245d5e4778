"""``--annotate``: numbered boxes over a copy of the picture, and their legend."""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops
from support import pictures
from support.commands import environment, refusing, run, run_against
from support.pages import QRCODE
from support.places import PARCEL
from support.servers import answer

from wxcv.sandbox import Choices, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

RED, BLUE = "#c00000", "#0040c0"
SIZE, PLACE = (600, 400), (420, 210)
"""The size of the upright photo, and where the code with its quiet zone begins in it."""

INVERSE = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""What makes the stored picture of the upright one, by orientation."""


def upright(scale: int = 1) -> Image.Image:
    """A picture with a QR code at the right, below the middle."""
    canvas = Image.new("RGB", (SIZE[0] * scale, SIZE[1] * scale), "white")
    canvas.paste(pictures.opened(pictures.qr_png("corner", scale=4 * scale)), tuple(scale * x for x in PLACE))
    return canvas


def photo(orientation: int, kind: str = "JPEG") -> bytes:
    """The picture as a camera stores it that was held so that the orientation is needed."""
    turn, exif = INVERSE[orientation], Image.Exif()
    stored = upright() if turn is None else upright().transpose(turn)
    exif[0x0112] = orientation
    return pictures.to_bytes(stored, kind, exif=exif)


def places(path: Path, colour: str = RED) -> tuple[int, int, int, int] | None:
    """Return left, top, right and bottom of all pixels that have nearly the colour."""
    with Image.open(path) as picture:
        difference = ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, colour))
    return difference.convert("L").point(lambda value: 255 if value < 12 else 0).getbbox()


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a picture."""
    with Image.open(path) as picture:
        return picture.size


def black_part(picture: Image.Image) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what is black in a picture."""
    box = ImageChops.invert(picture.convert("L")).getbbox()
    assert box is not None
    return box


def is_around_the_code(path: Path) -> bool:
    """Return whether there is a box around the code of the upright photo, with a number at its left."""
    box, code = places(path), black_part(upright())
    assert box is not None
    differences = [abs(found - true) for found, true in zip(box[1:], code[1:], strict=True)]
    return max(differences) <= 6 and code[0] - 40 < box[0] < code[0] - 6


def pos(left: float, top: float, side: float) -> dict[str, Any]:
    """Return a square position, as WeChat does."""
    corners = {"left_top": (0, 0), "right_top": (1, 0), "right_bottom": (1, 1), "left_bottom": (0, 1)}
    return {name: {"x": left + side * x, "y": top + side * y} for name, (x, y) in corners.items()}


async def several(request: web.Request) -> web.StreamResponse:
    """Answer with two codes, of which one has no position, and two lines of text."""
    await request.read()
    if request.path == QRCODE:
        codes = [("EAN_13", "6901234567892", None), ("QR_CODE", "x\x1b", pos(100, 50, 40))]
        return answer(code_results=[{"type_name": a, "data": b, "pos": c} for a, b, c in codes])
    return answer(items=[{"text": text, "pos": pos(300, top, 30)} for text, top in (("一", 20), ("二", 90))])


async def one_code(request: web.Request) -> web.StreamResponse:
    """Answer with one code."""
    await request.read()
    return answer(code_results=[{"type_name": "QR_CODE", "data": "x", "pos": pos(5, 5, 20)}])


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A picture of 400 by 300 pixels."""
    path = tmp_path / "a.png"
    path.write_bytes(pictures.blank_png(400, 300))
    return path


def account(box: Sandbox) -> dict[str, str]:
    """Return an environment with the sandbox's account, in which warnings of unclosed files are errors."""
    return environment(
        box.base_url, WXCV_APPID=box.appid, WXCV_SECRET=box.secret, PYTHONWARNINGS="error::ResourceWarning"
    )


@pytest.mark.parametrize(
    ("orientation", "exif", "kind"),
    [
        *((number, "ignore", "JPEG") for number in range(1, 9)),
        *((number, "apply", "JPEG") for number in range(5, 9)),
        *((number, "apply", "TIFF") for number in (6, 7)),
        *((8, exif, "PNG") for exif in ("ignore", "apply")),
    ],
)
async def test_the_box_is_around_the_code_however_the_camera_was_held(
    tmp_path: Path, orientation: int, exif: Any, kind: str
) -> None:
    """The copy is upright and the box is around the code, whether or not WeChat applied the orientation."""
    path, place = tmp_path / f"photo.{kind}", tmp_path / "out.png"
    path.write_bytes(photo(orientation, kind))
    async with Sandbox(choices=Choices(exif=exif)) as box:
        code, out, err = await run("scan-qrcode", str(path), "--annotate", str(place), env=account(box))

    assert (code, out.splitlines(), err) == (0, [str(path), "  1  QR_CODE  corner"], "")
    assert size_of(place) == SIZE
    assert is_around_the_code(place)


async def test_a_fitted_picture_gets_its_boxes_at_full_size(tmp_path: Path, box: Sandbox) -> None:
    """With --fit a smaller picture is sent, and the copy and its boxes have the size of the original."""
    path, place = tmp_path / "large.png", tmp_path / "out.jpg"
    large = upright(4)
    code = black_part(large)
    large.paste(pictures.noise(1500, 1500), (0, 0))
    path.write_bytes(pictures.to_bytes(large))
    words = ("scan-qrcode", "--fit", str(path), "--annotate", str(place))
    assert (await run(*words, env=account(box)))[::2] == (0, "")
    assert box.received[0].size < 2_097_152 < path.stat().st_size
    with Image.open(place) as copy:
        assert (copy.format, copy.size) == ("JPEG", large.size)
        right = copy.crop((1600, 0, *copy.size))
    right.save(tmp_path / "right.png")
    box_there = places(tmp_path / "right.png")
    assert box_there is not None
    assert abs(box_there[2] + 1600 - code[2]) <= 24


async def test_the_parcel_is_annotated_in_a_sandbox(tmp_path: Path) -> None:
    """``read --sandbox`` numbers the codes, then the lines of the label, and draws as many boxes."""
    place = tmp_path / "out.png"
    code, out, err = await run("read", "--sandbox", str(PARCEL), "--annotate", str(place))

    assert (code, err) == (0, "")
    rows = [line.split(maxsplit=2) for line in out.splitlines()[1:]]
    numbers = [row[0] for row in rows if row[0] != "-"]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert ["-", "EAN_13", "6901234567892"] in rows
    assert [row[1] == "text" for row in rows] == [False] * 3 + [True] * (len(rows) - 3)
    assert places(place, RED)
    assert places(place, BLUE)


async def test_the_legend_tells_what_has_no_box(tmp_path: Path, picture: Path) -> None:
    """Codes come before text, a code without a position has no number, and nothing harms the terminal."""
    place = tmp_path / "out.png"
    code, out, err = await run_against(several, "read", str(picture), "--annotate", str(place))

    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == [
        "  -  EAN_13   6901234567892",
        "  1  QR_CODE  x\\x1b",
        "  2  text     一",
        "  3  text     二",
    ]
    for colour, edges in ((RED, (50, 140, 90)), (BLUE, (20, 330, 120))):
        found = places(place, colour) or (0, 0, 0, 0)
        assert [abs(a - b) <= 2 for a, b in zip(found[1:], edges, strict=True)] == [True] * 3


async def test_json_is_as_usual(tmp_path: Path, picture: Path) -> None:
    """With --json the object of the picture is printed, and the copy is written."""
    place = tmp_path / "out.png"
    code, out, _ = await run_against(several, "read", "--json", str(picture), "--annotate", str(place))

    assert (code, list(json.loads(out)["answers"])) == (0, ["scan_qrcode", "printed_text"])
    assert places(place)


async def test_nothing_found_is_a_copy_without_boxes(tmp_path: Path, picture: Path, box: Sandbox) -> None:
    """A picture without codes is copied, and the legend says that there are none."""
    place = tmp_path / "out.png"
    code, out, _ = await run("scan-qrcode", str(picture), "--annotate", str(place), env=account(box))

    assert (code, out.splitlines()[1:]) == (0, ["  -  scan_qrcode  (none found)"])
    with Image.open(place) as copy:
        assert copy.getcolors() == [(400 * 300, (255, 255, 255))]


@pytest.mark.parametrize(
    ("mode", "pixel", "shown"),
    [
        ("RGBA", (0, 0, 0, 0), (255, 255, 255)),
        ("I;16", 0x4000, (64, 64, 64)),
        ("LA", (80, 255), (80, 80, 80)),
        ("1", 0, (0, 0, 0)),
        ("P", 0, (0, 0, 0)),
    ],
)
async def test_the_copy_looks_like_the_picture(tmp_path: Path, mode: str, pixel: Any, shown: Any) -> None:
    """Transparent parts are white in the copy, 16 bits become 8, and colours stay what they are."""
    path, place = tmp_path / "a.png", tmp_path / "out.png"
    path.write_bytes(pictures.to_bytes(Image.new(mode, (60, 60), pixel)))
    code, _, err = await run_against(one_code, "scan-qrcode", str(path), "--annotate", str(place))

    assert (code, err) == (0, "")
    with Image.open(place) as copy:
        assert (copy.mode, copy.getpixel((59, 59))) == ("RGB", shown)
    assert places(place)


async def test_without_an_answer_nothing_is_drawn(tmp_path: Path, picture: Path) -> None:
    """If WeChat refuses the picture, there is the error alone."""
    words = ("scan-qrcode", str(picture), "--annotate", str(tmp_path / "out.png"))
    code, out, err = await run_against(refusing(101002), *words)

    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("huge", [10**400, -(10**400), 1.7e308, -1])
async def test_absurd_positions_are_drawn_somewhere(tmp_path: Path, picture: Path, huge: float) -> None:
    """Positions far outside, negative or upside down harm neither the legend nor the copy."""

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        corners = {**pos(10, 10, 50), "right_top": {"x": huge, "y": 0}, "left_bottom": {"x": 0.5, "y": huge}}
        return answer(code_results=[{"type_name": "A", "data": "b", "pos": corners}])

    code, out, err = await run_against(
        call, "scan-qrcode", str(picture), "--annotate", str(tmp_path / "o.png")
    )

    assert (code, out.splitlines()[1:], err) == (0, ["  1  A  b"], "")
    assert places(tmp_path / "o.png")


def header(width: int, height: int) -> bytes:
    """Return a PNG whose header promises a size, with a few bytes in place of the pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)), (b"IDAT", b"few")]
    parts = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pictures.PNG, "Pillow cannot open the picture (UnidentifiedImageError); convert it to PNG or JPEG"),
        (pictures.PICTURE[:-40], "Pillow cannot open the picture (OSError); convert it to PNG or JPEG"),
        (header(10_000, 10_000), "the picture is too large to draw boxes on: 100,000,000 pixels"),
        (header(50_000, 50_000), "the picture is too large to draw boxes on: 100,000,000 pixels"),
    ],
    ids=["none", "cut", "large", "bomb"],
)
async def test_a_picture_that_cannot_be_opened_is_told(tmp_path: Path, data: bytes, told: str) -> None:
    """The answer is printed all the same, one line says why there is no copy, and the exit code is 1."""
    path = tmp_path / "a.png"
    path.write_bytes(data)
    words = ("scan-qrcode", str(path), "--annotate", str(tmp_path / "out.png"))
    code, out, err = await run_against(one_code, *words)

    assert (code, out.splitlines()) == (1, [str(path), "  1  QR_CODE  x"])
    assert err.startswith(f"wxcv: {path}: {told}")
    assert len(err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


async def test_the_copy_replaces_a_file_at_once_with_the_usual_mode(tmp_path: Path, picture: Path) -> None:
    """A new file takes the place of the old one, readable as the umask says, and nothing is left beside."""
    place = tmp_path / "out.png"
    place.write_text("old")
    inode = place.stat().st_ino
    await run_against(one_code, "scan-qrcode", str(picture), "--annotate", str(place))
    umask = os.umask(0)
    os.umask(umask)

    assert place.stat().st_ino != inode
    assert place.stat().st_mode & 0o777 == 0o666 & ~umask
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "out.png"]


async def test_a_copy_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    """A picture too wide for a JPEG is told with the name of the file, which stays as it was."""
    path, place = tmp_path / "wide.png", tmp_path / "out.jpg"
    path.write_bytes(pictures.blank_png(70_000, 30))
    place.write_text("old")
    code, out, err = await run_against(one_code, "scan-qrcode", str(path), "--annotate", str(place))

    assert (code, len(out.splitlines())) == (1, 2)
    assert f"wxcv: {path}: the boxes cannot be written to {place}: " in err
    assert place.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jpg", "wide.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a.png", "b.png", "--annotate", "out.png"], "needs the path of one picture"),
        (["folder", "--annotate", "out.png"], "needs the path of one picture"),
        (["-", "--annotate", "out.png"], "needs the path of one picture"),
        (["https://example.com/a.png", "--annotate", "out.png"], "needs the path of one picture"),
        (["a.png", "--annotate", "out.gif"], "end in one of .jpeg, .jpg, .png"),
        (["a.png", "--annotate", "none/out.png"], "the directory for --annotate does not exist"),
        (["a.png", "--annotate", "folder.png"], "not of a directory or a device"),
        (["a.png", "--annotate", "folder/../a.png"], "would overwrite the picture itself"),
        (["a.png", "--annotate", "link.png"], "would overwrite the picture itself"),
        (["link.png", "--annotate", "a.png"], "would overwrite the picture itself"),
        (["a.png", "--annotate", "same.png"], "would overwrite the picture itself"),
        (["a.png", "--annotate", "circle.png"], "cannot be used"),
        (["a.png", "--annotate", f"{'x' * 300}.png"], "cannot be used"),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value)[:40],
)
async def test_what_cannot_be_annotated_costs_nothing(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch, picture: Path, words: list[str], told: str
) -> None:
    """Several images, another suffix and the picture itself are wrong usage, before anything is sent."""
    data, tmp_path = picture.read_bytes(), picture.parent
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "folder.png"):
        (tmp_path / name).mkdir()
    (tmp_path / "link.png").symlink_to(picture)
    (tmp_path / "same.png").hardlink_to(picture)
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    code, out, err = await run("scan-qrcode", *words, env={**account(box), "COLUMNS": "200"})

    assert (code, out, "Traceback" in err) == (2, "", False)
    assert told in err
    assert not sum(box.requests.values())
    assert picture.read_bytes() == data
