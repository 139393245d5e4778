"""Encodes a picture in fewer bytes than a limit: reduces the quality first, then the scale."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, NamedTuple

from wxcv.images.pictures import ORIENTATION, flatten, has_few_colours, strips

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image
    from PIL.ImageFile import ImageFile

_QUALITIES = (95, 90)
_LEAST_QUALITY = 85
_LONGEST_SIDE = 65_500
"""Maximum pixels of a side of a JPEG."""

_LARGEST_PROFILE = 4096
_ENCODES = 8
"""How many times a scaled picture is encoded at most."""

_FULL_ENOUGH = 0.96
_AIM = 0.98
_WORTH_A_PNG = 1.25
"""A PNG of up to this many times the limit is first compressed again without loss."""


class Encoded(NamedTuple):
    """The bytes of an image file, its content type, and its size in pixels."""

    data: bytes
    content_type: str
    size: tuple[int, int]


class Encoder:
    """Encodes one picture.

    Args:
        pixels: the pixels, as `read_pixels` returned them.
        source: the file that they came from.
        source_bytes: the size of that file in bytes.
        orientation: the EXIF orientation, which is written to every file.
    """

    def __init__(self, pixels: Image.Image, source: ImageFile, source_bytes: int, orientation: int) -> None:
        self._pixels = pixels
        self._source = source
        self._source_bytes = source_bytes
        self._metadata = _metadata(source, pixels, orientation)
        self._flat: Image.Image | None = None

    def encode_below(self, limit: int) -> Encoded | None:
        """Return the picture in fewer than ``limit`` bytes with as little loss as possible, or None."""
        longest = max(self._pixels.size)
        for encoded in self._lossless(limit):
            if len(encoded.data) < limit:
                return encoded
        full = min(1.0, _LONGEST_SIDE / longest)
        smallest = self._jpeg(full, _LEAST_QUALITY)
        if len(smallest.data) >= limit:
            return self._scale_below(limit, full, len(smallest.data))
        better = (self._jpeg(full, quality) for quality in _QUALITIES)
        return next((encoded for encoded in better if len(encoded.data) < limit), smallest)

    def _lossless(self, limit: int) -> Iterator[Encoded]:
        """Encode without loss, or a JPEG with its own tables, which removes the metadata."""
        if self._source.format == "JPEG":
            if self._pixels is self._source and self._source.mode in {"L", "RGB"}:
                data = _save(self._source, "JPEG", quality="keep", **self._metadata)
                yield Encoded(data, "image/jpeg", self._source.size)
            return
        is_near = self._source.format == "PNG" and self._source_bytes < limit * _WORTH_A_PNG
        has_few = has_few_colours(self._pixels)
        if has_few or is_near:
            picture = (_with_palette(self._pixels) if has_few else None) or self._pixels
            data = _save(picture, "PNG", optimize=True, **self._metadata)
            yield Encoded(data, "image/png", picture.size)

    def _jpeg(self, scale: float, quality: int) -> Encoded:
        if self._flat is None:
            self._flat = flatten(self._pixels)
        picture = self._flat if scale == 1 else _resize(self._flat, scale)
        return Encoded(_save(picture, "JPEG", quality=quality, **self._metadata), "image/jpeg", picture.size)

    def _scale_below(self, limit: int, full: float, full_bytes: int) -> Encoded | None:
        """Search for the largest scale, given the bytes that the full one takes."""
        best, low, high = None, 0.0, full
        tried = [(full, full_bytes)]
        for _ in range(_ENCODES):
            scale = _guess(tried, limit)
            if not low < scale < high:
                scale = (low + high) / 2
            encoded = self._jpeg(scale, _LEAST_QUALITY)
            tried.append((scale, len(encoded.data)))
            if len(encoded.data) >= limit:
                high = scale
                continue
            best, low = encoded, scale
            if len(encoded.data) >= limit * _FULL_ENOUGH:
                break
        return best


def _guess(tried: list[tuple[float, int]], limit: int) -> float:
    """Return the scale at which a picture probably takes a little less than the limit.

    The bytes grow with a power of the scale: 2 if there is detail everywhere, usually a lower one, which is
    estimated from the last two tries.
    """
    scale, size = tried[-1]
    power = 2.0
    if len(tried) > 1 and tried[-2][1] != size:
        before, bytes_before = tried[-2]
        power = min(max(math.log(bytes_before / size) / math.log(before / scale), 0.5), 2.5)
    return float(scale * (limit * _AIM / size) ** (1 / power))


def _resize(picture: Image.Image, scale: float) -> Image.Image:
    from PIL.Image import Resampling  # noqa: PLC0415 - the extra may be missing

    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Resampling.LANCZOS)


def _save(picture: Image.Image, kind: str, **options: object) -> bytes:
    # A JPEG is never saved with optimize=True: in memory, that holds the interpreter's lock to its end.
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _metadata(source: ImageFile, pixels: Image.Image, orientation: int) -> dict[str, object]:
    """Return the metadata to write: the orientation, and a small colour profile that fits the pixels."""
    from PIL import Image  # noqa: PLC0415 - the extra may be missing

    options: dict[str, object] = {"icc_profile": None, "comment": b"", "xmp": b""}
    profile = source.info.get("icc_profile")
    has_same_colours = (source.mode in {"1", "L", "LA"}) == (pixels.mode in {"1", "L"})
    if isinstance(profile, bytes) and len(profile) <= _LARGEST_PROFILE and has_same_colours:
        options["icc_profile"] = None if source.mode in {"CMYK", "LAB"} else profile
    if orientation != 1:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif.tobytes()
    else:
        options["exif"] = b""
    return options


def _with_palette(picture: Image.Image) -> Image.Image | None:
    """Return an opaque picture with a palette of just its colours, or None if that is not possible."""
    from PIL import Image, ImageChops  # noqa: PLC0415 - the extra may be missing

    if picture.mode not in {"L", "RGB"}:
        return None
    coloured = picture if picture.mode == "RGB" else picture.convert("RGB")
    small = coloured.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    for box, part in strips(picture):
        if ImageChops.difference(small.crop(box).convert(picture.mode), part).getbbox() is not None:
            return None
    return small
