"""Endpoints are values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pictures
import pytest

import wxcv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.sandbox import Sandbox


def test_the_two_pages_have_their_paths() -> None:
    """Each endpoint has the word and the path of its official page."""
    assert (wxcv.SCAN_QRCODE.name, wxcv.SCAN_QRCODE.path) == ("scan_qrcode", "/cv/img/qrcode")
    assert (wxcv.PRINTED_TEXT.name, wxcv.PRINTED_TEXT.path) == ("printed_text", "/cv/ocr/comm")


@pytest.mark.parametrize(
    "path", ["cv/ocr/idcard", "//evil.example/cv", "/cv/x?type=photo", "/cv/x#f", "/cv/x\r\n", "", "/", None]
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: Any) -> None:
    """A path without its slash, or with a query, could send the token elsewhere or lose it; it is refused."""
    with pytest.raises(ValueError, match="/cv/ocr/comm"):
        wxcv.Endpoint("x", path, dict)


async def test_call_wants_an_endpoint(session: wxcv.Session) -> None:
    """Something else than an Endpoint is refused by call() with an example of one."""
    with pytest.raises(TypeError, match=r"wxcv\.SCAN_QRCODE"):
        await session.call("scan_qrcode", b"")  # type: ignore[arg-type]


async def test_a_new_page_is_one_value_and_one_answer(session: wxcv.Session, box: Sandbox) -> None:
    """An Endpoint made by a user works in call() with an answer of the user's own."""

    def read(fields: Mapping[str, Any]) -> int:
        return int(fields["img_size"]["w"])

    width = wxcv.Endpoint("width", "/cv/img/qrcode", read)
    picture = pictures.qr_png("x")

    assert await session.call(width, picture) == (await session.scan_qrcode(picture)).img_size.w
    assert box.requests["/cv/img/qrcode"] == 2
