"""Answers about a scaled picture are brought into the pixels of the original."""

from __future__ import annotations

import attrs
import pytest

import wxcv
from wxcv.endpoints.scaling import scale_answer

SENT, ORIGINAL = (200, 100), (400, 200)


def pos(*numbers: float) -> wxcv.Pos:
    """Corners from eight numbers."""
    return wxcv.Pos(*(wxcv.Point(*numbers[i : i + 2]) for i in range(0, 8, 2)))


BEFORE, AFTER = pos(0, 0, 199, 0, 199, 99, 0, 99), pos(0, 0, 398, 0, 398, 198, 0, 198)


@pytest.mark.parametrize(
    ("answer", "scaled"),
    [
        (
            wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "x", BEFORE),), wxcv.ImgSize(200, 100)),
            wxcv.QrcodeScan((wxcv.CodeResult("QR_CODE", "x", AFTER),), wxcv.ImgSize(400, 200)),
        ),
        (wxcv.PrintedText((wxcv.TextItem("a", BEFORE),)), wxcv.PrintedText((wxcv.TextItem("a", AFTER),))),
        (
            wxcv.Crops((wxcv.CropResult(10, 20, 30, 40.25),), wxcv.ImgSize(200, 100)),
            wxcv.Crops((wxcv.CropResult(20, 40, 61, 81.5),), wxcv.ImgSize(400, 200)),
        ),
        (
            wxcv.Crops((wxcv.CropResult(0, 0, 199, 99),)),  # the whole picture
            wxcv.Crops((wxcv.CropResult(0, 0, 399, 199),)),
        ),
        (
            wxcv.BusinessLicense(serial="7", cert_position=BEFORE, img_size=wxcv.ImgSize(200, 100)),
            wxcv.BusinessLicense(serial="7", cert_position=AFTER, img_size=wxcv.ImgSize(400, 200)),
        ),
        (wxcv.QrcodeScan(), wxcv.QrcodeScan()),
        (wxcv.Bankcard("62"), wxcv.Bankcard("62")),
        ({"img_size": {"w": 200}}, {"img_size": {"w": 200}}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_positions_and_sizes_are_scaled(answer: object, scaled: object) -> None:
    """Every pos, img_size and crop of any answer is scaled, and nothing else is."""
    assert scale_answer(answer, SENT, ORIGINAL) == scaled


@attrs.frozen
class Drawing:
    """An answer of a caller's own with a field that has the name of our method."""

    scaled: bool
    pos: wxcv.Pos


def test_a_field_named_scaled_is_a_field() -> None:
    """A class of a caller's own may have a field ``scaled``; what is in its other fields is scaled."""
    assert scale_answer(Drawing(scaled=True, pos=BEFORE), SENT, ORIGINAL) == Drawing(scaled=True, pos=AFTER)


def test_whole_numbers_stay_whole() -> None:
    """An int is rounded to an int, and a float stays a float."""
    scaled = scale_answer(pos(1, 1.5, 2, 2, 3, 3, 4, 4), (300, 300), (900, 900))

    assert scaled.left_top == wxcv.Point(4, 5.5)
    assert type(scaled.left_top.x) is int


def test_an_answer_about_the_original_is_the_same_object() -> None:
    """Nothing is copied where the picture was not scaled."""
    answer = wxcv.QrcodeScan((), wxcv.ImgSize(200, 100))

    assert scale_answer(answer, SENT, SENT) is answer


def test_a_picture_that_was_turned_first_is_scaled_by_its_own_sides() -> None:
    """Where the server followed the orientation tag, x is scaled as the stored height is."""
    answer = wxcv.PrintedText((wxcv.TextItem("a", pos(*[9] * 8)),), wxcv.ImgSize(10, 200))

    assert scale_answer(answer, (200, 10), (400, 30)) == wxcv.PrintedText(
        (wxcv.TextItem("a", pos(*[28, 18] * 4)),), wxcv.ImgSize(30, 400)
    )
