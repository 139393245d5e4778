"""Endpoints are values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import STATIC
from support.pictures import PICTURE
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web

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


IDCARD = wxcv.Endpoint(
    "idcard", "/cv/ocr/idcard", dict, fields=("ratios",), query_fields=("type",), is_personal=True
)


@pytest.mark.parametrize(
    ("image", "query", "form"),
    [
        (PICTURE, {"type": "photo"}, {"ratios": "1,2"}),
        ("https://example.com/a.png", {"type": "photo", "ratios": "1,2"}, {}),
    ],
    ids=["upload", "url"],
)
async def test_a_query_field_goes_into_the_query(
    image: bytes | str, query: dict[str, str], form: dict[str, str]
) -> None:
    """A query field is in the query of uploads too, where other fields are parts of the form."""
    seen: list[tuple[dict[str, str], dict[str, str]]] = []

    async def call(request: web.Request) -> web.Response:
        parts = await request.post()
        fields = {name: part for name, part in parts.items() if isinstance(part, str)}
        seen.append(({**request.query}, fields))
        return answer(name="x")

    async with api_server(call) as url, wxcv.Session(STATIC, base_url=url) as session:
        answered = await session.call(IDCARD, image, fields={"ratios": "1,2", "type": "photo"})

    sent_query, sent_form = seen[0]
    assert answered["name"] == "x"
    assert {
        name: sent_query[name] for name in sent_query if name in IDCARD.fields + IDCARD.query_fields
    } == query
    assert sent_form == form


async def test_an_unknown_field_is_told_with_all_that_are_known(session: wxcv.Session, box: Sandbox) -> None:
    """The refusal of an unknown field lists form and query fields, and nothing is sent."""
    with pytest.raises(ValueError, match="it accepts: ratios, type"):
        await session.call(IDCARD, PICTURE, fields={"kind": "photo"})

    assert not box.received


def test_the_two_pages_hold_nothing_personal() -> None:
    """Answers are personal only where an endpoint says so."""
    assert (IDCARD.is_personal, wxcv.SCAN_QRCODE.is_personal, wxcv.PRINTED_TEXT.is_personal) == (
        True,
        False,
        False,
    )


def test_an_answer_is_printed_as_the_rows_of_its_endpoint() -> None:
    """A row is a label and a text: a code's type and data, or a line of text."""
    codes = tuple(wxcv.CodeResult(kind, data) for kind, data in (("QR_CODE", "a"), ("EAN_13", "b")))
    lines = tuple(map(wxcv.TextItem, ("one", "two")))

    assert list(wxcv.SCAN_QRCODE.table(wxcv.QrcodeScan(codes))) == [("QR_CODE", "a"), ("EAN_13", "b")]
    assert list(wxcv.SCAN_QRCODE.table(wxcv.QrcodeScan())) == []
    assert list(wxcv.PRINTED_TEXT.table(wxcv.PrintedText(lines))) == [("text", "one"), ("text", "two")]
    assert list(wxcv.PRINTED_TEXT.table(wxcv.PrintedText())) == []


def test_an_endpoint_without_a_table_prints_its_answer_on_one_line() -> None:
    """Without a table of its own, an endpoint's answer is one row: its JSON, or what it is as a string."""
    plain: wxcv.Endpoint[Any] = wxcv.Endpoint("x", "/cv/x", dict)

    assert list(plain.table(wxcv.TextItem("é"))) == [("answer", '{"text": "é"}')]
    assert list(plain.table(7)) == [("answer", "7")]
