"""Photos that are too large are read after fitting, with positions in their own pixels."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

import pytest
from PIL import Image
from support import pictures

import wxcv
from wxcv.endpoints.scaling import scale_answer
from wxcv.sandbox import Choices, Sandbox


def with_orientation(orientation: int) -> bytes:
    """EXIF metadata with an orientation and the model of a camera."""
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "camera"
    return exif.tobytes()


@cache
def photo(orientation: int) -> bytes:
    """A photo of the scene of over 3 MB, taken with the camera held so that it needs that orientation."""
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = pictures.scene() if orientation == 1 else pictures.scene().transpose(turn[orientation])
    return pictures.jpeg(stored, exif=with_orientation(orientation), subsampling=0, quality=97)


def session_of(box: Sandbox, **options: Any) -> wxcv.Session:
    """A session of the sandbox's account."""
    return wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url, **options)


def corners(pos: wxcv.Pos | None) -> list[float]:
    """The eight numbers of a position."""
    assert pos is not None
    points = (pos.left_top, pos.right_top, pos.right_bottom, pos.left_bottom)
    return [number for point in points for number in (point.x, point.y)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("exif", ["ignore", "apply"])
async def test_a_large_photo_is_read_after_it_was_fitted(orientation: int, exif: Any) -> None:
    """A photo that is refused for its size is read when fitted, with ``pos`` in the original's pixels."""
    data, options = photo(orientation), {"choices": Choices(exif=exif)}
    result = await asyncio.to_thread(wxcv.fit, data)
    async with Sandbox(**options, size_limit=2 * 10**7) as lenient, Sandbox(**options) as box:
        async with session_of(lenient, image_limit=2 * 10**7) as generous, session_of(box) as session:
            with pytest.raises(wxcv.ImageTooLargeError):
                await session.scan_qrcode(data)
            true = await generous.scan_qrcode(data)
            read = await session.scan_qrcode(result.data)
    scaled = scale_answer(read, result.size, result.original_size)
    code, same = scaled.code_results[0], true.code_results[0]

    assert 0.5 < result.scale < 1
    assert read.img_size != scaled.img_size == true.img_size
    assert (code.data, code.type_name) == (same.data, same.type_name) == ("corner", "QR_CODE")
    assert max(abs(a - b) for a, b in zip(corners(code.pos), corners(same.pos), strict=True)) <= 3


async def test_small_text_of_a_large_photo_is_read() -> None:
    """Text that is small in a photo of over 3 MB is read after fitting, where it stands in the photo."""
    result = await asyncio.to_thread(wxcv.fit, photo(6))
    async with Sandbox(choices=Choices(exif="apply")) as box, session_of(box) as session:
        page = scale_answer(await session.printed_text(result.data), result.size, result.original_size)
    item = next(item for item in page.items if "SMALL TEXT" in item.text)

    assert page.img_size == wxcv.ImgSize(2400, 1800)
    assert min(corners(item.pos)) > 60
    assert max(corners(item.pos)) < 400
