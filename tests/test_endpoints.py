"""Endpoints are values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pictures

import wxcv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.sandbox import Sandbox


def test_the_two_pages_have_their_paths() -> None:
    """Each endpoint has the word and the path of its official page."""
    assert (wxcv.SCAN_QRCODE.name, wxcv.SCAN_QRCODE.path) == ("scan_qrcode", "/cv/img/qrcode")
    assert (wxcv.PRINTED_TEXT.name, wxcv.PRINTED_TEXT.path) == ("printed_text", "/cv/ocr/comm")


async def test_a_new_page_is_one_value_and_one_answer(session: wxcv.Session, box: Sandbox) -> None:
    """An Endpoint made by a user works in call() with an answer of the user's own."""

    def read(fields: Mapping[str, Any]) -> int:
        return int(fields["img_size"]["w"])

    width = wxcv.Endpoint("width", "/cv/img/qrcode", read)
    picture = pictures.qr_png("x")

    assert await session.call(width, picture) == (await session.scan_qrcode(picture)).img_size.w
    assert box.requests["/cv/img/qrcode"] == 2
