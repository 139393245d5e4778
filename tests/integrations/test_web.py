"""What apps of every web framework do alike: uploads, errors, and clients that leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.pages import QRCODE
from support.pictures import PICTURE, padded_png
from support.raw_calls import until
from support.web_apps import LARGE, Reply, raw_request

from wxcv.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from conftest import Site

    from wxcv.sandbox import Sandbox

FORM = "Content-Type: multipart/form-data; boundary=b0"
CHUNKED = "Transfer-Encoding: chunked"
PART = b'--b0\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
OTHER = b'--b0\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
END = b"\r\n--b0--\r\n"


def check_problem(reply: Any, status: int, user_message: str) -> dict[str, Any]:
    """Assert that a response is such a problem, and return its members."""
    body = reply.body if isinstance(reply, Reply) else reply.content
    status_found = reply.status if isinstance(reply, Reply) else reply.status_code
    members: dict[str, Any] = json.loads(body)
    assert (status_found, reply.headers["content-type"]) == (status, "application/problem+json")
    assert members["status"] == status
    assert user_message in members["user_message"]
    assert members["detail"] == members["user_message"]
    return members


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    """Yield the data in pieces, so that httpx sends them chunked."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_an_uploaded_form_is_answered(site: Site) -> None:
    """The file in the field of a form is read, whatever else is in the form."""
    files = {"other": ("o.png", b"x", "image/png"), "image": ("a.png", PICTURE, "image/png")}
    reply = await site.http.post("/codes", data={"note": "hello"}, files=files)

    assert (reply.status_code, reply.json()["code_results"][0]["data"]) == (200, "x")


async def test_a_raw_body_is_answered(site: Site) -> None:
    """A body that is no form is the image, whether its length is known or not."""
    whole = await site.http.post("/codes", content=PICTURE)
    chunked = await site.http.post("/codes", content=in_pieces(PICTURE, 100))

    assert whole.json() == chunked.json()
    assert whole.json()["code_results"][0]["data"] == "x"


async def test_a_form_that_arrives_byte_by_byte_is_read(site: Site) -> None:
    """Where a form is cut into pieces does not matter; of two files in the field the first one is read."""
    part = PART.replace(b"image", b"photo")
    form = OTHER + part + PICTURE + b"\r\n--b0\r\n\r\nno name\r\n" + part + b"second\r\n" + OTHER[:-2] + END
    kind = {"Content-Type": FORM.partition(": ")[2]}
    reply = await site.http.post("/large", content=in_pieces(form, 1), headers=kind)

    assert reply.json() == {"size": len(PICTURE)}


async def test_an_image_below_a_limit_of_the_apps_own_is_taken(site: Site) -> None:
    """An app may take larger images, in another field; of the limit itself an image is too large."""
    most = padded_png(LARGE - 1)
    taken = await site.http.post("/large", files={"photo": ("a.png", most)})
    too_large = await site.http.post("/large", files={"photo": ("a.png", most + b"x")})
    raw = await site.http.post("/large", content=most)

    assert taken.json() == raw.json() == {"size": LARGE - 1}
    check_problem(too_large, 413, "too large")


async def test_other_fields_do_not_count_as_the_image(site: Site) -> None:
    """A form may have 64 KiB beside an image of any permitted size, also after it."""
    part, size = PART.replace(b"image", b"photo"), LARGE - 1
    form = part + bytes(size) + b"\r\n" + OTHER[:-2] + b"n" * 65_000 + END
    kind = {"Content-Type": FORM.partition(": ")[2]}
    reply = await site.http.post("/large", content=in_pieces(form, 50_000), headers=kind)

    assert reply.json() == {"size": size}


@pytest.mark.parametrize("kind", ["Content-Type: image/png", FORM])
async def test_a_large_content_length_is_refused_before_the_body(site: Site, kind: str) -> None:
    """An upload whose Content-Length is too large is refused when none of its body has been sent."""
    async with raw_request(site.url, "/codes", kind, "Content-Length: 50000000") as request:
        reply = await request.read_reply()

    check_problem(reply, 413, "The image is too large.")


@pytest.mark.parametrize(
    ("kind", "start"), [("Content-Type: image/png", b""), (FORM, PART), (FORM, b""), (FORM, OTHER[:-2])]
)
async def test_a_stream_is_refused_when_it_reaches_the_limit(site: Site, kind: str, start: bytes) -> None:
    """A chunked body is refused at the limit, be it an image, a file in a form, another field or no form."""
    piece = b"\r\n--b1" + bytes(65_531)
    async with raw_request(site.url, "/codes", kind, CHUNKED) as request:
        await request.send_chunk(start or b"x")
        for _ in range(34):  # the limit is 32 of them, and one for the rest of a form
            await request.send_chunk(piece)
        reply = await request.read_reply()

    assert reply.status in ({413, 400} if start == b"" and kind == FORM else {413})


@pytest.mark.parametrize(
    "form",
    [OTHER + b"--b0--\r\n", PART + PICTURE, b"no form at all", PART.replace(b"\r\n\r\n", b"\r\n") + END, b""],
    ids=["no field", "cut", "none", "no header end", "empty"],
)
async def test_a_form_without_the_image_is_refused(site: Site, box: Sandbox, form: bytes) -> None:
    """A form that has no such field, is cut off or is none at all is an image error; nothing is sent."""
    kind = {"Content-Type": FORM.partition(": ")[2]}
    reply = await site.http.post("/codes", content=form, headers=kind)

    check_problem(reply, 400, "The image ")
    assert box.requests[QRCODE] == 0


async def test_a_form_without_a_boundary_is_refused(site: Site) -> None:
    """A form whose Content-Type names no boundary is an image error."""
    reply = await site.http.post("/codes", content=b"x", headers={"Content-Type": "multipart/form-data"})

    check_problem(reply, 400, "could not be read")


async def test_an_image_that_wxcv_refuses_is_a_problem(site: Site, box: Sandbox) -> None:
    """An empty image, and a text, are the client's faults; nothing is sent."""
    check_problem(await site.http.post("/codes", content=b""), 400, "The image is empty.")
    check_problem(await site.http.post("/codes", content=b"text"), 400, "not a supported image")
    assert box.requests[QRCODE] == 0


async def test_wechats_words_are_not_in_a_problem(site: Site, box: Sandbox) -> None:
    """What WeChat says of an image is answered with the sentence for users and nothing else."""
    box.fail_next(QRCODE, Fault(errcode=101002, errmsg="MARKED words"))
    reply = await site.http.post("/codes", content=PICTURE)

    members = check_problem(reply, 400, "could not be read")
    assert set(members) == {"type", "title", "status", "detail", "user_message"}
    assert "MARKED" not in reply.text


async def test_a_used_up_quota_says_when_to_come_again(site: Site, box: Sandbox) -> None:
    """WeChat's daily quota is status 429, with the seconds until it resets."""
    box.fail_next(QRCODE, Fault(errcode=45009))
    reply = await site.http.post("/codes", content=PICTURE)

    check_problem(reply, 429, "limit has been reached")
    assert 1 <= int(reply.headers["retry-after"]) <= 86_400


async def test_a_client_that_leaves_frees_its_slot(site: Site, box: Sandbox) -> None:
    """A call that waits for WeChat is cancelled when its client leaves, and the next one runs."""
    box.fail_next(QRCODE, Fault(stall=True))
    async with raw_request(site.url, "/codes", f"Content-Length: {len(PICTURE)}") as request:
        await request.send(PICTURE)
        await until(lambda: box.requests[QRCODE] == 1)
        assert site.session.stats().running == 1
    await until(lambda: site.session.stats().running == 0)

    assert (await site.http.post("/codes", content=PICTURE)).status_code == 200


async def test_a_client_that_leaves_the_queue_sends_nothing(site: Site, box: Sandbox) -> None:
    """A call that waits for a slot leaves the queue with its client, and its image is never sent."""
    box.fail_next(QRCODE, Fault(stall=True))
    length = f"Content-Length: {len(PICTURE)}"
    async with raw_request(site.url, "/codes", length) as first:
        await first.send(PICTURE)
        await until(lambda: box.requests[QRCODE] == 1)
        async with raw_request(site.url, "/codes", length) as second:
            await second.send(PICTURE)
            await until(lambda: site.session.stats().waiting == 1)
            full = await site.http.post("/codes", content=PICTURE)
        await until(lambda: site.session.stats().waiting == 0)
        assert site.session.stats().running == 1
    await until(lambda: site.session.stats().running == 0)

    check_problem(full, 429, "busy")
    assert full.headers["retry-after"] == "1"
    assert (box.requests[QRCODE], site.session.stats().calls) == (1, 1)


async def test_a_client_that_leaves_a_request_without_a_body_is_noticed(site: Site, box: Sandbox) -> None:
    """A GET request, of which an app reads no body, is watched too."""
    box.fail_next(QRCODE, Fault(stall=True))
    path = "/by-url?url=https://example.com/a.png"
    async with raw_request(site.url, path, method="GET"):
        await until(lambda: box.requests[QRCODE] == 1)
        assert site.session.stats().running == 1
    await until(lambda: site.session.stats().running == 0)

    assert box.requests[QRCODE] == 1


async def test_a_client_that_leaves_its_upload_is_nobodys_error(
    site: Site, box: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves in the middle of an upload causes no call and no log record of an error."""
    for kind in ("Content-Type: image/png", FORM):
        async with raw_request(site.url, "/codes", kind, "Content-Length: 1000") as request:
            await request.send(PART)
    assert (await site.http.post("/codes", content=PICTURE)).status_code == 200

    assert box.requests[QRCODE] == 1
    assert [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []
