"""A picture over the limit is brought below it, and means what it meant."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageChops, ImageStat, features
from support import pictures

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = 65_536


def fitted(data: bytes, limit: int = LIMIT) -> tuple[wxcv.FittedImage, Image.Image]:
    """Fit it, and open the result."""
    result = wxcv.fit(data, limit)
    assert len(result.data) < limit
    picture = pictures.opened(result.data)
    assert picture.size == result.size
    assert Image.MIME[Image.open(io.BytesIO(result.data)).format or ""] == result.content_type
    return result, picture


def test_what_is_small_enough_is_not_touched() -> None:
    """An image below the limit is returned as the same bytes, whatever its kind; one at it is not."""
    for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF"):
        data = pictures.to_bytes(pictures.scene().resize((40, 30)), kind)
        result = wxcv.fit(data, LIMIT)
        assert result.data is data
        assert (result.scale, result.size, result.original_size) == (1.0, (40, 30), (40, 30))
        assert result.content_type == Image.MIME[kind]
    assert wxcv.fit(pictures.padded_png(LIMIT - 1), LIMIT).scale == 1
    assert len(wxcv.fit(pictures.padded_png(LIMIT), LIMIT).data) < LIMIT


def test_an_image_may_come_in_every_form(tmp_path: Path) -> None:
    """Bytes-like objects, paths, binary files and ImageBytes give the same picture."""
    data = pictures.jpeg(pictures.noise(300, 300))
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    result = wxcv.fit(data, LIMIT)
    with path.open("rb") as file:
        forms = [bytearray(data), memoryview(data), path, str(path), file, io.BytesIO(data)]
        for form in (*forms, wxcv.ImageBytes(data, "image/heic", "upload")):
            assert wxcv.fit(form, LIMIT) == result


def test_what_is_no_picture_is_left_out_first() -> None:
    """A JPEG that is too large for what is beside the picture keeps its quality and its pixels."""
    picture = pictures.scene().resize((400, 300)).convert("L").convert("RGB")
    data = pictures.jpeg(picture, quality=80, comment=b"x" * 60_000) + b"a film after the picture" * 4000
    result, small = fitted(data)

    assert result.scale == 1
    difference = ImageChops.difference(small, pictures.opened(data))
    assert max(ImageStat.Stat(difference).mean) < 0.5
    assert Image.open(io.BytesIO(result.data)).quantization == Image.open(io.BytesIO(data)).quantization
    assert b"xxx" not in result.data


def test_quality_goes_first_and_then_scale() -> None:
    """The more has to be saved, the lower is the quality, down to 85; only then the picture is scaled."""
    picture = pictures.noise(400, 400)
    sizes = {quality: len(pictures.jpeg(picture, quality=quality)) for quality in (95, 90, 85)}
    data = pictures.jpeg(picture, quality=98)
    tables = []
    for quality, size in sizes.items():
        result = wxcv.fit(data, size + 1)
        assert (result.scale, len(result.data)) == (1.0, pytest.approx(size, rel=0.1))
        tables.append(Image.open(io.BytesIO(result.data)).quantization)
        assert tables[-1] == Image.open(io.BytesIO(pictures.jpeg(picture, quality=quality))).quantization
    result, small = fitted(data, round(sizes[85] * 0.8))
    assert 0.8 < result.scale < 1
    assert small.size == (round(400 * result.scale),) * 2
    assert Image.open(io.BytesIO(result.data)).quantization == tables[-1]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.02])
def test_the_scale_is_nearly_the_largest_that_fits(share: float) -> None:
    """Scaled pictures take at least nine tenths of the limit, full of detail or with much empty space."""
    busy = pictures.noise(1200, 900)
    empty = Image.new("RGB", (1200, 900), "white")
    empty.paste(pictures.noise(500, 500), (100, 100))
    for picture in (busy, empty):
        limit = max(round(len(pictures.jpeg(picture, quality=85)) * share), 16_384)
        result, _ = fitted(pictures.jpeg(picture), limit)
        assert result.scale < 1
        assert len(result.data) > 0.9 * limit


def test_a_picture_of_few_colours_stays_without_loss() -> None:
    """A PNG, GIF or BMP of at most 256 colours becomes a PNG with the very same pixels and transparency."""
    drawing = Image.new("RGB", (900, 700), "white")
    drawing.paste(pictures.noise(120, 120, "P").convert("RGB").quantize(200).convert("RGB"), (5, 5))
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
    data = pictures.to_bytes(pictures.noise(300, 300))
    result, _ = fitted(data)
    assert result.content_type == "image/jpeg"

    gradient = Image.linear_gradient("L").resize((900, 600))
    busy = Image.merge(
        "RGB",
        [gradient, gradient.rotate(180), pictures.noise(20, 20, "L").resize((900, 600))],
    )
    loose = pictures.to_bytes(busy, compress_level=1)
    result, small = fitted(loose, len(loose) - 10)
    assert result.content_type == "image/png"
    assert ImageChops.difference(small, busy).getbbox() is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_stay_where_they_are_and_the_orientation_is_kept(kind: str, orientation: int) -> None:
    """The picture is never turned: its tag is copied, and no other metadata are."""
    picture = Image.new("L", (600, 400), 255)
    picture.paste(pictures.noise(350, 300, "L"), (0, 0))
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
    grey = pictures.noise(300, 300, "L").resize((500, 500))
    deep = Image.frombytes("I;16", (500, 500), b"".join(bytes((v, v)) for v in grey.tobytes()))
    for picture, kind in (
        (grey.convert("CMYK"), "JPEG"),
        (deep, "PNG"),
        (deep, "TIFF"),
        (pictures.noise(500, 500).quantize(256), "GIF"),
        (grey, "PNG"),
        (grey.convert("LA"), "PNG"),
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
        layer = pictures.noise(400, 400).convert("RGBA")
        layer.putalpha(0)
        layer.paste(colour, (50, 50, 250, 250))
        layer.paste(pictures.noise(60, 60, "RGBA"), (150, 150))
        result, small = fitted(pictures.to_bytes(layer), 20_000)
        assert result.content_type == "image/jpeg"
        assert abs(small.convert("L").resize((100, 100)).getpixel((3, 3)) - ground) < 20
        inside = small.convert("L").resize((400, 400)).getpixel((70, 70))
        assert abs(inside - ground) > 200


def test_the_first_frame_of_an_animation_is_taken() -> None:
    """Of a GIF, a WebP and a TIFF with several pictures the first is fitted."""
    frames = [pictures.noise(300, 300), Image.new("RGB", (300, 300), "black")]
    for kind in ("GIF", "WEBP", "TIFF"):
        data = pictures.to_bytes(frames[0], kind, save_all=True, append_images=frames[1:])
        _, small = fitted(data, 30_000)
        assert ImageStat.Stat(small.convert("L")).mean[0] > 60


def test_a_second_picture_behind_a_jpeg_is_left_out_first() -> None:
    """A file of a camera with two pictures is fitted without loss of quality if the first alone is small."""
    frames = [pictures.noise(100, 100), pictures.noise(400, 400)]
    data = pictures.to_bytes(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=80)
    result, small = fitted(data)

    assert (result.content_type, small.size) == ("image/jpeg", (100, 100))
    assert Image.open(io.BytesIO(result.data)).quantization == Image.open(io.BytesIO(data)).quantization


def test_avif_is_converted_whatever_its_size() -> None:
    """An AVIF of any size becomes a JPEG, as WeChat is not known to read it."""
    if not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    result, small = fitted(pictures.to_bytes(pictures.scene().resize((200, 150)), "AVIF"))

    assert (result.content_type, result.scale, small.size) == ("image/jpeg", 1.0, (200, 150))


def test_a_small_colour_profile_is_kept_and_a_large_one_is_not() -> None:
    """A profile goes with the pixels if it is small and about them; one of CMYK is not about RGB."""
    for mode, profile, kept in (
        ("RGB", b"p" * 500, True),
        ("RGB", b"p" * 5000, False),
        ("CMYK", b"p" * 500, False),
    ):
        result, _ = fitted(pictures.jpeg(pictures.noise(300, 300).convert(mode), icc_profile=profile))
        assert (Image.open(io.BytesIO(result.data)).info.get("icc_profile") == profile) is kept


def test_a_very_long_picture_becomes_a_jpeg() -> None:
    """A side of more pixels than a JPEG can have is scaled down."""
    data = pictures.to_bytes(pictures.noise(70_000, 3))
    result, _ = fitted(data, 300_000)

    assert result.size[0] <= 65_500
    assert result.content_type == "image/jpeg"


def test_a_fitted_image_can_be_sent_and_shows_no_bytes() -> None:
    """A FittedImage shows how many bytes it has and not what they are."""
    assert "<1 bytes>" in repr(wxcv.FittedImage(b"x", "image/png", 1.0, (1, 1), (1, 1)))
