"""Answers that processes share through a store."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP, STATIC
from support.pictures import BLANK
from support.same_image import CODES, Server
from support.servers import answer, api_server
from support.stores import SharedFile

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

URL = "https://example.com/a.png?signature=SIGNED"


@pytest.fixture
async def shared(tmp_path: Path) -> Any:
    """The file that the stores of a test share."""
    found = SharedFile(tmp_path)
    yield found
    await found.aclose()


async def share(shared: SharedFile, image: object, **options: Any) -> Server:
    """Call an image through two caches on one store, as two processes would; return the server."""
    server = Server()
    async with api_server(server.call) as url:
        for _ in range(2):
            cache = wxcv.AnswerCache(**{"share": [wxcv.SCAN_QRCODE], **options})
            async with wxcv.Session(
                APP, base_url=url, answer_sources=[cache], store=shared.open()
            ) as session:
                scan = await session.scan_qrcode(image)  # type: ignore[arg-type] # an image
                assert scan.code_results == (wxcv.CodeResult("QR_CODE", "known"),)
                await session.printed_text(image)  # type: ignore[arg-type] # an image
    return server


@pytest.mark.parametrize("image", [BLANK, URL], ids=["bytes", "URL"])
async def test_processes_share_the_answers_of_the_endpoints_that_are_named(
    shared: SharedFile, image: object
) -> None:
    """The second process sends an image again only for an endpoint that is not in ``share``."""
    server = await share(shared, image)

    assert server.calls == 1 + 2


async def test_what_differs_is_not_shared(shared: SharedFile) -> None:
    """Answers of other fields or accounts, or of bytes that spell the URL, are not found in the store."""
    server = Server()
    endpoint = wxcv.Endpoint("own", "/cv/img/own", wxcv.QrcodeScan.from_dict, ("ratios",))
    letters = wxcv.ImageBytes(URL.encode(), content_type="image/png")
    async with api_server(server.call) as url:
        for image, fields, credential in (
            (URL, {}, APP),
            (URL, {"ratios": "1"}, APP),
            (letters, {}, APP),
            (URL, {}, wxcv.StaticTokenCredential("T", account="wx2")),
            (URL, {}, APP),
        ):
            sources = [wxcv.AnswerCache(share=[endpoint])]
            async with wxcv.Session(
                credential, base_url=url, answer_sources=sources, store=shared.open()
            ) as session:
                await session.call(endpoint, image, fields=fields)

    assert server.calls == 4


async def test_answers_of_an_unknown_account_are_not_shared(shared: SharedFile) -> None:
    """Sharing is refused with a credential whose account is unknown, also as another one of a session."""
    options: Any = {"answer_sources": [wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])], "store": shared.open()}
    said = re.escape(
        "AnswerCache(share=...) needs to know the account: StaticTokenCredential(..., account=...)"
    )
    with pytest.raises(ValueError, match=f"^{said}$"):
        wxcv.Session(STATIC, **options)
    async with wxcv.Session(APP, **options) as session:
        with pytest.raises(ValueError, match=f"^{said}$"):
            session.on_behalf_of(STATIC)
        assert session.on_behalf_of(wxcv.StaticTokenCredential("T", account="wx2"))
    async with wxcv.Session(APP, answer_sources=[wxcv.AnswerCache()], store=shared.open()) as session:
        assert session.on_behalf_of(STATIC)


async def test_the_file_of_a_store_shows_no_url(shared: SharedFile, tmp_path: Path) -> None:
    """The key of a shared answer holds a hash of the URL, not the URL with its signature."""
    await share(shared, URL)
    await shared.aclose()

    assert b"known" in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"SIGNED" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"code_results": 5}', '{"code_results": [5]}'])
async def test_a_foreign_answer_in_a_store_is_no_answer(
    shared: SharedFile, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A stored value that is not the endpoint's answer is logged without its text, and the image is sent."""
    keys: list[str] = []

    class Foreign(wxcv.SQLiteStore):
        async def find_answer(self, key: str) -> str:
            keys.append(key)
            return text

    store, server = Foreign(shared.address), Server()
    sources = [wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])]
    async with api_server(server.call) as url:
        async with wxcv.Session(APP, base_url=url, answer_sources=sources, store=store) as session:
            assert (await session.scan_qrcode(BLANK)).code_results
    await store.aclose()

    assert server.calls == 1
    assert keys[0].startswith("wx1:/cv/img/qrcode:")
    assert "unreadable" in caplog.text
    assert text not in caplog.text.replace("test_foreign", "")


async def test_if_the_store_fails_images_are_sent(
    shared: SharedFile, caplog: pytest.LogCaptureFixture
) -> None:
    """If the store fails, WeChat answers the calls, and the failure is logged."""
    caplog.set_level(logging.WARNING, "wxcv")

    class Failing(wxcv.SQLiteStore):
        async def find_answer(self, _key: str) -> str | None:
            raise wxcv.StoreError("the store is gone")

        async def keep_answer(self, _key: str, _answer: str, _ttl: float) -> None:
            raise wxcv.StoreError("the store is gone")

    store, server = Failing(shared.address), Server()
    sources = [wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])]
    async with api_server(server.call) as url:
        async with wxcv.Session(APP, base_url=url, answer_sources=sources, store=store) as session:
            await session.scan_qrcode(BLANK)
            await session.scan_qrcode(BLANK)
    await store.aclose()

    assert server.calls == 1
    assert [record.getMessage() for record in caplog.records] == [
        "the store is gone; shared answers are not used",
        "the store is gone; an answer was not shared",
    ]


@pytest.mark.parametrize("name", ["ok", "idcard_front", "ai_crop"])
def test_an_answer_that_is_shared_is_read_as_it_was(name: str) -> None:
    """The JSON of to_dict is read as an equal answer, for every kind of answer class."""
    answers: dict[str, tuple[wxcv.Endpoint[Any], dict[str, Any]]] = {
        "ok": (wxcv.SCAN_QRCODE, {"code_results": CODES, "img_size": {"w": 1, "h": 2}}),
        "idcard_front": (wxcv.IDCARD, {"type": "Front", "name": "n", "id": "1"}),
        "ai_crop": (
            wxcv.AI_CROP,
            {
                "results": [{"crop_left": 1, "crop_top": 2, "crop_right": 3, "crop_bottom": 4}],
                "img_size": {"w": 9, "h": 9},
            },
        ),
    }
    endpoint, fields = answers[name]
    read = endpoint.read(fields)

    assert endpoint.read(json.loads(json.dumps(read.to_dict()))) == read


async def test_a_large_answer_is_shared_too(shared: SharedFile) -> None:
    """An answer of more than 128 KiB is read from the store as it was kept."""
    codes = [{"type_name": "QR_CODE", "data": "x" * 1000} for _ in range(200)]
    calls = 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        await request.read()
        calls += 1
        return answer(errcode=0, code_results=codes)

    scans = []
    async with api_server(call) as url:
        for _ in range(2):
            sources = [wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])]
            async with wxcv.Session(
                APP, base_url=url, answer_sources=sources, store=shared.open()
            ) as session:
                scans.append(await session.scan_qrcode(BLANK))

    assert calls == 1
    assert scans[0] == scans[1]
    assert len(scans[1].code_results) == 200
