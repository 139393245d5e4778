"""What cannot be fitted is refused with an error that names the image and the remedy."""

from __future__ import annotations

import inspect
import io
import pickle
import struct
import subprocess
import sys
import zlib
from typing import Any

import pytest
from PIL import Image
from support import pictures

import wxcv
from wxcv.images.sources import IMAGE_LIMIT, check_image

LIMIT = 65_536


def header(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and has almost no bytes."""
    png = bytearray(pictures.padded_png(LIMIT))
    png[16:24] = struct.pack(">II", width, height)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    return bytes(png)


def test_pictures_of_too_many_pixels_are_refused_by_their_header() -> None:
    """100 megapixels are refused, and less is not; nothing is decoded, and Pillow's limit stays as it was."""
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(
        wxcv.ImageTooLargeError, match=r"it has 100,000,000 pixels, but.* scale it down"
    ) as caught:
        wxcv.fit(wxcv.ImageBytes(header(10_000, 10_000), name="poster.png"), LIMIT)

    assert (caught.value.size, caught.value.limit, caught.value.unit) == (100_000_000, 100_000_000, "pixels")
    assert caught.value.image == "poster.png"
    assert pickle.loads(pickle.dumps(caught.value)).unit == "pixels"  # noqa: S301 - ours
    with pytest.raises(wxcv.UnreadableImageError, match="cannot be decoded"):
        wxcv.fit(header(9_999, 10_000), LIMIT)
    assert before == Image.MAX_IMAGE_PIXELS
    assert wxcv.fit(header(60_000, 60_000)).size == (60_000, 60_000)  # small enough in bytes: not touched


async def test_fitting_is_advised_only_where_it_helps() -> None:
    """A session says that fit=True would help for 49,999,999 bytes, and does not for 50,000,000."""
    async with wxcv.Session(wxcv.StaticTokenCredential("T")) as session:
        with pytest.raises(wxcv.ImageTooLargeError, match=r"or pass Session\(fit=True\) \(extra: fit\)$"):
            await session.scan_qrcode(bytes(49_999_999))
        with pytest.raises(wxcv.ImageTooLargeError, match=r"or compress it more$"):
            await session.scan_qrcode(bytes(50_000_000))


class _Awaited:
    """An upload of a web framework."""

    filename = "upload.png"

    async def read(self, _size: int) -> bytes:
        """Return the bytes when awaited."""
        return b""


class _Hostile:
    """An object that raises when it is looked at."""

    @property
    def read(self) -> None:
        """Raise."""
        raise ZeroDivisionError("MARKED")


@pytest.mark.parametrize(
    ("image", "error", "said"),
    [
        (b"", wxcv.EmptyImageError, "no bytes"),
        (b"text" * 20, wxcv.UnsupportedImageError, r"not a supported image, .*; pass .* HEIC or AVIF$"),
        (bytes(50_000_000), wxcv.ImageTooLargeError, "it has 50,000,000 bytes, but.* fewer than 50,000,000"),
        (b"\xff\xd8\xff" + bytes(LIMIT), wxcv.UnreadableImageError, "is the file damaged or cut off"),
        (b"\0\0\0\x18ftypheic" + bytes(99), wxcv.UnsupportedImageError, "cannot open image/heic; convert it"),
        ("missing.png", wxcv.UnreadableImageError, "^missing.png: cannot be read"),
        ("https://h/a.png?MARKED", wxcv.UnreadableImageError, "a URL; download the image"),
        (
            wxcv.ImageUrl("https://h/a.png?MARKED"),
            wxcv.UnreadableImageError,
            "^https://h/a.png: this is a URL",
        ),
        (5, wxcv.UnreadableImageError, "<int>: not an image; pass bytes"),
        (_Awaited(), wxcv.UnreadableImageError, r"^upload.png: its read\(\) must be awaited"),
        (io.StringIO("text"), wxcv.UnreadableImageError, "binary mode"),
        (_Hostile(), wxcv.UnreadableImageError, "<_Hostile>: .*ZeroDivisionError at "),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_fitted_is_told(image: Any, error: type[wxcv.ImageError], said: str) -> None:
    """Every image that cannot be fitted gives the error that says why, with its name and the remedy."""
    with pytest.raises(error, match=said) as caught:
        wxcv.fit(image, LIMIT)

    assert type(caught.value) is error
    assert "MARKED" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_picture_that_is_cut_off_is_refused() -> None:
    """A large picture of which the end is missing is not sent as half a picture."""
    picture = Image.effect_noise((400, 400), 60).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"):
        data = pictures.to_bytes(picture, kind)
        with pytest.raises(wxcv.UnreadableImageError, match="damaged or cut off"):
            wxcv.fit(data[: len(data) * 2 // 3], 20_000)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
async def test_a_damaged_fax_writes_nothing_on_stderr(
    compression: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A TIFF of a fax compression is refused by its header, as libtiff complains of every line of it."""
    fax = bytearray(pictures.to_bytes(pictures.noise(800, 800, "1"), "TIFF", compression=compression))
    fax[1000:1010] = bytes(10)
    reader = wxcv.LocalCodeReader()

    with pytest.raises(wxcv.UnsupportedImageError, match=r"fax compression \(CCITT\); save it as PNG"):
        wxcv.fit(fax, 16_384)
    assert await reader.find(wxcv.SCAN_QRCODE, check_image(bytes(fax), "a.tiff"), {}) is None
    await reader.aclose()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("limit", [0, -1, 16_383, 1e6, "2 MB", None, True])
def test_a_limit_out_of_its_range_is_refused(limit: Any) -> None:
    """The limit is a whole number of bytes from 16,384 on; the default is the session's."""
    with pytest.raises(ValueError, match="limit must be an integer from 16384"):
        wxcv.fit(b"", limit)
    assert inspect.signature(wxcv.fit).parameters["limit"].default == IMAGE_LIMIT


def test_ctrl_c_while_a_file_is_read_is_not_an_error_of_the_image() -> None:
    """A KeyboardInterrupt leaves wxcv.fit as it is, so that it ends a loop over many images."""

    class Interrupted:
        def read(self, _size: int) -> bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wxcv.fit(Interrupted())


def test_a_missing_extra_is_told_with_its_remedy() -> None:
    """Without Pillow, fit is an ImportError with the command that installs it."""
    program = """
import sys, wxcv
sys.modules["PIL"] = None
try:
    wxcv.fit(b"x")
except ImportError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)  # noqa: S603 - our own

    assert 'wxcv.fit needs pillow from the extra fit: python -m pip install "wxcv[fit]"' in done.stdout
