"""Images that were sent before are not sent again, as long as their answers are kept."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import APP, STATIC
from support.pictures import BLANK
from support.servers import answer, api_server
from support.stores import SharedFile

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable
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


async def twice(image: Any, *, seconds: float = 0.0, **options: float) -> int:
    """Call an image, let time pass and call it again; return how often it was sent."""
    server, clock = Server(), wxcv.ManualClock()
    cache = wxcv.AnswerCache(clock=clock, **options)  # type: ignore[arg-type] # seconds
    async with api_server(server.call) as url:
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[cache]) as session:
            first = await session.scan_qrcode(image)
            clock.advance(seconds)
            assert await session.scan_qrcode(image) == first
    return server.calls


@pytest.mark.parametrize(
    ("image", "seconds", "sends"),
    [(BLANK, 86_399, 1), (BLANK, 86_401, 2), (URL, 3_599, 1), (URL, 3_601, 2)],
    ids=["bytes", "bytes, later", "URL", "URL, later"],
)
async def test_an_answer_is_kept_for_its_time(image: object, seconds: float, sends: int) -> None:
    """The answer of bytes is kept for a day, that of a URL for an hour, and then the image is sent again."""
    assert await twice(image, seconds=seconds) == sends


async def test_the_times_can_be_chosen() -> None:
    """Other times for bytes and for URLs count instead."""
    assert await twice(BLANK, seconds=11, ttl=10) == 2
    assert await twice(URL, seconds=11, url_ttl=10) == 2
    assert await twice(BLANK, seconds=11, url_ttl=10) == 1


async def test_the_same_bytes_are_the_same_image(tmp_path: Path) -> None:
    """A path, bytes and a file object with the same large bytes are one send; other bytes are another."""
    server = Server()
    data = pictures.to_bytes(pictures.noise(500, 400))
    assert len(data) > 256 * 1024
    (tmp_path / "a.png").write_bytes(data)
    async with api_server(server.call) as url:
        cache = wxcv.AnswerCache()
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[cache]) as session:
            await session.scan_qrcode(data)
            await session.scan_qrcode(tmp_path / "a.png")
            with (tmp_path / "a.png").open("rb") as file:
                await session.scan_qrcode(file)
            assert (server.calls, len(cache)) == (1, 1)
            await session.scan_qrcode(BLANK)

    assert (server.calls, len(cache)) == (2, 2)


@pytest.mark.parametrize(
    ("errcode", "kept"),
    [(101001, True), (101002, True), (40009, False), (-1, False), (45009, False)],
)
async def test_only_lasting_rejections_are_kept(errcode: int, *, kept: bool) -> None:
    """That there is no document, or that it cannot be decoded, is kept for rejected_ttl; nothing else is."""
    server, clock = Server(errcode, "data format error"), wxcv.ManualClock()
    sources = [wxcv.AnswerCache(rejected_ttl=60, clock=clock)]
    policy = wxcv.RetryPolicy(attempts=1)
    images = [wxcv.ImageBytes(BLANK, name=name) for name in ("first", "second", "third", "fourth")]
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=sources, retries=policy) as session,
    ):
        errors = []
        for image in images:
            with pytest.raises(wxcv.APIError) as caught:
                await session.idcard(image)
            errors.append((caught.value.image, caught.value.sends))
            if image is images[2]:
                clock.advance(61)

    sends = 0 if kept else 1
    assert errors == [("first", 1), ("second", sends), ("third", sends), ("fourth", 1)]
    assert server.calls == 2 + 2 * sends


async def test_a_full_pack_of_the_market_is_no_rejection() -> None:
    """101002 with the text of an empty pack is about the account, and not kept."""
    server = Server(101002, "not enough market quota")
    sources = [wxcv.AnswerCache()]
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=sources) as session,
    ):
        for _ in range(2):
            with pytest.raises(wxcv.QuotaExhaustedError):
                await session.idcard(BLANK)

    assert server.calls == 2


async def test_a_batch_tells_a_kept_rejection_as_failed() -> None:
    """In a batch, an image that was rejected before is "failed" without a send."""
    server = Server(101001)
    sources = [wxcv.AnswerCache()]
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=sources) as session,
    ):
        for _ in range(2):
            async with session.batch(wxcv.IDCARD, [BLANK]) as batch:
                (outcome,) = [outcome async for outcome in batch]

    assert (outcome.status, outcome.sends, server.calls) == ("failed", 0, 1)
    assert isinstance(outcome.error, wxcv.DocumentNotFoundError)


async def test_the_least_used_answer_is_dropped_first() -> None:
    """With room for two answers, the third displaces the one that was used least recently."""
    server = Server()
    cache = wxcv.AnswerCache(maxsize=2)
    one, two, three = (pictures.qr_png(text) for text in ("one", "two", "three"))
    async with (
        api_server(server.call) as url,
        wxcv.Session(STATIC, base_url=url, answer_sources=[cache]) as session,
    ):
        for image in (one, two, one, three, one):
            await session.scan_qrcode(image)
        assert (server.calls, len(cache)) == (3, 2)
        await session.scan_qrcode(two)
        assert server.calls == 4
        cache.clear()
        await session.scan_qrcode(two)

    assert server.calls == 5
    assert repr(cache) == "<AnswerCache with 1 of 2 answers>"


async def test_sessions_may_share_a_cache() -> None:
    """What one session of an account was answered, another one of that account need not send."""
    server = Server()
    sources = [wxcv.AnswerCache()]
    async with api_server(server.call) as url:
        for _ in range(2):
            async with wxcv.Session(APP, base_url=url, answer_sources=sources) as session:
                await session.scan_qrcode(BLANK)

    assert server.calls == 1


async def test_an_answer_of_another_source_is_not_kept() -> None:
    """A session without the source that found an answer sends the image, though the cache is shared."""
    server, cache = Server(), wxcv.AnswerCache()
    reader = wxcv.LocalCodeReader()
    image = pictures.qr_png("here")
    async with api_server(server.call) as url:
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[cache, reader]) as session:
            assert (await session.scan_qrcode(image)).code_results[0].data == "here"
        assert (server.calls, len(cache)) == (0, 0)
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[cache]) as session:
            assert (await session.scan_qrcode(image)).code_results[0].data == "known"
    await reader.aclose()

    assert server.calls == 1


async def test_a_source_before_the_cache_is_asked_first() -> None:
    """The order of the list counts: a reader before the cache answers what the cache would know."""
    server, reader = Server(), wxcv.LocalCodeReader()
    image = pictures.qr_png("here")
    async with api_server(server.call) as url:
        cache = wxcv.AnswerCache()
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[cache]) as session:
            await session.scan_qrcode(image)
        async with wxcv.Session(STATIC, base_url=url, answer_sources=[reader, cache]) as session:
            assert (await session.scan_qrcode(image)).code_results[0].data == "here"
            assert (await session.scan_qrcode(BLANK)).code_results[0].data == "known"
            assert (await session.scan_qrcode(BLANK)).code_results[0].data == "known"
    await reader.aclose()

    assert server.calls == 2


async def test_a_cache_can_be_used_by_hand() -> None:
    """As an AnswerSource of its own, it finds what it was given to keep."""
    cache, image = wxcv.AnswerCache(), wxcv.ImageUrl(URL)
    assert await cache.find(wxcv.SCAN_QRCODE, image, {}) is None
    await cache.keep(wxcv.SCAN_QRCODE, image, {}, wxcv.QrcodeScan())

    assert await cache.find(wxcv.SCAN_QRCODE, image, {}) == wxcv.QrcodeScan()
    assert await cache.find(wxcv.SCAN_QRCODE, image, {"a": "b"}) is None


# --- between processes


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
            (URL, {}, STATIC),
            (URL, {}, wxcv.StaticTokenCredential("T3")),
            (URL, {}, APP),
        ):
            sources = [wxcv.AnswerCache(share=[endpoint])]
            async with wxcv.Session(
                credential, base_url=url, answer_sources=sources, store=shared.open()
            ) as session:
                await session.call(endpoint, image, fields=fields)

    assert server.calls == 6


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


REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: wxcv.AnswerCache(maxsize=0), ValueError, "maxsize"),
    (lambda: wxcv.AnswerCache(ttl=0), ValueError, "ttl"),
    (lambda: wxcv.AnswerCache(url_ttl=-1), ValueError, "url_ttl"),
    (lambda: wxcv.AnswerCache(rejected_ttl=float("nan")), ValueError, "rejected_ttl"),
    (lambda: wxcv.AnswerCache(share="scan_qrcode"), TypeError, "share"),  # type: ignore[arg-type] # on purpose
    (lambda: wxcv.AnswerCache(share=wxcv.SCAN_QRCODE), TypeError, "share"),  # type: ignore[arg-type] # on purpose
    (lambda: wxcv.AnswerCache(share=[5]), TypeError, "share"),  # type: ignore[list-item] # on purpose
    (lambda: wxcv.AnswerCache(clock=5), TypeError, "clock"),  # type: ignore[arg-type] # on purpose
    (
        lambda: wxcv.Session(APP, answer_sources=[wxcv.AnswerCache(share=[wxcv.SCAN_QRCODE])]),
        ValueError,
        "needs a store",
    ),
    (
        lambda: wxcv.Session(APP, answer_sources=[wxcv.AnswerCache(), wxcv.AnswerCache()]),
        ValueError,
        "one AnswerCache",
    ),
]


@pytest.mark.parametrize(("make", "kind", "named"), REFUSED)
def test_a_setting_that_cannot_work_is_refused(
    make: Callable[[], object], kind: type[Exception], named: str
) -> None:
    """Arguments out of range, several caches, or sharing without a store are refused by name."""
    with pytest.raises(kind, match=named):
        make()


async def test_endpoints_with_one_path_do_not_share_answers() -> None:
    """Two endpoints with the same path, whose answers are read in different ways, each get their own."""
    server = Server()
    own = wxcv.Endpoint("own", wxcv.SCAN_QRCODE.path, lambda fields: str(fields["errmsg"]))
    sources = [wxcv.AnswerCache()]
    async with api_server(server.call) as url:
        async with wxcv.Session(STATIC, base_url=url, answer_sources=sources) as session:
            assert (await session.scan_qrcode(BLANK)).code_results
            assert await session.call(own, BLANK) == "ok"

    assert server.calls == 2
