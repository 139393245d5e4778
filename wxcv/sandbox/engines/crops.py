"""Finding what matters in a picture, by its contrast.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgaicrop

WeChat's own rule is not known. Here what matters is where neighbouring pixels differ. Without a ratio the
crop is the smallest rectangle that leaves out at most 1 % of these differences at each of its four sides; for
a ratio of width to height it is the largest rectangle of that ratio, where it covers most of them. As in
WeChat's sample, the pixels at the right and at the bottom edge belong to the crop.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from wxcv.sandbox.engines.detection import Detection
from wxcv.sandbox.engines.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from wxcv.sandbox.wechat.choices import Choices

_MOST_RATIOS = 5
_LEFT_OUT = 0.01


def find_crops(data: bytes, choices: Choices, fields: Mapping[str, str]) -> Detection:
    """Return a crop for each of the ratios in the field of that name, or one if there is none.

    A ratio that is no number above 0 is ignored, and so are those after the fifth.

    Raises:
        UnreadableError: the bytes are not a picture that can be read.
    """
    picture = open_picture(data, turn=choices.exif == "apply").convert("L")
    columns, rows = _differences(picture)
    ratios = _ratios(fields.get("ratios", ""))
    if ratios:
        boxes = [_largest(ratio, columns, rows) for ratio in ratios]
    else:
        (left, right), (top, bottom) = _trim(columns), _trim(rows)
        boxes = [(left, top, right, bottom)]
    names = ("crop_left", "crop_top", "crop_right", "crop_bottom")
    found: list[dict[str, object]] = [dict(zip(names, box, strict=True)) for box in boxes]
    return Detection(found=found, size=picture.size)


def _ratios(text: str) -> list[float]:
    ratios = []
    for part in text.split(",")[:_MOST_RATIOS]:
        try:
            ratio = float(part)
        except ValueError:
            continue
        if 0 < ratio < float("inf"):
            ratios.append(ratio)
    return ratios


def _differences(picture: Image.Image) -> tuple[list[int], list[int]]:
    """Return how much the pixels of each column and row differ from their neighbours, on average."""
    from PIL import Image, ImageFilter

    edges = picture.filter(ImageFilter.FIND_EDGES)
    # The filter copies the outermost pixels as they are.
    edges.paste(0, (0, 0, edges.width, 1))
    edges.paste(0, (0, edges.height - 1, edges.width, edges.height))
    edges.paste(0, (0, 0, 1, edges.height))
    edges.paste(0, (edges.width - 1, 0, edges.width, edges.height))
    # 32-bit, as an average over a long line is often below 1.
    wide = edges.convert("F")
    columns = wide.resize((edges.width, 1), Image.Resampling.BOX)
    rows = wide.resize((1, edges.height), Image.Resampling.BOX)
    return _values(columns), _values(rows)


def _values(line: Image.Image) -> list[int]:
    return [round(1000 * line.getpixel((x, y))) for y in range(line.height) for x in range(line.width)]  # type: ignore[arg-type, operator] # a float


def _trim(line: Sequence[int]) -> tuple[int, int]:
    """Return the first and the last of the part outside of which there is at most 1 % at either side."""
    most = sum(line) * _LEFT_OUT
    first, last = 0, len(line) - 1
    for number, reached in enumerate(accumulate(line)):
        if reached > most:
            first = number
            break
    for number, reached in enumerate(accumulate(reversed(line))):
        if reached > most:
            last = len(line) - 1 - number
            break
    return first, max(last, first)


def _largest(ratio: float, columns: Sequence[int], rows: Sequence[int]) -> tuple[int, int, int, int]:
    width, height = len(columns), len(rows)
    wide, high = max(1, round(min(width, height * ratio))), max(1, round(min(height, width / ratio)))
    left, top = _best(columns, wide), _best(rows, high)
    return left, top, left + wide - 1, top + high - 1


def _best(line: Sequence[int], length: int) -> int:
    """Return the begin of the part of that length with the largest sum; of equals, the one in the middle."""
    sums = [0, *accumulate(line)]
    middle = (len(line) - length) / 2
    return max(
        range(len(line) - length + 1),
        key=lambda begin: (sums[begin + length] - sums[begin], -abs(begin - middle)),
    )
