"""What is held of an upload."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

import wxcv
from wxcv.integrations.uploads import FORM_LIMIT, UploadBuffer, check_upload

LIMIT = 1_000_000


@pytest.mark.parametrize(
    ("length", "is_form", "is_refused"),
    [
        (None, False, False),
        (str(LIMIT - 1), False, False),
        (str(LIMIT), False, True),
        (str(LIMIT + FORM_LIMIT - 1), True, False),
        (str(LIMIT + FORM_LIMIT), True, True),
        ("9" * 5000, True, True),
        ("0" * 5000, False, False),
        ("", False, False),
        ("many", False, False),
        ("-5", False, False),
    ],
)
def test_a_content_length_decides_before_anything_is_read(
    length: str | None, is_form: bool, is_refused: bool
) -> None:
    """A Content-Length of the limit or more is refused; a form has some bytes beside its image."""
    if not is_refused:
        UploadBuffer(LIMIT, length, is_form=is_form)
        return
    with pytest.raises(wxcv.ImageTooLargeError) as caught:
        UploadBuffer(LIMIT, length, is_form=is_form)
    assert caught.value.limit == LIMIT


def test_no_more_than_the_limit_is_held() -> None:
    """The memory of an endless image ends at its limit, and the image is taken without a copy."""
    chunk = bytes(50_000)
    buffer = UploadBuffer(LIMIT, None, is_form=False)
    tracemalloc.start()
    try:
        with pytest.raises(wxcv.ImageTooLargeError, match="at least 1,000,000 bytes"):
            while True:
                buffer.write(chunk)
        image = buffer.to_image("a.png")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(memoryview(image.data)) == LIMIT - len(chunk)
    assert most < 1.3 * LIMIT


def test_the_body_is_counted_beside_the_image() -> None:
    """What belongs to a form may have 64 KiB more than the image, and no byte beyond that."""
    form = UploadBuffer(LIMIT, None, is_form=True)
    form.count(LIMIT + FORM_LIMIT - 1)
    with pytest.raises(wxcv.ImageTooLargeError):
        form.count(1)
    with pytest.raises(wxcv.ImageTooLargeError):
        UploadBuffer(LIMIT, None, is_form=False).count(LIMIT)


@pytest.mark.parametrize(
    ("limit", "field", "named"),
    [
        (0, "image", "limit"),
        (True, "image", "limit"),
        (1.5, "image", "limit"),
        (1, "", "field"),
        (1, 5, "field"),
    ],
)
def test_a_wrong_setting_is_named(limit: Any, field: Any, named: str) -> None:
    """A limit that is no positive whole number, and a field without a name, are refused."""
    with pytest.raises((ValueError, TypeError), match=named):
        check_upload(limit, field)
