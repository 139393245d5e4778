"""An image is not sent again as long as its answer is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.accounts import APP, STATIC
from support.pictures import BLANK
from support.same_image import Server
from support.servers import api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URL = "https://example.com/a.png?signature=SIGNED"


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
    """``ttl`` sets the time for bytes, and ``url_ttl`` that for URLs."""
    assert await twice(BLANK, seconds=11, ttl=10) == 2
    assert await twice(URL, seconds=11, url_ttl=10) == 2
    assert await twice(BLANK, seconds=11, url_ttl=10) == 1


async def test_the_same_bytes_are_the_same_image(tmp_path: Path) -> None:
    """A path, bytes and a file object with the same large content are sent once; other bytes are sent too."""
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
    """Only 101001 (no document) and 101002 (cannot be decoded) are kept, for rejected_ttl."""
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


async def test_used_up_market_quota_is_no_rejection() -> None:
    """101002 that speaks of market quota is about the account, and is not kept."""
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
    """In a batch, an image that WeChat refused before is "failed" without a send."""
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
    """If there is room for two answers, a third one displaces the least recently used one."""
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
    """Another session of the same account uses the answer that the first one got."""
    server = Server()
    sources = [wxcv.AnswerCache()]
    async with api_server(server.call) as url:
        for _ in range(2):
            async with wxcv.Session(APP, base_url=url, answer_sources=sources) as session:
                await session.scan_qrcode(BLANK)

    assert server.calls == 1


async def test_an_answer_of_another_source_is_not_kept() -> None:
    """An answer of another source is not in the cache, so that a session without that source sends."""
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
    """Sources are asked in the order of the list: a reader before the cache answers first."""
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
    """Used directly as an AnswerSource, it finds what it was given to keep."""
    cache, image = wxcv.AnswerCache(), wxcv.ImageUrl(URL)
    assert await cache.find(wxcv.SCAN_QRCODE, image, {}) is None
    await cache.keep(wxcv.SCAN_QRCODE, image, {}, wxcv.QrcodeScan())

    assert await cache.find(wxcv.SCAN_QRCODE, image, {}) == wxcv.QrcodeScan()
    assert await cache.find(wxcv.SCAN_QRCODE, image, {"a": "b"}) is None


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
    """An argument out of range, a second cache, or sharing without a store raises an error that names it."""
    with pytest.raises(kind, match=named):
        make()


async def test_endpoints_with_one_path_do_not_share_answers() -> None:
    """Two endpoints with the same path that read answers differently do not get each other's answers."""
    server = Server()
    own = wxcv.Endpoint("own", wxcv.SCAN_QRCODE.path, lambda fields: str(fields["errmsg"]))
    sources = [wxcv.AnswerCache()]
    async with api_server(server.call) as url:
        async with wxcv.Session(STATIC, base_url=url, answer_sources=sources) as session:
            assert (await session.scan_qrcode(BLANK)).code_results
            assert await session.call(own, BLANK) == "ok"

    assert server.calls == 2
