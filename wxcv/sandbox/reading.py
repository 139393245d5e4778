"""What an engine found in a picture, in the shape that goes into the answer."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """`found` are elements of `code_results` or `items`; `size` is (width, height) in pixels."""

    found: list[dict[str, object]]
    size: tuple[int, int]


def pos(corners: Iterable[tuple[float, float]]) -> dict[str, dict[str, int]]:
    """Return a `pos`: four corners (x, y), clockwise from the one at the left top, as whole pixels."""
    names = ("left_top", "right_top", "right_bottom", "left_bottom")
    return {name: {"x": round(x), "y": round(y)} for name, (x, y) in zip(names, corners, strict=True)}
