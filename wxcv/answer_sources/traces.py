"""Finds what looks like a code beside those that were read, whether or not anything can read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from PIL import Image

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""

_CELLS = 64
"""Cells along the longer side of a picture, unless they would be smaller than the next number says."""

_LEAST_CELL = 8  # pixels
_DENSE = 0.22
"""Mean deviation from the surroundings, for one of the picture's contrast.

Half of a code is dark and half light: it has up to 0.5, and blurred still 0.3. Text has 0.1 to 0.3.
"""

_LEAST_CELLS = 4
_CONTRAST = 0.02
"""Share of the pixels that may be darker, or lighter, than what counts as a picture's dark and light."""

Cell = tuple[int, int]


def has_traces(picture: Image.Image, boxes: Sequence[Box]) -> bool:
    """Tell whether a grey picture has areas as full of contrast as a code, apart from those in the boxes.

    An area that touches a box belongs to it: of a barcode only a few lines may have been read.
    """
    size = max(_LEAST_CELL, -(-max(picture.size) // _CELLS))
    dense = set(_dense_cells(picture, size))
    for box in boxes:
        _remove(dense, (cell for cell in list(dense) if _touches(cell, box, size)))
    while dense:
        if _remove(dense, [next(iter(dense))]) >= _LEAST_CELLS:
            return True
    return False


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
    few = sum(histogram) * _CONTRAST
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


def _remove(cells: set[Cell], first: Iterator[Cell] | list[Cell]) -> int:
    """Remove cells, and all that are connected with them; return how many."""
    pending, removed = [cell for cell in first if cell in cells], 0
    cells.difference_update(pending)
    while pending:
        x, y = pending.pop()
        removed += 1
        near = {(x + i, y + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & cells
        cells -= near
        pending += near
    return removed
