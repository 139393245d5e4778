"""Answers as values."""

from __future__ import annotations

import json
import pickle
from typing import Any

import attrs
import pytest
from support.places import SAMPLES

import wxcv


def sample(name: str) -> dict[str, Any]:
    """Load a recorded body that is plain JSON."""
    fields: dict[str, Any] = json.loads((SAMPLES / name).read_bytes())
    return fields


def test_the_official_qrcode_example_becomes_a_scan() -> None:
    """The sample of the official page becomes one code with its four corners."""
    scan = wxcv.QrcodeScan.from_dict(sample("qrcode_official.json"))

    corners = wxcv.Pos(wxcv.Point(585, 378), wxcv.Point(828, 378), wxcv.Point(828, 618), wxcv.Point(585, 618))
    assert scan == wxcv.QrcodeScan(
        (wxcv.CodeResult("QR_CODE", "https://www.qq.com", corners),), wxcv.ImgSize(1000, 900)
    )


def test_the_official_text_example_becomes_lines() -> None:
    """The sample of the official page becomes two lines, joined by a newline."""
    page = wxcv.PrintedText.from_dict(sample("comm_official.json"))

    assert page.text == "腾讯\n微信团队"
    assert page.items[0].pos is not None
    assert page.items[0].pos.left_bottom == wxcv.Point(573, 532)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("qrcode_official.json", wxcv.QrcodeScan),
        ("comm_official.json", wxcv.PrintedText),
        ("qrcode_floats.json", wxcv.QrcodeScan),
    ],
)
def test_to_dict_gives_wechats_shape_back(name: str, cls: type[wxcv.QrcodeScan | wxcv.PrintedText]) -> None:
    """An answer turned back into a dict is what WeChat sent, less errcode and errmsg."""
    fields = sample(name)
    del fields["errcode"], fields["errmsg"]

    assert fields == cls.from_dict(fields).to_dict()


def test_a_missing_list_is_empty() -> None:
    """A missing or null list of results means that nothing was found."""
    assert wxcv.QrcodeScan.from_dict(sample("qrcode_list_missing.json")) == wxcv.QrcodeScan()
    assert wxcv.PrintedText.from_dict(sample("comm_list_missing.json")).items == ()
    assert wxcv.PrintedText.from_dict({"items": None}).text == ""


def test_a_null_text_is_empty() -> None:
    """A text that is missing or null is the empty string."""
    row = {"type_name": None, "data": None}

    assert wxcv.CodeResult.from_dict(row) == wxcv.CodeResult.from_dict({}) == wxcv.CodeResult("", "")
    assert wxcv.TextItem.from_dict({"text": None}) == wxcv.TextItem("")


@pytest.mark.parametrize("name", ["comm_null_pos.json"])
def test_a_null_pos_and_size_are_none(name: str) -> None:
    """A null pos or img_size is None, and is left out of the dict."""
    page = wxcv.PrintedText.from_dict(sample(name))

    assert page.items == (wxcv.TextItem("hello", None),)
    assert page.to_dict() == {"items": [{"text": "hello"}]}


def test_a_pos_of_minus_ones_is_none() -> None:
    """Coordinates that are all -1 mean that there is no position."""
    assert wxcv.QrcodeScan.from_dict(sample("qrcode_minus_one.json")).code_results[0].pos is None


def test_unknown_names_are_kept_and_unknown_fields_ignored() -> None:
    """A type_name nobody knows is kept as it is; fields nobody knows are dropped."""
    scan = wxcv.QrcodeScan.from_dict(sample("qrcode_unknown_fields.json"))

    assert scan == wxcv.QrcodeScan((wxcv.CodeResult("HAN_XIN", "x"),), wxcv.ImgSize(1, 2))


def corners(**first: object) -> dict[str, Any]:
    """Return a pos whose first corner is changed."""
    point = {"x": 1, "y": 2}
    return {
        "left_top": {**point, **first},
        **dict.fromkeys(("right_top", "right_bottom", "left_bottom"), point),
    }


def test_a_pos_is_read_by_the_names_of_its_corners() -> None:
    """Each corner, and each of its two numbers, is found under its own name."""
    names = ("left_top", "right_top", "right_bottom", "left_bottom")
    points = [{"x": number, "y": number + 0.5} for number in range(4)]
    pos = wxcv.Pos.from_dict(dict(zip(names, points, strict=True)))

    assert pos is not None
    assert [(point.x, point.y) for point in (getattr(pos, name) for name in names)] == [
        (0, 0.5),
        (1, 1.5),
        (2, 2.5),
        (3, 3.5),
    ]
    assert pos.to_dict() == dict(zip(names, points, strict=True))


@pytest.mark.parametrize(
    "fields",
    [
        {"code_results": {}},
        {"code_results": ["x"]},
        {"code_results": [{"data": 5}]},
        {"code_results": [{"pos": {"left_top": {}}}]},
        {"code_results": [{"pos": corners(x=True)}]},
        {"code_results": [{"pos": corners(x="1")}]},
        {"code_results": [{"pos": corners(x=None)}]},
        {"code_results": [{"pos": corners(x=float("nan"))}]},
        {"code_results": [{"pos": corners(y=[1])}]},
        {"code_results": None, "img_size": {"w": True, "h": 1}},
        {"code_results": [{"pos": "here"}]},
        {"img_size": [1, 2]},
        {"img_size": {"w": float("inf"), "h": 1}},
    ],
    ids=str,
)
def test_a_wrong_shape_raises(fields: dict[str, Any]) -> None:
    """A shape that the page cannot mean raises one of the announced errors."""
    from wxcv.endpoints.readers import SHAPE_ERRORS

    with pytest.raises(SHAPE_ERRORS):
        wxcv.QrcodeScan.from_dict(fields)


def test_answers_are_frozen_and_hashable() -> None:
    """An answer cannot be changed and can be a key."""
    scan = wxcv.QrcodeScan.from_dict(sample("qrcode_official.json"))

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        scan.img_size = None  # type: ignore[misc]
    assert {scan: 1}[wxcv.QrcodeScan.from_dict(sample("qrcode_official.json"))] == 1


def test_an_access_token_hides_its_value() -> None:
    """The repr of an AccessToken shows its life but not its value, and pickling it is refused."""
    token = wxcv.AccessToken("MARKED-TOKEN", 7200.0, "stable")

    assert "MARKED-TOKEN" not in repr(token)
    assert "7200" in repr(token)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(token)
