"""``PrintedText.rows``: the lines of a page in reading order."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import pytest

import wxcv

if TYPE_CHECKING:
    from wxcv.endpoints.readers import Number


def item(text: str, left: Number, top: Number, height: Number = 20, *, lean: Number = 0) -> wxcv.TextItem:
    """Return a line of text, 100 pixels long, whose right end is ``lean`` pixels lower than its left one."""
    corners = (
        wxcv.Point(left, top),
        wxcv.Point(left + 100, top + lean),
        wxcv.Point(left + 100, top + height + lean),
        wxcv.Point(left, top + height),
    )
    return wxcv.TextItem(text, wxcv.Pos(*corners))


def rows(*items: wxcv.TextItem) -> tuple[str, ...]:
    """Return the rows of a page with these items."""
    return wxcv.PrintedText(items).rows


def test_rows_go_down_and_items_to_the_right() -> None:
    """Whatever WeChat's order is, rows come from top to bottom and their items from left to right."""
    items = [
        item("price", 0, 40),
        item("12.50", 300, 43),
        item("receipt", 0, 0),
        item("total", 0, 80),
        item("no. 7", 150, 4),
    ]
    for order in permutations(items):
        assert rows(*order) == ("receipt no. 7", "price 12.50", "total")


@pytest.mark.parametrize(("top", "expected"), [(10, ("a b",)), (11, ("a", "b"))])
def test_half_of_the_smaller_height_makes_a_row(top: int, expected: tuple[str, ...]) -> None:
    """Two items of 20 pixels are a row if they overlap by 10, and two rows if they overlap by 9."""
    assert rows(item("b", 200, top), item("a", 0, 0)) == expected


def test_the_smaller_height_counts() -> None:
    """Small print beside a large word is in its row, although it covers a tenth of its height."""
    assert rows(item("small", 200, 50, height=10), item("LARGE", 0, 0, height=100)) == ("LARGE small",)


def test_a_row_does_not_grow_downwards() -> None:
    """In a staircase where each item overlaps the next, only what overlaps the first of a row joins it."""
    stairs = [item(str(step), 100 * step, 8 * step) for step in range(6)]

    assert rows(*stairs) == ("0 1", "2 3", "4 5")


def test_a_rotated_item_counts_as_the_rectangle_around_it() -> None:
    """An item that leans by its height reaches as far down as its lowest corner."""
    assert rows(item("leans", 0, 0, lean=20), item("right", 200, 18)) == ("leans right",)
    assert rows(item("level", 0, 0), item("right", 200, 18)) == ("level", "right")


def test_items_without_a_position_come_last() -> None:
    """What has no pos is a row of its own at the end, in WeChat's order."""
    unplaced = [wxcv.TextItem("y"), wxcv.TextItem("x")]

    assert rows(*unplaced[:1], item("b", 0, 50), *unplaced[1:], item("a", 0, 0)) == ("a", "b", "y", "x")
    assert rows() == ()


@pytest.mark.parametrize("huge", [10**400, -(10**400), 1.7e308, -1.7e308])
def test_absurd_positions_do_no_harm(huge: Number) -> None:
    """Numbers too large to be added to others leave each item in a row, and the others in order."""
    page = rows(item("b", 0.5, 40.5), item("far", huge, huge, 0), item("a", 0, 0, 20.5))

    assert page == (("a", "b", "far") if huge > 0 else ("far", "a", "b"))


@pytest.mark.parametrize("step", [0, 1, 30])
def test_many_items_take_little_work(step: int) -> None:
    """Of 20,000 items, all of them at one height, overlapping or apart, none is compared with all others."""
    items = [item("x", number, step * number) for number in range(20_000)]
    per_row = {0: 20_000, 1: 11, 30: 1}[step]

    assert len(rows(*items)) == -(-20_000 // per_row)
