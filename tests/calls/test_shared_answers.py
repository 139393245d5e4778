"""Answers that processes share through a store."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.accounts import APP, STATIC
from support.pictures import BLANK
from support.servers import answer, api_server
from support.stores import SharedFile

import wxcv

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

URL = "https://example.com/a.png?signature=SIGNED"
CODES = [{"type_name": "QR_CODE", "data": "known"}]


class Server:
    """Counts uploads and answers them.

    Args:
        errcode: of its answers.
        errmsg: of its answers.
    """

    def __init__(self, errcode: int = 0, errmsg: str = "ok") -> None:
        self.errcode, self.errmsg = errcode, errmsg
        self.calls = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer a call."""
        await request.read()
        self.calls += 1
        return answer(errcode=self.errcode, errmsg=self.errmsg, code_results=CODES, items=[])


@pytest.fixture
async def shared(tmp_path: Path) -> Any:
    """What the stores of a test share."""
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
    """The second process does not send what the first was answered, but for an endpoint that is not named."""
    server = await share(shared, image)

    assert server.calls == 1 + 2


async def test_what_differs_is_not_shared(shared: SharedFile) -> None:
    """The store keeps answers apart by fields, by account, and bytes from the URL of the same letters."""
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
    """Under a shared answer's key there is a hash of the URL, not the URL with its signature."""
    await share(shared, URL)
    await shared.aclose()

    assert b"known" in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"SIGNED" not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("text", ["{", "[]", "5", '{"code_results": 5}', '{"code_results": [5]}'])
async def test_a_foreign_answer_in_a_store_is_no_answer(
    shared: SharedFile, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What is in the store and has not the endpoint's format is logged without its text, and sent instead."""
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


async def test_a_store_that_fails_costs_a_send_and_nothing_else(
    shared: SharedFile, caplog: pytest.LogCaptureFixture
) -> None:
    """If the store fails, calls are answered by WeChat, and the failure is logged."""
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
    """What to_dict gives, through JSON, is read as an equal answer, for every kind of answer class."""
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
