"""Crops of a picture around what matters in it.

Page: https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgaicrop
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.geometry import ImgSize, add_size, round_like
from wxcv.endpoints.readers import Number, format_number, read_number, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_MOST_RATIOS = 5
_LEAST_RATIO, _MOST_RATIO = 0.001, 1000


@attrs.frozen(repr=False)
class CropResult(Answer):
    """A rectangle in pixels from the top left of the image as sent.

    The pixels at ``crop_right`` and ``crop_bottom`` belong to the crop: it is
    ``crop_right - crop_left + 1`` pixels wide.
    """

    crop_left: Number
    crop_top: Number
    crop_right: Number
    crop_bottom: Number

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> CropResult:
        """Read one row of ``results``."""
        return cls(*(read_number(fields[field.name]) for field in attrs.fields(cls)))

    def to_dict(self) -> dict[str, Number]:
        """Return WeChat's JSON shape."""
        return attrs.asdict(self)

    def scaled(self, x: float, y: float) -> CropResult:
        """Return the crop of the same part of a picture that is so many times as wide and as high."""
        return CropResult(
            round_like(self.crop_left, self.crop_left * x),
            round_like(self.crop_top, self.crop_top * y),
            round_like(self.crop_right, (self.crop_right + 1) * x - 1),
            round_like(self.crop_bottom, (self.crop_bottom + 1) * y - 1),
        )


@attrs.frozen(repr=False)
class Crops(Answer):
    """The answer of ``ai_crop``.

    Attributes:
        results: a crop for each ratio, or one; empty if none was found.
        img_size: the image's size, or None if WeChat did not say.
    """

    results: tuple[CropResult, ...] = ()
    img_size: ImgSize | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Crops:
        """Read WeChat's JSON."""
        crops = tuple(map(CropResult.from_dict, read_rows(fields, "results")))
        return cls(crops, ImgSize.from_dict(fields.get("img_size")))

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        return add_size({"results": [crop.to_dict() for crop in self.results]}, self.img_size)


def _table(crops: Crops) -> Iterator[tuple[str, str]]:
    for crop in crops.results:
        left, top, right, bottom = map(format_number, attrs.astuple(crop))
        yield "crop", f"{left},{top} {right},{bottom}"


def ratios_field(ratios: Iterable[float]) -> dict[str, str]:
    """Return the extra field for ratios of width to height; none without ratios.

    Raises:
        TypeError, ValueError: more than 5, or one that is no number from 0.001 to 1000.
    """
    if not isinstance(ratios, Iterable):
        raise TypeError(f"ratios must be an iterable of numbers, not {type(ratios).__name__}")
    given = tuple(ratios)
    if len(given) > _MOST_RATIOS:
        raise ValueError(f"ratios must be at most {_MOST_RATIOS}, not {len(given)}")
    for ratio in given:
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)):
            raise TypeError("ratios must be numbers, width divided by height")
        if not _LEAST_RATIO <= ratio <= _MOST_RATIO:
            raise ValueError("ratios must be from 0.001 to 1000, width divided by height")
    return {"ratios": ",".join(f"{ratio:g}" for ratio in given)} if given else {}


AI_CROP = Endpoint(
    *("ai_crop", "/cv/img/aicrop", Crops.from_dict, ("ratios",)),
    table=_table,
    summary="Find crops around what matters in a picture.",
)
