"""A picture over the limit is brought below it, and means what it meant."""

from __future__ import annotations

import asyncio
import io
import random
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops
from support import pictures

import wxcv
from wxcv.endpoints.scaling import scale_answer
from wxcv.images.sources import IMAGE_LIMIT

if TYPE_CHECKING:
    from pathlib import Path

    from wxcv.sandbox import Sandbox

LIMIT = 65_536


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture with detail everywhere."""
    picture = Image.frombytes("RGB", (width, height), random.Random(1).randbytes(width * height * 3))  # noqa: S311
    return picture.convert(mode)


def jpeg(picture: Image.Image, **options: Any) -> bytes:
    """The picture as a JPEG of quality 95, unless the options say otherwise."""
    return pictures.to_bytes(picture, "JPEG", **{"quality": 95, **options})


def fitted(data: bytes, limit: int = LIMIT) -> tuple[wxcv.FittedImage, Image.Image]:
    """Fit it, and open the result."""
    result = wxcv.fit(data, limit)
    assert len(result.data) < limit
    picture = pictures.opened(result.data)
    assert picture.size == result.size
    assert Image.MIME[Image.open(io.BytesIO(result.data)).format or ""] == result.content_type
    return result, picture


def with_orientation(orientation: int) -> bytes:
    """EXIF metadata with an orientation and the model of a camera."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "camera"
    return exif.tobytes()


def photo(orientation: int) -> bytes:
    """A photo of more than 3 MB with a QR code in a corner and small text, tagged with the orientation."""
    base = Image.effect_noise((500, 375), 60).resize((2000, 1500), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((2000, 1500), 90)
    canvas = Image.merge("RGB", [ImageChops.add(base, grain, 2), grain, base])
    canvas.paste(pictures.opened(pictures.qr_png("corner", scale=5)).convert("RGB"), (1700, 1200))
    canvas.paste(pictures.opened(pictures.text_png(["SMALL TEXT 42"], size=28)), (60, 60))
    return jpeg(canvas, exif=with_orientation(orientation), subsampling=0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", ["ignore", "apply"])
async def test_a_large_photo_is_read_after_it_was_fitted(orientation: int, exif: str) -> None:
    """A photo that is refused for its size is read when it is fitted, with ``pos`` in the original's pixels."""
    from wxcv.sandbox import Choices, Sandbox

    data = photo(orientation)
    choices = Choices(exif=exif)  # type: ignore[arg-type] # one of the two
    async with Sandbox(choices=choices) as box, Sandbox(choices=choices, image_limit=10**7) as large:
        found = [await scan(one, image) for one, image in ((large, data), (box, wxcv.fit(data).data))]
        async with session_of(box) as session:
            with pytest.raises(wxcv.ImageTooLargeError):
                await session.scan_qrcode(data)
    result = wxcv.fit(data)
    scaled = scale_answer(found[1], result.size, result.original_size)

    assert 0.5 < result.scale < 1
    assert (scaled.code_results[0].data, scaled.img_size) == ("corner", found[0].img_size)
    assert result.original_size == (2000, 1500)
    for mine, true in zip(corners(scaled), corners(found[0]), strict=True):
        assert abs(mine.x - true.x) <= 3
        assert abs(mine.y - true.y) <= 3


def session_of(box: Sandbox) -> wxcv.Session:
    """A session of the sandbox's account."""
    return wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
