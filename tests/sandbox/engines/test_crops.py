"""Crops by contrast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageDraw
from support import pictures
from support.places import SAMPLES

from wxcv.sandbox.engines.crops import find_crops
from wxcv.sandbox.engines.pictures import UnreadableError
from wxcv.sandbox.wechat.choices import Choices

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULTS = Choices()


def drawn(box: tuple[int, int, int, int], size: tuple[int, int] = (400, 300)) -> bytes:
    """Return a white picture with a black rectangle."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle(box, fill="black")
    return pictures.to_bytes(image)


def boxes(data: bytes, ratios: str = "") -> list[tuple[object, ...]]:
    """Return the crops."""
    return [tuple(crop.values()) for crop in find_crops(data, DEFAULTS, {"ratios": ratios}).found]


def extents(crops: Iterable[tuple[Any, ...]]) -> list[tuple[int, int]]:
    """Return the differences between the edges of each crop."""
    return [(right - left, bottom - top) for left, top, right, bottom in crops]


def test_without_ratios_the_crop_is_around_what_differs() -> None:
    """The crop goes around a rectangle on a plain ground, to within two pixels."""
    ((left, top, right, bottom),) = boxes(drawn((250, 150, 340, 240)))

    assert (left, top, right, bottom) == pytest.approx((250, 150, 340, 240), abs=1)


@pytest.mark.parametrize(("ratio", "size"), [("1", (300, 300)), ("2", (400, 200)), ("0.5", (150, 300))])
def test_a_ratio_is_that_of_the_largest_crop_with_the_rectangle(ratio: str, size: tuple[int, int]) -> None:
    """The crop has the ratio, is as large as it can be, and holds what differs."""
    ((left, top, right, bottom),) = boxes(drawn((280, 200, 320, 240)), ratio)

    assert (right - left + 1, bottom - top + 1) == size  # type: ignore[operator] # numbers
    assert left <= 280 and top <= 200 and right >= 320 and bottom >= 240  # type: ignore[operator] # numbers # noqa: PT018


def test_the_edges_belong_to_the_crop_as_in_wechats_sample() -> None:
    """For the size and the ratios of the sample, crops are exactly as wide and as high as in the sample."""
    sample = json.loads((SAMPLES / "pages" / "ai_crop.json").read_text())["answer"]
    picture = pictures.blank_png(sample["img_size"]["w"], sample["img_size"]["h"])
    crops = [tuple(crop.values()) for crop in sample["results"]]

    assert extents(boxes(picture, "1,2.35")) == extents(crops) == [(727, 727), (965, 410)]


def test_odd_ratios_are_ignored() -> None:
    """What is no number above 0, and what comes after the fifth, has no crop."""
    assert len(boxes(drawn((10, 10, 20, 20)), "1,0,x,-1,inf")) == 1
    assert len(boxes(drawn((10, 10, 20, 20)), "1,1,1,1,1,1,1")) == 5
    assert len(boxes(drawn((10, 10, 20, 20)), "nan")) == 1


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (1, 500), (500, 1)])
def test_a_crop_is_inside_of_any_picture(size: tuple[int, int]) -> None:
    """Also a picture without any difference has crops inside of it, of one pixel at least."""
    data = pictures.blank_png(*size)
    for left, top, right, bottom in boxes(data) + boxes(data, "0.001,1,1000"):
        assert 0 <= left <= right < size[0]  # type: ignore[operator] # numbers
        assert 0 <= top <= bottom < size[1]  # type: ignore[operator] # numbers


def test_what_is_no_picture_has_no_crop() -> None:
    """Bytes that are no picture are an UnreadableError."""
    with pytest.raises(UnreadableError):
        find_crops(b"no picture", DEFAULTS, {})
