"""The bytes on the wire, without an event loop."""

from __future__ import annotations

import gzip
import json
import zlib
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.places import SAMPLES

import wxcv
from wxcv.endpoints.printed_text import PRINTED_TEXT
from wxcv.endpoints.qrcode import SCAN_QRCODE
from wxcv.images.sources import ImageUrl, LocalImage
from wxcv.protocol.answers import ANSWER_LIMIT, Response, decode, read_answer
from wxcv.protocol.requests import Body, add_token, build_image_request, build_json_request, build_target

IMAGE = LocalImage("a.png", b"\x89PNG\r\n\x1a\n--\r\n\0", "image/png")
EXTRA = wxcv.Endpoint("crop", "/cv/img/aicrop", dict, fields=("ratios",))


def response(body: bytes, status: int = 200, **headers: str) -> Response:
    """Make a response."""
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def sample(name: str, status: int = 200) -> Response:
    """Make a response of a recorded body."""
    return response((SAMPLES / name).read_bytes(), status)


def parsed(body: Body) -> list[Any]:
    """Parse a multipart body with the standard library."""
    head = f"Content-Type: {body.content_type}\r\n\r\n".encode()
    return list(BytesParser().parsebytes(head + b"".join(body.parts)).walk())[1:]


def test_an_upload_has_the_part_that_the_page_asks_for() -> None:
    """The part is named img and has a quoted filename, a content type and its own length."""
    request = build_image_request(SCAN_QRCODE, IMAGE)
    assert request.body is not None
    (part,) = parsed(request.body)

    assert (request.method, request.path, request.query) == ("POST", "/cv/img/qrcode", ())
    assert part["Content-Disposition"] == 'form-data; name="img"; filename="image.png"'
    assert part["Content-Type"] == "image/png"
    assert part["Content-Length"] == str(len(IMAGE.data))
    assert request.body.parts[1] is IMAGE.data
    assert request.body.size == len(b"".join(request.body.parts))


def test_two_requests_have_different_boundaries() -> None:
    """The boundary is random, so no image can be made to hold it."""
    bodies = [build_image_request(SCAN_QRCODE, IMAGE).body for _ in range(2)]

    assert len({body.content_type for body in bodies if body}) == 2


def test_extra_fields_stand_before_the_image() -> None:
    """The fields that a page knows are form fields of an upload and query parameters beside a URL."""
    upload = build_image_request(EXTRA, IMAGE, {"ratios": "1,2.35"})
    by_url = build_image_request(EXTRA, ImageUrl("https://x/a"), {"ratios": "1"})
    assert upload.body is not None

    assert parsed(upload.body)[0].get_payload() == "1,2.35"
    assert by_url.query == (("img_url", "https://x/a"), ("ratios", "1"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": "1"}, "it accepts: ratios"),
        ({1: "1", "b": "2"}, "it accepts: ratios"),
        ({"ratios": 1}, "strings"),
        ({"ratios": "\ud800"}, "UTF-8"),
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    """A field that the page does not know, or that is no string, is refused by name."""
    with pytest.raises(ValueError, match=message):
        build_image_request(EXTRA, IMAGE, fields)
    with pytest.raises(ValueError, match="it accepts: none"):
        build_image_request(SCAN_QRCODE, IMAGE, {"a": "b"})


def test_img_url_is_encoded_once() -> None:
    """The URL stands in the query, percent-encoded exactly once, beside the token."""
    url = "https://example.com/a%20b.jpg?x=1&y=图#z"
    request = add_token(build_image_request(PRINTED_TEXT, ImageUrl(url)), "access_token", "T/+=&")
    query = urlsplit(build_target(request.path, request.query)).query

    assert parse_qs(query, strict_parsing=True) == {"access_token": ["T/+=&"], "img_url": [url]}
    assert "https%3A%2F%2Fexample.com%2Fa%2520b.jpg" in query
    assert request.body is None


def test_a_request_hides_its_query_and_body() -> None:
    """Neither the token nor the body is in a request's repr."""
    request = add_token(build_json_request("/x", {"secret": "MARKED"}), "access_token", "MARKED")

    assert "MARKED" not in repr(request)
    assert build_target("/x", ()) == "/x"
    assert "MARKED" not in repr(Response(200, {"x-echo": "MARKED"}, b"MARKED"))


def test_a_json_request_carries_json() -> None:
    """A token request has a JSON body."""
    request = build_json_request("/x", {"a": True})

    assert request.body is not None
    assert (request.body.content_type, json.loads(request.body.parts[0])) == ("application/json", {"a": True})


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("comm_official.json", ["腾讯", "微信团队"]),
        ("comm_list_missing.json", []),
        ("string_errcode.json", []),
        ("comm_null_pos.json", ["hello"]),
    ],
)
def test_a_recorded_page_is_read(name: str, texts: list[str]) -> None:
    """Recorded answers of printed_text become their lines."""
    assert texts == [item.text for item in read_answer(PRINTED_TEXT, sample(name)).items]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("qrcode_official.json", ["https://www.qq.com"]),
        ("qrcode_no_codes.json", []),
        ("qrcode_list_missing.json", []),
        ("qrcode_minus_one.json", ["5906789678957"]),
        ("qrcode_floats.json", ["x"]),
        ("qrcode_unknown_fields.json", ["x"]),
        ("bom.json", []),
        ("control_characters.json", ["a\nb\tc\x1dd"]),
    ],
)
def test_a_recorded_scan_is_read(name: str, data: list[str]) -> None:
    """Recorded answers of scan_qrcode become their codes, also with a BOM or raw control characters."""
    assert data == [code.data for code in read_answer(SCAN_QRCODE, sample(name)).code_results]


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    """An answer in GBK is still read; only its Chinese is lost."""
    (item,) = read_answer(PRINTED_TEXT, sample("gbk.json")).items

    assert item.text.endswith(" ok")
    assert "\ufffd" in item.text


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("portal.html", "HTML or XML"),
        ("echo.html", "HTML or XML"),
        ("empty.json", "an empty body"),
        ("array.json", "a JSON array"),
        ("null.json", "not a JSON object"),
        ("truncated.json", "broken JSON"),
    ],
)
def test_what_is_no_answer_is_a_protocol_error(name: str, kind: str) -> None:
    """HTML, nothing, an array, null and broken JSON are told apart by a ProtocolError."""
    with pytest.raises(wxcv.ProtocolError, match=kind) as caught:
        decode(sample(name))

    assert caught.value.status == 200
    assert not caught.value.retryable


def test_an_echoed_url_is_masked() -> None:
    """HTML that repeats the request's URL loses the token and the image's address."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        decode(sample("echo.html"), known=("MARKED-TOKEN",))

    assert "MARKED" not in str(caught.value)
    assert "access_token=***" in caught.value.excerpt


@pytest.mark.parametrize("status", [200, 502])
def test_an_errcode_counts_whatever_the_status(status: int) -> None:
    """An errcode makes an APIError, also with an HTTP status of its own."""
    with pytest.raises(wxcv.QuotaExhaustedError) as caught:
        decode(sample("quota_refused.json", status))

    assert caught.value.rid == "61244447-6e6a80d6-142d84c8"


def test_a_string_errcode_is_a_number() -> None:
    """An errcode that came as a string is an integer in the error."""
    with pytest.raises(wxcv.TokenRejectedError) as caught:
        decode(sample("string_errcode_refused.json"))

    assert caught.value.errcode == 40001


@pytest.mark.parametrize(
    "errcode",
    [
        *('"x"', "[]", "{}", "1e999", "true", "0.9", '"0.9"', "1e300"),
        *(str(2**63), str(-(2**63)), f'"{2**63}"', "9" * 4300, "-" + "9" * 4300, f'"{"9" * 4300}"'),
    ],
    ids=lambda errcode: errcode[:24],
)
def test_an_errcode_that_is_no_number_is_a_protocol_error(errcode: str) -> None:
    """An errcode that cannot be a number, or has more than 63 bits, is outside the protocol."""
    with pytest.raises(wxcv.ProtocolError, match="an errcode that is not a number"):
        decode(response(f'{{"errcode":{errcode}}}'.encode()))


@pytest.mark.parametrize("errcode", [str(2**63 - 1), str(1 - 2**63), f'"{2**63 - 1}"', "99999.0"])
def test_an_errcode_of_63_bits_is_a_number(errcode: str) -> None:
    """Whole numbers of up to 63 bits are errcodes, exactly as they came."""
    with pytest.raises(wxcv.APIError) as caught:
        decode(response(f'{{"errcode":{errcode}}}'.encode()))

    assert caught.value.errcode == int(errcode.strip('"').removesuffix(".0"))


@pytest.mark.parametrize("body", [b'{"errcode":null,"a":1}', b'{"a":1}', b'{"errcode":0.0,"a":1}'])
def test_no_errcode_means_success(body: bytes) -> None:
    """A missing or null errcode means success, as some pages leave it out."""
    assert decode(response(body))["a"] == 1


@pytest.mark.parametrize(
    ("status", "message", "retryable"),
    [
        (500, "HTTP status 500", True),
        (502, "JSON without an errcode", True),
        (413, "refuses a request of this size", False),
        (407, "the proxy requires a user and a password", False),
        (302, "a redirect, which is not followed", False),
        (300, "a redirect, which is not followed", False),
        (399, "a redirect, which is not followed", False),
        (400, "JSON without an errcode", False),
        (404, "HTTP status 404", False),
        (499, "HTTP status 499", False),
    ],
)
def test_a_status_without_errcode_is_a_protocol_error(status: int, message: str, retryable: bool) -> None:
    """Another status than 2xx without an errcode is a ProtocolError, retryable from 500 on."""
    with pytest.raises(wxcv.ProtocolError, match=message) as caught:
        decode(response(b'{"request_id":"x"}', status))

    assert (caught.value.status, caught.value.retryable) == (status, retryable)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 0 ", 0.0),
        ("9" * 9, 999_999_999.0),
        ("9" * 10, None),
        ("-5", None),
        ("abc", None),
        ("", None),
        ("\uff19", None),
        ("9" * 400, None),
    ],
)
def test_status_429_is_a_rate_limit(header: str, seconds: float | None) -> None:
    """HTTP status 429 is a RateLimitedError with the seconds of Retry-After."""
    with pytest.raises(wxcv.RateLimitedError) as caught:
        decode(response(b"<html>slow down</html>", 429, retry_after=header))

    assert (caught.value.errcode, caught.value.retry_after) == (429, seconds)


@pytest.mark.parametrize(
    ("until", "now", "seconds"),
    [
        ("Fri, 20 Nov 2026 06:00:30 GMT", "Fri, 20 Nov 2026 06:00:00 GMT", 30.0),
        ("Fri, 20 Nov 2026 06:00:00 GMT", "Fri, 20 Nov 2026 06:00:30 GMT", None),
        ("Fri, 20 Nov 2026 06:00:30 GMT", "Fri, 20 Nov 2026 06:00:30 GMT", 0.0),
        ("Fri, 20 Nov 2026 06:00:30 +0800", "Fri, 20 Nov 2026 06:00:30 +0900", 3600.0),
        ("Fri, 20 Nov 2026 06:00:30 GMT", "", None),
        ("Fri, 20 Nov 2026 06:00:30 -0000", "Fri, 20 Nov 2026 06:00:00 GMT", None),  # no zone at all
        (f"Fri, {'9' * 20} Nov 2026 06:00:30 GMT", "Fri, 20 Nov 2026 06:00:00 GMT", None),
        ("Fri, 29 Sep 100000 00:00:00 GMT", "Fri, 20 Nov 2026 06:00:00 GMT", None),
    ],
)
def test_a_retry_after_may_be_a_date(until: str, now: str, seconds: float | None) -> None:
    """A Retry-After that is a date counts from the answer's own Date; nonsense is ignored."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        decode(response(b"<html>", 503, retry_after=until, date=now))

    assert caught.value.retry_after == seconds


def test_nan_is_not_json() -> None:
    """NaN, which JSON does not have, is outside the protocol."""
    with pytest.raises(wxcv.ProtocolError):
        decode(response(b'{"x":NaN}'))


def test_deep_nesting_is_a_protocol_error() -> None:
    """JSON nested too deeply to be read ends in a ProtocolError, not in a RecursionError."""
    with pytest.raises(wxcv.ProtocolError):
        decode(response(b'{"a":' * 200_000))


def test_a_wrong_shape_is_a_protocol_error() -> None:
    """A list that is none is a ProtocolError with the masked answer."""
    with pytest.raises(wxcv.ProtocolError, match="does not match the documented format") as caught:
        read_answer(SCAN_QRCODE, response(b'{"code_results":"access_token=MARKED"}'))

    assert "MARKED" not in str(caught.value)
    assert caught.value.__context__ is None


def test_an_unasked_compression_is_undone() -> None:
    """A compressed answer is read although none was asked for; broken gzip is outside the protocol."""
    body = gzip.compress(b'{"a":1}')

    assert decode(response(body, content_encoding="gzip")) == {"a": 1}
    assert decode(response(body, content_encoding=" GZIP ")) == {"a": 1}
    assert decode(response(zlib.compress(b'{"a":1}'), content_encoding="deflate")) == {"a": 1}
    assert decode(response(b'{"a":1}', content_encoding="identity")) == {"a": 1}
    with pytest.raises(wxcv.ProtocolError):
        decode(response(b"not gzip", content_encoding="gzip"))


def test_a_compressed_bomb_is_cut() -> None:
    """An answer that expands over the limit is refused when it reaches it."""
    bomb = gzip.compress(bytes(64 * ANSWER_LIMIT))
    with pytest.raises(wxcv.ProtocolError, match="more than 1,048,576 bytes"):
        decode(response(bomb, content_encoding="gzip"))


def test_a_token_answer_never_shows_its_text() -> None:
    """What a token endpoint said outside the protocol is not quoted, as it may hold the token."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        decode(response(b'["MARKED-TOKEN"]'), is_token_answer=True)

    assert "MARKED" not in str(caught.value)
    assert caught.value.excerpt == ""


def test_an_excerpt_is_short_and_on_one_line() -> None:
    """At most 200 characters of a foreign answer are quoted, without control characters."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        decode(response(b"<p>\n\x1b[31m" + b"x" * 5000))

    assert len(caught.value.excerpt) == 200
    assert caught.value.excerpt.isprintable()
