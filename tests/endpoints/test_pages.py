"""WeChat's other image pages: a file in tests/samples/pages/ holds each to what its page says."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from support import pictures
from support.commands import run_against
from support.places import PARCEL, SAMPLES
from support.servers import TOKEN, answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

PICTURE = pictures.blank_png()
STATIC = wxcv.StaticTokenCredential(TOKEN)
MARK = "MARKED"
WRONG = 5.5
"""Of no type that any field of any page has."""


@attrs.frozen
class Page:
    """What is known of one page.

    Attributes:
        method, endpoint: their names.
        path: of the page.
        answer: WeChat's sample, with data that is personal marked.
        rows: what the command line prints.
        decoded: the answer in WeChat's shape, where it is not that of the sample.
        more: other samples.
        keywords: of the method.
        query, form: the extra fields of the request.
        personal: whether marked data must not be shown.
    """

    method: str
    endpoint: str
    path: str
    answer: dict[str, Any]
    rows: list[list[str]]
    decoded: dict[str, Any] | None = None
    more: list[dict[str, Any]] = attrs.field(factory=list)
    keywords: dict[str, Any] = attrs.field(factory=dict)
    query: dict[str, str] = attrs.field(factory=dict)
    form: dict[str, str] = attrs.field(factory=dict)
    personal: bool = False

    def value(self) -> wxcv.Endpoint[Any]:
        """Return the endpoint."""
        endpoint: wxcv.Endpoint[Any] = getattr(wxcv, self.endpoint)
        return endpoint

    async def call(self, session: wxcv.Session, image: wxcv.Image) -> Any:
        """Call the method."""
        method: Callable[..., Awaitable[Any]] = getattr(session, self.method)
        return await method(image, **self.keywords)

    def shape(self) -> dict[str, Any]:
        """Return the answer as ``to_dict`` gives it."""
        sample = {name: value for name, value in self.answer.items() if name not in {"errcode", "errmsg"}}
        return sample if self.decoded is None else self.decoded


PAGES = [Page(**json.loads(path.read_bytes())) for path in sorted((SAMPLES / "pages").glob("*.json"))]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.method)


class Recorder:
    """Answers every call with the same fields, and keeps what was sent."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields
        self.sent: list[tuple[str, str, dict[str, str], dict[str, str]]] = []

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        form = await request.post()
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        query = {name: value for name, value in request.query.items() if name != "access_token"}
        self.sent.append((request.method, request.path, query, texts))
        return answer(**self.fields)


def test_every_endpoint_has_a_sample() -> None:
    """Each endpoint among the public names but the first two has its file, and the other way round."""
    public = {name for name in dir(wxcv) if isinstance(getattr(wxcv, name), wxcv.Endpoint)}

    assert public - {"SCAN_QRCODE", "PRINTED_TEXT"} == {page.endpoint for page in PAGES}


@each_page
async def test_a_page_is_asked_as_it_says_and_its_sample_is_read(page: Page) -> None:
    """An upload and a URL go to the page with its extra fields, and the answer has WeChat's shape."""
    recorder = Recorder(page.answer)
    url = "https://example.com/a.png"
    async with api_server(recorder.call) as base, wxcv.Session(STATIC, base_url=base) as session:
        uploaded = await page.call(session, PICTURE)
        fetched = await page.call(session, wxcv.ImageUrl(url))

    assert recorder.sent == [
        ("POST", page.path, page.query, page.form),
        ("POST", page.path, {"img_url": url, **page.query, **page.form}, {}),
    ]
    assert uploaded == fetched
    assert uploaded.to_dict() == page.shape()


@each_page
def test_what_to_dict_gives_is_read_again(page: Page) -> None:
    """from_dict(to_dict()) is the same answer, for every sample of the page."""
    for sample in (page.answer, *page.more):
        found = page.value().read(sample)
        assert page.value().read(found.to_dict()) == found


@each_page
def test_a_field_may_be_missing_or_null(page: Page) -> None:
    """Without any one of its fields, or with null in its place, a sample is still read."""
    for name in page.shape():
        for fields in ({**page.answer, name: None}, {k: v for k, v in page.answer.items() if k != name}):
            assert page.value().read(fields) is not None
    assert page.value().read({}).to_dict() in ({}, {"results": []}, {"content": {"menu_items": []}})


@each_page
async def test_a_field_of_a_wrong_type_is_a_protocol_error(
    page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    """A field of another type than the page's is a ProtocolError, which shows nothing personal."""
    caplog.set_level(logging.DEBUG)
    recorder = Recorder({})
    async with api_server(recorder.call) as base, wxcv.Session(STATIC, base_url=base) as session:
        for name in page.answer:
            if name in {"errcode", "errmsg"}:
                continue
            recorder.fields = {**page.answer, name: WRONG}
            with pytest.raises(wxcv.ProtocolError, match="does not match the documented format") as caught:
                await page.call(session, PICTURE)
            assert page.personal == ("excerpt" not in str(caught.value) and caught.value.excerpt == "")
            assert MARK not in str(caught.value)

    assert MARK not in caplog.text.replace(TOKEN, "")


@each_page
async def test_nothing_personal_is_shown(page: Page, caplog: pytest.LogCaptureFixture) -> None:
    """No repr, no log and no error holds a name or a number from a document."""
    caplog.set_level(logging.DEBUG)
    recorder = Recorder(page.answer)
    async with api_server(recorder.call) as base, wxcv.Session(STATIC, base_url=base) as session:
        found = await page.call(session, PICTURE)
        async with session.batch(page.value(), [PICTURE]) as outcomes:
            shown = [repr(outcome) async for outcome in outcomes]
        recorder.fields = {"errcode": 101001, "errmsg": "certificate not found"}
        with pytest.raises(wxcv.DocumentNotFoundError) as caught:
            await page.call(session, PICTURE)

    assert page.value().is_personal == page.personal
    assert not page.personal or MARK in str(found.to_dict())
    assert MARK not in f"{found!r} {found} {shown} {caught.value!r}"
    assert MARK not in caplog.text
    assert (caught.value.account_wide, caught.value.retryable) == (False, False)


@each_page
async def test_a_batch_reads_fifty_images(page: Page) -> None:
    """Fifty images of a batch have fifty answers, with extra fields for all of them."""
    recorder = Recorder(page.answer)
    async with api_server(recorder.call) as base, wxcv.Session(STATIC, base_url=base) as session:
        fields = {**page.query, **page.form}
        async with session.batch(page.value(), [PICTURE] * 50, fields=fields) as outcomes:
            shapes = [outcome.unwrap().to_dict() async for outcome in outcomes]

    assert shapes == [page.shape()] * 50
    assert recorder.sent == [("POST", page.path, page.query, page.form)] * 50


@each_page
@pytest.mark.parametrize("form", ["rows", "json"])
async def test_the_command_of_a_page_prints_its_answer(page: Page, form: str) -> None:
    """The page's command, and ``wxcv call``, print its rows, or its answer as JSON."""
    recorder = Recorder(page.answer)
    command = page.method.replace("_", "-")
    fields = [
        word for name, value in (page.query | page.form).items() for word in ("--field", f"{name}={value}")
    ]
    options = [*fields, *(["--json"] if form == "json" else [])]
    for words in ([command], ["call", command]):
        code, out, err = await run_against(recorder.call, *words, *options, str(PARCEL))

        assert (code, err) == (0, "")
        if form == "json":
            assert json.loads(out)["answers"] == {page.value().name: page.shape()}
        else:
            printed = [line.strip().split(maxsplit=1) for line in out.splitlines()[1:]]
            assert printed == [[part for part in row if part] for row in page.rows]
    assert recorder.sent == [("POST", page.path, page.query, page.form)] * 2
