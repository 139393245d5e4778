"""Large pictures are worked on in strips, so that other threads go on in between."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from support import pictures

import wxcv
from wxcv.images.pictures import flatten, open_picture, read_pixels

if TYPE_CHECKING:
    from types import FrameType

STRIP = 1_000_000
"""Pixels that may be worked on while Pillow holds the interpreter's lock."""

HOLDING = {"alpha_composite", "getchannel", "getcolors", "getextrema", "histogram", "multiply", "difference"}
"""Functions of Pillow that hold the interpreter's lock."""


def lit(width: int, height: int, brightness: int) -> Image.Image:
    """A picture of every opacity; above 128 it is rather light."""
    picture = pictures.noise(width, height).point(lambda value: (value + brightness) // 2)
    picture.putalpha(pictures.noise(width, height, "L"))
    return picture


def largest_held(picture: bytes) -> int:
    """The pixels of the largest picture that one of these functions was given while a picture was fitted."""
    largest = 0

    def note(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal largest
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("PIL.") and frame.f_code.co_name in HOLDING:
            given = [value for value in frame.f_locals.values() if isinstance(value, Image.Image)]
            largest = max(largest, *(each.width * each.height for each in given))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        wxcv.fit(picture, 16_384)
    finally:
        sys.setprofile(before)
    return largest


def of_few_colours() -> Image.Image:
    """A drawing."""
    return pictures.noise(400, 300).quantize(16).convert("RGB").resize((1200, 1000), Image.Resampling.NEAREST)


def with_palette() -> Image.Image:
    """A transparent picture with a palette."""
    picture = pictures.noise(1200, 1000, "L").convert("P")
    picture.info["transparency"] = bytes(range(256))
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        lambda: lit(1200, 1000, 50),
        lambda: lit(1200, 1000, 200).convert("LA"),
        lambda: pictures.noise(1200, 1000).convert("RGBA"),
        with_palette,
        of_few_colours,
    ],
    ids=["RGBA", "LA", "opaque", "P", "few colours"],
)
def test_the_interpreter_is_never_held_for_a_whole_large_picture(picture: Any) -> None:
    """What holds the interpreter's lock gets at most a megapixel at a time, of whatever kind the file is."""
    assert 0 < largest_held(pictures.to_bytes(picture())) <= STRIP


@pytest.mark.parametrize("size", [(1200, 1000), (1_200_000, 1), (1_000_001, 2), (1, 1_200_000), (10, 10)])
@pytest.mark.parametrize(("brightness", "ground"), [(0, "white"), (255, "black")])
def test_strips_make_the_same_picture(size: tuple[int, int], brightness: int, ground: str) -> None:
    """A transparent picture is laid on its ground as if it were done at once, whatever its shape."""
    picture = lit(*size, brightness)
    whole = Image.alpha_composite(Image.new("RGBA", size, ground), picture).convert("RGB")

    assert flatten(picture).tobytes() == whole.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "RGB"])
def test_one_strip_that_can_be_seen_through_is_enough(mode: str) -> None:
    """A picture is opaque only if all of its strips are."""
    picture = Image.new("RGBA", (1200, 2000))
    picture.paste("red", (0, 0, 1200, 1900 if mode == "RGBA" else 2000))

    with open_picture("a.png", pictures.to_bytes(picture), "image/png") as opened:
        assert read_pixels("a.png", opened).mode == mode


def test_a_large_picture_of_16_bits_is_read_as_it_is() -> None:
    """16 bits a channel become the nearest of 8, in every strip."""
    grey = pictures.noise(1200, 1000, "L")
    deep = Image.frombytes("I;16", grey.size, b"".join(bytes((v, v)) for v in grey.tobytes()))
    data = pictures.to_bytes(deep)

    with open_picture("a.png", data, "image/png") as opened:
        assert read_pixels("a.png", opened).tobytes() == grey.tobytes()
