"""A picture over the limit is brought below it, and means what it meant."""

from __future__ import annotations

import asyncio
import io
import random
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image, ImageChops, ImageStat, features
from support import pictures

import wxcv
from wxcv.endpoints.scaling import scale_answer
from wxcv.sandbox import Choices, Sandbox

if TYPE_CHECKING:
    from pathlib import Path

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


@cache
def scene() -> Image.Image:
    """A QR code in a corner and a line of small text on a background full of detail, as people look at it."""
    base = Image.effect_noise((400, 300), 60).resize((2400, 1800), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((2400, 1800), 80)
    canvas = Image.merge("RGB", [ImageChops.add(base, grain, 2), grain, base])
    canvas.paste(pictures.opened(pictures.qr_png("corner", scale=5)).convert("RGB"), (2100, 1500))
    canvas.paste(pictures.opened(pictures.text_png(["SMALL TEXT 42"], size=24)), (60, 60))
    return canvas


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
    stored = scene() if orientation == 1 else scene().transpose(turn[orientation])
    return jpeg(stored, exif=with_orientation(orientation), subsampling=0, quality=97)


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


def test_what_is_small_enough_is_not_touched() -> None:
    """An image below the limit is returned as the same bytes, whatever its kind; one at it is not."""
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        data = pictures.to_bytes(scene().resize((40, 30)), kind)
        result = wxcv.fit(data, LIMIT)
        assert result.data is data
        assert (result.scale, result.size, result.original_size) == (1.0, (40, 30), (40, 30))
        assert result.content_type == Image.MIME[kind]
    assert wxcv.fit(pictures.padded_png(LIMIT - 1), LIMIT).scale == 1
    assert len(wxcv.fit(pictures.padded_png(LIMIT), LIMIT).data) < LIMIT


def test_an_image_may_come_in_every_form(tmp_path: Path) -> None:
    """Bytes-like objects, paths, binary files and ImageBytes give the same picture."""
    data = jpeg(noise(300, 300))
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    result = wxcv.fit(data, LIMIT)
    with path.open("rb") as file:
        forms = [bytearray(data), memoryview(data), path, str(path), file, io.BytesIO(data)]
        for form in (*forms, wxcv.ImageBytes(data, "image/heic", "upload")):
            assert wxcv.fit(form, LIMIT) == result


def test_what_is_no_picture_is_left_out_first() -> None:
    """A JPEG that is too large for what is beside the picture keeps its quality and its pixels."""
    picture = scene().resize((400, 300)).convert("L").convert("RGB")
    data = jpeg(picture, quality=80, comment=b"x" * 60_000) + b"a film after the picture" * 4000
    result, small = fitted(data)

    assert result.scale == 1
    difference = ImageChops.difference(small, pictures.opened(data))
    assert max(ImageStat.Stat(difference).mean) < 0.5
    assert Image.open(io.BytesIO(result.data)).quantization == Image.open(io.BytesIO(data)).quantization
    assert b"xxx" not in result.data


def test_quality_goes_first_and_then_scale() -> None:
    """The more has to be saved, the lower is the quality, down to 85; only then the picture is scaled."""
    picture = noise(400, 400)
    sizes = {quality: len(jpeg(picture, quality=quality)) for quality in (95, 90, 85)}
    data = jpeg(picture, quality=98)
    tables = []
    for quality, size in sizes.items():
        result = wxcv.fit(data, size + 1)
        assert (result.scale, len(result.data)) == (1.0, pytest.approx(size, rel=0.1))
        tables.append(Image.open(io.BytesIO(result.data)).quantization)
        assert tables[-1] == Image.open(io.BytesIO(jpeg(picture, quality=quality))).quantization
    result, small = fitted(data, round(sizes[85] * 0.8))
    assert 0.8 < result.scale < 1
    assert small.size == (round(400 * result.scale),) * 2
    assert Image.open(io.BytesIO(result.data)).quantization == tables[-1]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.02])
def test_the_scale_is_nearly_the_largest_that_fits(share: float) -> None:
    """Scaled pictures take at least nine tenths of the limit, full of detail or with much empty space."""
    busy = noise(1200, 900)
    empty = Image.new("RGB", (1200, 900), "white")
    empty.paste(noise(500, 500), (100, 100))
    for picture in (busy, empty):
        limit = max(round(len(jpeg(picture, quality=85)) * share), 16_384)
        result, _ = fitted(jpeg(picture), limit)
        assert result.scale < 1
        assert len(result.data) > 0.9 * limit


def test_a_picture_of_few_colours_stays_without_loss() -> None:
    """A PNG, GIF or BMP of at most 256 colours becomes a PNG with the very same pixels and transparency."""
    drawing = Image.new("RGB", (900, 700), "white")
    drawing.paste(noise(120, 120, "P").convert("RGB").quantize(200).convert("RGB"), (5, 5))
    drawing.paste(pictures.opened(pictures.text_png(["few colours"])), (200, 200))
    drawing = drawing.quantize(250).convert("RGB")
    clear = drawing.quantize(16).convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 100, 900))
    lone = drawing.convert("1")
    for picture, kind in (
        (drawing, "PNG"),
        (drawing, "BMP"),
        (drawing, "TIFF"),
        (clear, "PNG"),
        (lone, "BMP"),
    ):
        data = pictures.to_bytes(picture, kind, **({"compress_level": 0} if kind == "PNG" else {}))
        assert len(data) > LIMIT
        result, small = fitted(data)
        assert (result.content_type, result.scale) == ("image/png", 1.0)
        mode = picture.mode
        assert ImageChops.difference(small.convert(mode), picture).getbbox() is None
    assert small.mode == "1"


def test_a_png_of_many_colours_becomes_a_jpeg_unless_it_nearly_fits() -> None:
    """A PNG full of colours becomes a JPEG; one that only lacks better compression stays as it is."""
    data = pictures.to_bytes(noise(300, 300))
    result, _ = fitted(data)
    assert result.content_type == "image/jpeg"

    gradient = Image.linear_gradient("L").resize((300, 200))
    busy = Image.merge(
        "RGB", [gradient, gradient.rotate(180), noise(300, 200, "L").resize((20, 20)).resize((300, 200))]
    )
    loose = pictures.to_bytes(busy, compress_level=1)
    result, small = fitted(loose, max(16_384, len(loose) - 10))
    assert result.content_type == "image/png"
    assert ImageChops.difference(small, busy).getbbox() is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_stay_where_they_are_and_the_orientation_is_kept(kind: str, orientation: int) -> None:
    """The picture is never turned: its tag is copied, and no other metadata are."""
    picture = Image.new("L", (600, 400), 255)
    picture.paste(noise(350, 300, "L"), (0, 0))
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = orientation, "camera"
    data = pictures.to_bytes(picture, kind, exif=exif, quality=95)
    result, small = fitted(data, 50_000)
    tags = Image.open(io.BytesIO(result.data)).getexif()

    assert result.original_size == (600, 400)
    assert tags.get(0x0112, 1) == orientation
    assert len(tags) <= 1
    width, height = small.size
    assert small.width > small.height
    assert small.crop((0, height * 4 // 5, width, height)).convert("L").getextrema()[0] > 200
    assert small.crop((width * 2 // 3, 0, width, height)).convert("L").getextrema()[0] > 200


def test_every_mode_of_pixels_is_fitted() -> None:
    """CMYK, 16 bits a channel, a palette, grey and grey with transparency look as they did."""
    grey = noise(300, 300, "L").resize((500, 500))
    deep = Image.frombytes("I;16", (500, 500), b"".join(bytes((v, v)) for v in grey.tobytes()))
    for picture, kind in (
        (grey.convert("CMYK"), "JPEG"),
        (deep, "PNG"),
        (deep, "TIFF"),
        (noise(500, 500).quantize(256), "GIF"),
        (grey, "PNG"),
        (grey.convert("LA"), "PNG"),
        (noise(500, 500).convert("YCbCr"), "TIFF"),
    ):
        result, small = fitted(pictures.to_bytes(picture, kind), 40_000)
        looks = (
            (grey if picture is deep else picture).convert("L").resize(result.size, Image.Resampling.LANCZOS)
        )
        difference = ImageStat.Stat(ImageChops.difference(small.convert("L"), looks)).mean[0]
        assert difference < 12, (picture.mode, kind)


def test_transparent_pictures_are_laid_on_what_they_stand_out_from() -> None:
    """Light drawings are laid on black and dark ones on white, so that they can still be seen."""
    for colour, ground in (("white", 0), ("black", 255)):
        layer = noise(400, 400).convert("RGBA")
        layer.putalpha(0)
        layer.paste(colour, (50, 50, 250, 250))
        layer.paste(noise(60, 60, "RGBA"), (150, 150))
        result, small = fitted(pictures.to_bytes(layer), 20_000)
        assert result.content_type == "image/jpeg"
        assert abs(small.convert("L").resize((100, 100)).getpixel((3, 3)) - ground) < 20
        inside = small.convert("L").resize((400, 400)).getpixel((70, 70))
        assert abs(inside - ground) > 200


def test_the_first_frame_of_an_animation_is_taken() -> None:
    """Of a GIF, a WebP and a TIFF with several pictures the first is fitted."""
    frames = [noise(300, 300), Image.new("RGB", (300, 300), "black")]
    for kind in ("GIF", "WEBP", "TIFF"):
        data = pictures.to_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
        _, small = fitted(data, 30_000)
        assert ImageStat.Stat(small.convert("L")).mean[0] > 60


def test_avif_is_converted_whatever_its_size() -> None:
    """An AVIF of any size becomes a JPEG, as WeChat is not known to read it."""
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    result, small = fitted(pictures.to_bytes(scene().resize((200, 150)), "AVIF"))

    assert (result.content_type, result.scale, small.size) == ("image/jpeg", 1.0, (200, 150))


def test_a_small_colour_profile_is_kept_and_a_large_one_is_not() -> None:
    """A profile goes with the pixels if it is small and about them; one of CMYK is not about RGB."""
    for mode, profile, kept in (
        ("RGB", b"p" * 500, True),
        ("RGB", b"p" * 5000, False),
        ("CMYK", b"p" * 500, False),
    ):
        result, _ = fitted(jpeg(noise(300, 300).convert(mode), icc_profile=profile))
        assert (Image.open(io.BytesIO(result.data)).info.get("icc_profile") == profile) is kept


def test_a_very_long_picture_becomes_a_jpeg() -> None:
    """A side of more pixels than a JPEG can have is scaled down."""
    data = pictures.to_bytes(noise(70_000, 3))
    result, _ = fitted(data, 300_000)

    assert result.size[0] <= 65_500
    assert result.content_type == "image/jpeg"


def test_a_fitted_image_can_be_sent_and_shows_no_bytes() -> None:
    """A FittedImage shows how many bytes it has and not what they are."""
    assert "<1 bytes>" in repr(wxcv.FittedImage(b"x", "image/png", 1.0, (1, 1), (1, 1)))
