"""Any number of images, in flat memory, and nothing lost."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import pictures
import pytest
from servers import TOKEN, answer, api_server, raw_server

import wxcv
from wxcv.batch.outages import OutageDetector
from wxcv.calls.reports import CallReport, CallResult
from wxcv.sandbox import Fault, Quota, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from aiohttp import web

QR = "/cv/img/qrcode"
STABLE = "/cgi-bin/stable_token"
APP = wxcv.AppCredential("wx1", "MARKED-SECRET")
PICTURE = pictures.qr_png("x")
QUICK = wxcv.RetryPolicy(base=0.01, cap=0.02)


class Server:
    """Answers every call at once, or when it is let; counts, and knows how many are under way."""

    def __init__(self) -> None:
        self.calls = 0
        self.now = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.errcode = 0

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await request.read()
            self.calls += 1
            await self.open.wait()
            return answer(errcode=self.errcode, errmsg="scripted", code_results=[])
        finally:
            self.now -= 1


async def collect(batch: wxcv.Batch[Any, Any]) -> list[wxcv.Outcome[Any, Any]]:
    """Take all outcomes."""
    async with batch:
        return [outcome async for outcome in batch]


def batch_of(
    work: Callable[[Any, Callable[[], None]], Awaitable[CallResult[int]]], *, concurrency: int, ordered: bool
) -> wxcv.Batch[int, int]:
    """Return a batch of the numbers to 100, on which that function works."""
    clock = wxcv.ManualClock()
    return wxcv.Batch(
        work,
        range(100),
        outages=OutageDetector(clock, 60.0, lambda: 0.0),
        clock=clock,
        concurrency=concurrency,
        window=2 * concurrency,
        ordered=ordered,
        key=None,
    )


def statuses(outcomes: list[wxcv.Outcome[Any, Any]]) -> list[str]:
    """Return the statuses in the order of the images."""
    return [outcome.status for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


@pytest.fixture
def mixed(tmp_path: Path) -> list[Any]:
    """Ten images: one too large, one no image, one missing, one that the server refuses, six good ones."""
    good = tmp_path / "good.png"
    good.write_bytes(PICTURE)
    broken = PICTURE[:40]
    return [
        good,
        bytes(2_097_152),
        good,
        b"no image",
        good,
        tmp_path / "missing.png",
        PICTURE,
        broken,
        good,
        good,
    ]


@pytest.mark.parametrize("ordered", [False, True])
async def test_bad_images_do_not_sink_the_rest(
    box: Sandbox,
    session: wxcv.Session,
    mixed: list[Any],
    ordered: bool,
) -> None:
    """Of ten images, one too large, one no image, one missing and one refused: six are read, four fail."""
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, mixed, ordered=ordered))

    expected = ["ok", "failed", "ok", "failed", "ok", "failed", "ok", "failed", "ok", "ok"]
    assert statuses(outcomes) == expected
    assert {type(outcome.error).__name__ for outcome in outcomes if outcome.status == "failed"} == {
        "ImageTooLargeError",
        "UnsupportedImageError",
        "UnreadableImageError",
        "ImageRejectedError",
    }
    assert [outcome.index for outcome in outcomes] == list(range(10)) or not ordered
    assert box.requests[QR] == 7


async def test_an_outcome_tells_item_image_answer_and_sends(session: wxcv.Session) -> None:
    """With a key, the item stays as the iterable gave it, and the image is what the key made of it."""
    messages = [{"id": 7, "body": PICTURE}]
    (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, messages, key=lambda message: message["body"]))

    assert (outcome.index, outcome.item, outcome.image) == (0, messages[0], PICTURE)
    assert (outcome.status, outcome.error, outcome.sends) == ("ok", None, 1)
    assert outcome.elapsed > 0
    assert outcome.unwrap().code_results[0].data == "x"


async def test_unwrap_raises_the_error(session: wxcv.Session) -> None:
    """unwrap of a failed outcome raises its error."""
    (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [b""]))

    with pytest.raises(wxcv.EmptyImageError):
        outcome.unwrap()
    assert (outcome.status, outcome.sends, outcome.answer) == ("failed", 0, None)


async def test_no_images_give_no_outcomes(session: wxcv.Session) -> None:
    """An empty batch ends at once."""
    assert await collect(session.batch(wxcv.SCAN_QRCODE, [])) == []


async def test_async_iterables_are_taken_as_well(session: wxcv.Session) -> None:
    """Images may come from an async generator."""

    async def images() -> AsyncIterator[bytes]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield PICTURE

    assert statuses(await collect(session.batch(wxcv.SCAN_QRCODE, images()))) == ["ok"] * 5


@pytest.mark.parametrize("ordered", [False, True])
async def test_images_are_taken_only_as_fast_as_outcomes_are(ordered: bool) -> None:
    """An endless iterable is taken from as far as outcomes find room, and no further."""
    taken = 0

    def images() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield PICTURE

    server = Server()
    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url, concurrency=3) as session:
        async with session.batch(wxcv.SCAN_QRCODE, images(), ordered=ordered, window=7) as outcomes:
            for given in range(1, 30):
                await anext(outcomes)
                for _ in range(20):
                    await asyncio.sleep(0)
                assert taken <= given + (7 if ordered else 6)
            assert server.most <= 3


async def test_an_ordered_batch_waits_for_its_slowest_only_as_far_as_its_window() -> None:
    """While the first image hangs, others go on until the window is full, and then all come in order."""
    server = Server()

    async def call(request: web.Request) -> web.StreamResponse:
        if request.query["img_url"].endswith("/0"):
            await server.open.wait()
        server.calls += 1
        return answer(errcode=0, code_results=[])

    server.open.clear()
    async with api_server(call) as url, wxcv.Session(APP, base_url=url, concurrency=4) as session:
        images = [f"https://example.com/{number}" for number in range(40)]
        async with session.batch(wxcv.SCAN_QRCODE, images, ordered=True, window=10) as outcomes:
            first = asyncio.ensure_future(anext(outcomes))
            while server.calls < 9:
                await asyncio.sleep(0.001)
            assert not first.done()
            server.open.set()
            rest = [await first] + [outcome async for outcome in outcomes]

    assert [outcome.index for outcome in rest] == list(range(40))


@pytest.mark.parametrize("how", ["break", "raise", "cancel"])
async def test_leaving_early_ends_the_work_and_leaves_the_session_usable(how: str) -> None:
    """However a batch is left, its tasks end with it, and the next call works."""
    server, before = Server(), asyncio.all_tasks()

    async def consume(session: wxcv.Session) -> None:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 1000) as outcomes:
            async for _ in outcomes:
                if how == "break":
                    break
                if how == "raise":
                    raise ZeroDivisionError
                server.open.clear()

    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url) as session:
        task = asyncio.create_task(consume(session))
        if how == "cancel":
            while server.calls < 5:
                await asyncio.sleep(0.001)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not [one for one in asyncio.all_tasks() - before if one.get_name() == "wxcv batch"]

        server.open.set()
        assert (await session.scan_qrcode(PICTURE)).code_results == ()


async def test_leaving_drops_the_outcomes_that_were_not_taken(session: wxcv.Session) -> None:
    """After its block, a batch has no outcomes left, also if some were ready."""
    batch = session.batch(wxcv.SCAN_QRCODE, [b"text"] * 10)
    async with batch:
        await anext(batch)
        assert batch._ready

    assert [outcome async for outcome in batch] == []


async def test_an_error_of_the_iterable_comes_after_the_outcomes(session: wxcv.Session) -> None:
    """What the images' iterable raises is raised after the outcomes of the images before it."""

    def images() -> Iterator[bytes]:
        yield from [PICTURE] * 5
        raise ZeroDivisionError("mine")

    seen = []
    with pytest.raises(ZeroDivisionError, match="mine"):
        async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok"] * 5


@pytest.mark.parametrize("count", [0, 1, 3, 20])
async def test_a_window_may_be_smaller_than_the_number_of_workers(session: wxcv.Session, count: int) -> None:
    """An ordered batch that holds one image at a time gives all outcomes, and ends."""
    async with asyncio.timeout(10):
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [b"text"] * count, ordered=True, window=1))

    assert [outcome.index for outcome in outcomes] == list(range(count))


async def test_a_key_that_raises_fails_its_item_only(session: wxcv.Session) -> None:
    """If key raises for an item, that item fails with a name and the reason, and the others are done."""
    items: list[dict[str, bytes]] = [{"body": PICTURE}, {}, {"body": PICTURE}]
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, items, key=lambda item: item["body"]))

    assert statuses(outcomes) == ["ok", "failed", "ok"]
    (failed,) = [outcome for outcome in outcomes if outcome.error]
    assert "image 1: key raised KeyError" in str(failed.error)
    assert (failed.index, failed.item, failed.image) == (1, {}, None)
    assert (failed.sends, failed.elapsed) == (0, 0.0)


async def test_a_batch_that_is_ended_before_it_began_ends(box: Sandbox) -> None:
    """If the session is closed in the moment in which a batch begins, its consumer is told."""
    session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
    first = asyncio.ensure_future(anext(session.batch(wxcv.SCAN_QRCODE, [PICTURE])))
    await asyncio.sleep(0)
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await first


async def test_an_iterable_that_is_cancelled_does_not_end_a_batch_silently(session: wxcv.Session) -> None:
    """If the images' iterable raises CancelledError by itself, that is an error after its outcomes."""

    def images() -> Iterator[bytes]:
        yield PICTURE
        raise asyncio.CancelledError

    seen = []
    with pytest.raises(RuntimeError, match="iterable was cancelled"):
        async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok"]


async def test_closing_a_batch_ends_images_that_are_waited_for(session: wxcv.Session) -> None:
    """An async iterable waiting for its next image is ended when the batch is closed, and may clean up."""
    ended = []

    async def images() -> AsyncIterator[bytes]:
        yield PICTURE
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with session.batch(wxcv.SCAN_QRCODE, images()) as outcomes:
        assert (await anext(outcomes)).status == "ok"

    assert ended == [True]


class _Odd:
    """A path that breaks when it is asked for."""

    def __fspath__(self) -> str:
        raise KeyError("broken")


async def test_an_object_that_breaks_fails_alone(session: wxcv.Session) -> None:
    """An image object that raises anything at all fails by itself."""
    outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE, _Odd(), PICTURE]))

    assert statuses(outcomes) == ["ok", "failed", "ok"]


async def test_a_batch_left_with_break_ends_with_its_session(box: Sandbox) -> None:
    """A batch that is left without being closed is ended by its session, without a warning."""
    credential, before = wxcv.AppCredential(box.appid, box.secret), asyncio.all_tasks()
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        async for _ in session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100):
            break
        gc.collect()

    assert not [one for one in asyncio.all_tasks() - before if one.get_name() == "wxcv batch"]


async def test_a_single_call_does_not_wait_behind_a_whole_batch() -> None:
    """A call made while a batch runs waits for at most as many sends as there are slots."""
    server = Server()
    async with api_server(server.call) as url, wxcv.Session(APP, base_url=url, concurrency=4) as session:
        async with session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 500) as outcomes:
            await anext(outcomes)
            drain = asyncio.create_task(_drain(outcomes))
            before = server.calls
            await session.printed_text(PICTURE)
            assert server.calls - before <= 2 * 4 + 1
            await drain


async def _drain(outcomes: wxcv.Batch[Any]) -> None:
    async for _ in outcomes:
        pass


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ("a.jpg", {}, "put it into a list"),
        (b"bytes", {}, "put it into a list"),
        (5, {}, "iterable"),
        ([], {"key": "body"}, "key"),
        ([], {"window": 0}, "window"),
        ([], {"fields": {"x": "1"}}, "it accepts: none"),
    ],
)
def test_a_bad_argument_is_named(images: Any, options: dict[str, Any], message: str) -> None:
    """A batch of one image instead of many, and other bad arguments, are refused by name."""
    with pytest.raises((TypeError, ValueError), match=message):
        wxcv.Session(APP).batch(wxcv.SCAN_QRCODE, images, **options)
    with pytest.raises(TypeError, match="endpoint"):
        wxcv.Session(APP).batch("scan", [])  # type: ignore[arg-type]


# --- refusals that concern the account


@pytest.mark.parametrize(
    ("errcode", "cls"),
    [
        (45009, wxcv.QuotaExhaustedError),
        (101003, wxcv.QuotaExhaustedError),
        (48001, wxcv.PermissionDeniedError),
        (61007, wxcv.PermissionDeniedError),
    ],
)
async def test_after_the_first_account_wide_refusal_nothing_more_is_sent(
    errcode: int, cls: type[wxcv.APIError]
) -> None:
    """After a refusal in the middle of 1,000, only what was under way was sent, and the rest is not_sent."""
    server = Server()

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        server.calls += 1
        code = 0 if server.calls <= 500 else errcode
        return answer(errcode=code, errmsg="scripted", code_results=[])

    async with api_server(call) as url, wxcv.Session(APP, base_url=url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 1000))

    counts = {status: statuses(outcomes).count(status) for status in ("ok", "failed", "not_sent", "unknown")}
    assert counts["ok"] == 500
    assert 1 <= counts["failed"] <= 8
    assert server.calls == 500 + counts["failed"]
    assert counts["not_sent"] == 500 - counts["failed"]
    assert {type(outcome.error) for outcome in outcomes if outcome.error} == {cls}
    assert all(outcome.sends == 0 for outcome in outcomes if outcome.status == "not_sent")
    assert all(outcome.sends == outcome.error.sends for outcome in outcomes if outcome.error)


async def test_a_quota_of_the_sandbox_stops_a_batch() -> None:
    """With 20 calls a day, 20 images are read and the others are kept for another day."""
    async with Sandbox(quota=Quota(per_day=20)) as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100))

        assert statuses(outcomes).count("ok") == 20
        assert statuses(outcomes).count("not_sent") >= 72
        assert box.usage(QR).day == 20


class _Slow:
    """An image that is read only after another was refused."""

    name = "slow.png"

    def __init__(self) -> None:
        self.go, self.picture = threading.Event(), PICTURE

    def read(self, _size: int) -> bytes:
        self.go.wait(10)
        picture, self.picture = self.picture, b""
        return picture


async def test_what_is_being_read_when_the_quota_ends_is_not_sent() -> None:
    """An image that has its slot but was not sent when another is refused for the account stays unsent."""
    slow, sent = _Slow(), 0

    async def call(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        await request.read()
        sent += 1
        return answer(errcode=45009, errmsg="limit")

    def note(_event: wxcv.AttemptEvent) -> None:
        asyncio.get_running_loop().call_later(0.05, slow.go.set)

    async with (
        api_server(call) as url,
        wxcv.Session(APP, base_url=url, on_attempt=note, concurrency=2) as session,
    ):
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [slow, PICTURE], ordered=True))

    assert [outcome.status for outcome in outcomes] == ["not_sent", "failed"]
    assert sent == 1


async def test_a_fault_of_the_function_is_raised_where_outcomes_are_taken() -> None:
    """If the function behind a batch breaks, the outcomes so far are given, then what it raised."""

    async def work(image: int, _before_send: Callable[[], None]) -> CallResult[int]:
        if image == 3:
            raise ZeroDivisionError
        return CallResult(image, None, CallReport(sends=1))

    batch = batch_of(work, concurrency=1, ordered=True)
    seen = []
    with pytest.raises(ZeroDivisionError):
        async for outcome in batch:
            seen.append(outcome.answer)  # noqa: PERF401 - the rest must be kept

    assert seen == [0, 1, 2]


async def test_a_dead_fixed_token_stops_a_batch(box: Sandbox) -> None:
    """With a fixed token that WeChat refuses, a few images are sent and all others are not_sent."""
    async with wxcv.Session(wxcv.StaticTokenCredential("dead"), base_url=box.base_url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100))

    assert box.requests[QR] <= 8
    assert {type(outcome.error) for outcome in outcomes} == {wxcv.TokenRejectedError}
    assert statuses(outcomes).count("not_sent") >= 92


async def test_a_wrong_secret_stops_a_batch(box: Sandbox) -> None:
    """With a wrong secret nothing is sent, and every image is not_sent."""
    async with wxcv.Session(wxcv.AppCredential(box.appid, "0" * 32), base_url=box.base_url) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50))

    assert set(statuses(outcomes)) == {"not_sent"}
    assert (box.requests[QR], box.requests[STABLE]) == (0, 1)


# --- nothing can be reached


async def moved(clock: wxcv.ManualClock, done: Callable[[], bool], *, by: float = 0.5) -> None:
    """Move the clock on until that is so."""
    while not done():
        await asyncio.sleep(0.001)
        clock.advance(by)


async def test_a_token_endpoint_that_is_down_fails_no_image(box: Sandbox) -> None:
    """While the token endpoint answers 503 for ever, a batch waits for call_timeout, then all is not_sent."""
    clock = wxcv.ManualClock()
    box.fail_always(STABLE, Fault(status=503))
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 200)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"not_sent"}
    assert box.requests[QR] == 0
    assert box.requests[STABLE] <= 15
    assert 60 <= clock.monotonic() < 90


async def test_a_token_endpoint_that_comes_back_costs_nothing(box: Sandbox) -> None:
    """If tokens can be had again before call_timeout is over, every image is read."""
    clock = wxcv.ManualClock()
    box.fail_next(STABLE, *[Fault(status=503)] * 6)
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"ok"}


async def test_a_refused_token_while_no_new_one_can_be_had_fails_no_image(box: Sandbox) -> None:
    """If the token is refused while the token endpoint is down, images wait for it, and all are read."""
    clock = wxcv.ManualClock()
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        box.revoke((await session.token()).value)
        box.fail_next(STABLE, *[Fault(status=503)] * 6)
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 20)))
        await moved(clock, task.done)

    assert set(statuses(task.result())) == {"ok"}


async def test_a_dead_network_fails_few_images() -> None:
    """When nothing listens any more, a few images use up their attempts, and all others are not_sent."""
    clock = wxcv.ManualClock()
    async with raw_server(lambda _r, _w: asyncio.sleep(0)) as url:
        pass
    async with wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 300)))
        await moved(clock, task.done)

    counts = [statuses(task.result()).count(status) for status in ("failed", "not_sent")]
    assert counts[0] <= 50 // 3 + 8
    assert sum(counts) == 300


# --- retries


async def test_what_passes_is_retried_within_a_call(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """Busy, a 503 and a lost answer are each made good by another send of the same bytes."""
    for fault in (Fault(errcode=-1), Fault(status=503), Fault(drop="after"), Fault(cut=True)):
        box.fail_next(QR, fault)
        box.received.clear()
        async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
            assert (await session.scan_qrcode(PICTURE)).code_results
        assert len({one.sha256 for one in box.received}) == 1
        assert len(box.received) == 2


async def test_strict_quota_never_sends_twice_what_may_have_counted(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """With at_most_once a lost answer is final, and its outcome is unknown."""
    box.fail_next(QR, Fault(drop="after"))
    policy = wxcv.RetryPolicy(at_most_once=True)
    async with wxcv.Session(credential, base_url=box.base_url, retries=policy) as session:
        (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE]))

    assert (outcome.status, outcome.sends, box.requests[QR]) == ("unknown", 1, 1)


async def test_a_lost_answer_stays_unknown_whatever_comes_after(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """If one send had no answer and the next was refused, the outcome is unknown, with both sends counted."""
    box.fail_next(QR, Fault(drop="after"), Fault(errcode=99999))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        (outcome,) = await collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE]))

    assert (outcome.status, outcome.sends) == ("unknown", 2)
    assert isinstance(outcome.error, wxcv.APIError)


async def test_a_server_that_is_always_busy_gets_three_attempts(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A call that is busy for ever ends after three attempts, and says so."""
    box.fail_always(QR, Fault(errcode=-1))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK) as session:
        with pytest.raises(wxcv.SystemBusyError, match="sends: 3") as caught:
            await session.scan_qrcode(PICTURE)

    assert (caught.value.sends, box.requests[QR]) == (3, 3)


async def test_a_failing_server_is_not_flooded_with_retries(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """While everything fails, a thousand calls cost no more than a hundred retries."""
    box.fail_always(QR, Fault(status=503))
    async with wxcv.Session(credential, base_url=box.base_url, retries=QUICK, concurrency=16) as session:
        outcomes = await collect(session.batch(wxcv.SCAN_QRCODE, ["https://example.com/a.png"] * 1000))

    assert set(statuses(outcomes)) == {"failed"}
    assert box.requests[QR] == 1100


async def test_no_wait_goes_beyond_the_deadline(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A Retry-After that does not fit into call_timeout ends the call at once."""
    box.fail_always(QR, Fault(status=503, headers={"Retry-After": "30"}))
    async with wxcv.Session(credential, base_url=box.base_url, call_timeout=5) as session:
        with pytest.raises(wxcv.ProtocolError) as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.elapsed < 5
    assert box.requests[QR] == 1


async def test_a_throttled_single_call_waits_as_long_as_it_is_told(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call answered with 429 and a Retry-After within its deadline waits for it and is answered."""
    clock = wxcv.ManualClock()
    box.fail_next(QR, Fault(status=429, headers={"Retry-After": "5"}))
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(session.scan_qrcode(PICTURE))
        await moved(clock, task.done)

    assert task.result().code_results
    assert clock.monotonic() >= 5


async def test_a_throttled_single_call_fails_if_the_minute_is_too_long(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call whose deadline ends before the minute does is a RateLimitedError, and so is the next."""
    clock = wxcv.ManualClock(wall=1_600_000_005.0)
    box.fail_next(QR, Fault(errcode=45011))
    async with wxcv.Session(credential, base_url=box.base_url, call_timeout=10, clock=clock) as session:
        for sends in (1, 0):
            with pytest.raises(wxcv.RateLimitedError) as caught:
                await session.scan_qrcode(PICTURE)
            assert caught.value.sends == sends
        clock.advance(60)
        assert (await session.scan_qrcode(PICTURE)).code_results

    assert box.requests[QR] == 2


async def test_one_that_is_always_throttled_ends(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """An image that every minute begins with refusing fails after eleven sends."""
    clock = wxcv.ManualClock()
    box.fail_always(QR, Fault(errcode=45011))
    async with wxcv.Session(credential, base_url=box.base_url, clock=clock) as session:
        task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE])))
        await moved(clock, task.done)

    (outcome,) = task.result()
    assert (outcome.status, outcome.sends) == ("failed", 11)
    assert isinstance(outcome.error, wxcv.RateLimitedError)


async def test_sixty_a_minute_are_kept_for_six_hundred_images() -> None:
    """At 60 a minute 600 images are all read, with at most 72 sends a minute from the second on."""
    clock = wxcv.ManualClock(wall=1_600_000_020.0)
    minutes: dict[int, int] = {}
    async with Sandbox(quota=Quota(per_minute=60), clock=clock.wall) as box:
        credential = wxcv.AppCredential(box.appid, box.secret)

        def count(_event: wxcv.AttemptEvent) -> None:
            minute = int(clock.wall() // 60)
            minutes[minute] = minutes.get(minute, 0) + 1

        options: dict[str, Any] = {"clock": clock, "on_attempt": count, "call_timeout": 20}
        async with wxcv.Session(credential, base_url=box.base_url, **options) as session:
            images = [pictures.blank_png()] * 600
            task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, images)))
            await moved(clock, task.done, by=0.1)

    assert statuses(task.result()) == ["ok"] * 600
    later = [sent for minute, sent in sorted(minutes.items())[1:]]
    assert max(later) <= 72
    assert sum(minutes.values()) <= 660


# --- the end of a session


async def test_closing_the_session_ends_its_batches() -> None:
    """When the session is closed under a batch, what is under way is given, then SessionClosedError."""
    server, seen = Server(), []
    async with api_server(server.call) as url:
        session = wxcv.Session(APP, base_url=url, concurrency=2)
        batch = session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 100)
        server.open.clear()
        first = asyncio.ensure_future(anext(batch))
        while server.calls < 2:
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(session.aclose(grace=60))
        await asyncio.sleep(0)
        server.open.set()
        await closing
        seen.append((await first).status)
        with pytest.raises(wxcv.SessionClosedError):
            async for outcome in batch:
                seen.append(outcome.status)  # noqa: PERF401 - the rest must be kept

    assert seen == ["ok", "ok"]
    assert server.calls == 2


async def test_a_batch_that_was_not_begun_ends_with_its_session(box: Sandbox) -> None:
    """A batch of a session that was closed before it began raises SessionClosedError, not nothing."""
    session = wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url)
    batch = session.batch(wxcv.SCAN_QRCODE, [PICTURE])
    await session.aclose()
    with pytest.raises(wxcv.SessionClosedError):
        await anext(batch)


async def test_cancelling_at_any_moment_leaks_nothing(box: Sandbox, credential: wxcv.AppCredential) -> None:
    """A batch cancelled at 200 seeded moments leaves no task and no slot taken, and the next call works."""
    seeded = random.Random(11)  # noqa: S311 - not for security
    async with wxcv.Session(credential, base_url=box.base_url, concurrency=4) as session:
        await session.scan_qrcode(PICTURE)
        for _ in range(200):
            task = asyncio.create_task(collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 20)))
            for _ in range(seeded.randrange(120)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        left = [one for one in asyncio.all_tasks() if one.get_name().startswith("wxcv")]
        assert left == []
        assert session._state.slots.free_count == 4
        assert (await session.scan_qrcode(PICTURE)).code_results


async def test_calls_cancelled_at_any_moment_leak_nothing(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A single call, also the first, cancelled at 200 seeded moments leaves everything as it was."""
    seeded = random.Random(12)  # noqa: S311 - not for security
    for _ in range(20):
        async with wxcv.Session(credential, base_url=box.base_url, concurrency=2) as session:
            for _ in range(10):
                task = asyncio.create_task(session.scan_qrcode(PICTURE))
                for _ in range(seeded.randrange(60)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            assert session._state.slots.free_count == 2
            assert (await session.scan_qrcode(PICTURE)).code_results


@pytest.mark.parametrize("ordered", [False, True])
async def test_no_image_is_lost_when_a_borrowed_http_session_is_closed(*, ordered: bool) -> None:
    """Calls that wait for a connection of a session that closes get an outcome, as all others do."""
    server = Server()
    server.open.clear()
    async with api_server(server.call) as url:
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2))
        session = wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, http=http, retries=QUICK)
        async with session:
            outcomes = asyncio.create_task(
                collect(session.batch(wxcv.SCAN_QRCODE, [PICTURE] * 50, ordered=ordered))
            )
            while server.calls < 2:
                await asyncio.sleep(0.001)
            await http.close()
            server.open.set()
            got = await outcomes

    assert sorted(outcome.index for outcome in got) == list(range(50))
    assert {outcome.status for outcome in got} <= {"ok", "unknown", "not_sent"}


class Cancelling:
    """A file object whose read is cancelled by nobody."""

    def read(self, _size: int) -> bytes:
        """Do so."""
        raise asyncio.CancelledError


class Unreadable:
    """An object that has no file, as a web framework's field of a form."""

    @property
    def read(self) -> object:
        """Raise."""
        raise ValueError("no file")


@pytest.mark.parametrize("ordered", [False, True])
async def test_an_object_that_breaks_sinks_itself_only(*, ordered: bool) -> None:
    """A file object that raises CancelledError, or raises for its read, is one failed image."""
    images = [PICTURE, Cancelling(), Unreadable(), *[PICTURE] * 30]
    async with (
        api_server(Server().call) as url,
        wxcv.Session(wxcv.StaticTokenCredential(TOKEN), base_url=url, concurrency=2) as session,
    ):
        got = await collect(session.batch(wxcv.SCAN_QRCODE, images, ordered=ordered, window=2))

    failed = {outcome.index: outcome.error for outcome in got if outcome.status == "failed"}
    assert len(got) == len(images)
    assert {index: type(error) for index, error in failed.items()} == dict.fromkeys(
        (1, 2), wxcv.UnreadableImageError
    )


@pytest.mark.parametrize("ordered", [False, True])
async def test_work_that_is_cancelled_by_nobody_ends_the_batch_with_an_error(*, ordered: bool) -> None:
    """A batch never ends quietly, and never waits for ever, behind an image that got no outcome."""
    done = 0

    async def work(_image: object, _before_send: Callable[[], None]) -> CallResult[int]:
        nonlocal done
        done += 1
        await asyncio.sleep(0)
        if done > 3:
            raise asyncio.CancelledError
        return CallResult(1, None, CallReport(sends=1))

    batch = batch_of(work, concurrency=2, ordered=ordered)

    with pytest.raises(RuntimeError, match="but not by the batch"):
        await collect(batch)


async def test_a_batch_that_was_left_is_forgotten() -> None:
    """A session does not keep batches whose block was left, also if nothing was taken from them."""
    async with wxcv.Session(APP, base_url="http://127.0.0.1:1") as session:
        for _ in range(3):
            async with session.batch(wxcv.SCAN_QRCODE, [PICTURE]):
                pass

        assert not session._batches
