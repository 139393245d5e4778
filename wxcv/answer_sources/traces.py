"""Finds areas that look like a further code, readable or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

_CELLS = 48
"""Cells along the longer side of a picture, unless they would be smaller than ``_LEAST_CELL``."""

_LEAST_CELL = 8  # pixels
_SIDE = 3
"""Least cells along each side of an area that counts."""

_DENSE = 0.22
"""Mean deviation from the surroundings, as a share of the picture's contrast.

Half of a code is dark and half is light, so that it has up to 0.5, and still 0.3 if it is blurred. Lines of
text have as much in some cells and little in those between.
"""

_FEW = 0.02
"""Share of the pixels that may be darker, or lighter, than what counts as a picture's dark and light."""

Cell = tuple[int, int]


def has_traces(picture: Image.Image, boxes: Sequence[Box]) -> bool:
    """Return whether a grey picture has areas with the contrast of a code outside the boxes.

    An area that touches a box belongs to it, as only a few lines of a barcode may have been read.
    """
    size = max(_LEAST_CELL, -(-max(picture.size) // _CELLS))
    dense = set(_dense_cells(picture, size))
    _remove_connected(dense, [cell for cell in dense if any(_touches(cell, box, size) for box in boxes)])
    square = [(i, j) for i in range(_SIDE) for j in range(_SIDE)]
    return any(all((x + i, y + j) in dense for i, j in square) for x, y in dense)


def _dense_cells(picture: Image.Image, size: int) -> Iterator[Cell]:
    from PIL import ImageChops, ImageFilter  # noqa: PLC0415 - the extra may be missing

    surroundings = picture.filter(ImageFilter.BoxBlur(size / 2))
    deviations = ImageChops.difference(picture, surroundings).reduce(size)
    least = _DENSE * _contrast(picture)
    for number, deviation in enumerate(deviations.tobytes()):
        if deviation > least:
            yield number % deviations.width, number // deviations.width


def _contrast(picture: Image.Image) -> int:
    histogram = picture.histogram()
    few = sum(histogram) * _FEW
    return 255 - _end(histogram[::-1], few) - _end(histogram, few)


def _end(histogram: list[int], few: float) -> int:
    seen = 0
    for value, count in enumerate(histogram):
        seen += count
        if seen > few:
            return value
    return 0


def _touches(cell: Cell, box: Box, size: int) -> bool:
    (x, y), (left, top, right, bottom) = cell, box
    return left < (x + 1) * size and x * size < right and top < (y + 1) * size and y * size < bottom


def _remove_connected(cells: set[Cell], pending: list[Cell]) -> None:
    """Remove cells, and all that are connected with them."""
    cells.difference_update(pending)
    while pending:
        x, y = pending.pop()
        near = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & cells
        cells -= near
        pending += near
