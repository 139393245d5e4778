"""What an engine found in a picture, in the format of the answer."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Detection:
    """What an engine found.

    `found` are elements of `code_results`, `items` or `results`, and none for canned endpoints; `size` is
    (width, height) in pixels.
    """

    found: list[dict[str, object]]
    size: tuple[int, int]


def pos(corners: Iterable[tuple[float, float]], size: tuple[int, int]) -> dict[str, dict[str, int]]:
    """Return a `pos`: four corners (x, y), clockwise from the one at the left top, as whole pixels.

    `size` is the image's (width, height) in pixels. A corner that the engine sees beyond the edge becomes
    the nearest pixel inside: x is from 0 to width - 1, y from 0 to height - 1.
    """
    names = ("left_top", "right_top", "right_bottom", "left_bottom")
    return {name: _inside(corner, size) for name, corner in zip(names, corners, strict=True)}


def _inside(corner: tuple[float, float], size: tuple[int, int]) -> dict[str, int]:
    (x, y), (width, height) = corner, size
    return {"x": min(max(round(x), 0), width - 1), "y": min(max(round(y), 0), height - 1)}
