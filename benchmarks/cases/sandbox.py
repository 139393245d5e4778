"""`sandbox`: what the sandbox adds to the engines that read its pictures.

Measured: reads a second of a Sandbox with one worker, called by wxcv: the codes of a page, and its text.
Client and sandbox are one process, as in a user's tests. A Sandbox that takes `workers` gets 1, and two calls
at a time, so that the worker never waits; one that does not gets one call at a time.
Baseline: Pillow and zxing-cpp, or Pillow and RapidOCR, called directly in one thread (1.00); both must find
the same.
"""

from __future__ import annotations

import asyncio
import inspect
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import wxcv
from benchmarks.harness.core import Case, Goal, Report, Settings, require, require_modules
from benchmarks.harness.meter import Meter
from benchmarks.harness.runner import rounds_of

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 5
READS = {"codes": 100, "pages": 8}
PICTURE = Path(__file__).parents[2] / "tests" / "images" / "parcel.png"
MUST, AIM = 0.9, 0.97


def _codes() -> Callable[[bytes], set[str]]:
    import zxingcpp
    from PIL import Image

    def read(data: bytes) -> set[str]:
        with Image.open(io.BytesIO(data)) as picture:
            return {code.text for code in zxingcpp.read_barcodes(picture.convert("L"))}

    return read


def _pages() -> Callable[[bytes], set[str]]:
    import numpy as np
    from PIL import Image
    from rapidocr import RapidOCR

    engine: Any = RapidOCR(params={"Global.log_level": "critical"})

    def read(data: bytes) -> set[str]:
        with Image.open(io.BytesIO(data)) as picture:
            pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])
        return set(engine(pixels).txts or ())

    return read


ENGINES = {"codes": _codes, "pages": _pages}


def direct(what: str, reads: int) -> dict[str, float]:
    """Call the engine in a loop."""
    read, data = ENGINES[what](), PICTURE.read_bytes()
    found = read(data)
    require(is_true=bool(found), otherwise="the engine found nothing")
    with Meter() as meter:
        for _ in range(reads):
            require(is_true=read(data) == found, otherwise="the engine found something else")
    return {"reads": reads / meter.wall}


async def through(what: str, reads: int) -> dict[str, float]:
    """Call a Sandbox."""
    from wxcv.sandbox import Sandbox

    data, expected = (
        PICTURE.read_bytes(),
        await asyncio.to_thread(lambda: ENGINES[what]()(PICTURE.read_bytes())),
    )
    takes_workers = "workers" in inspect.signature(Sandbox).parameters
    options: dict[str, Any] = {"workers": 1} if takes_workers else {}
    async with Sandbox(**options) as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        concurrency = 2 if takes_workers else 1
        async with wxcv.Session(credential, base_url=box.base_url, concurrency=concurrency) as session:

            async def read() -> None:
                require(is_true=await _read(session, what, data) == expected, otherwise="another reading")

            await read()
            with Meter() as meter:
                await asyncio.gather(*(read() for _ in range(reads)))
    return {"reads": reads / meter.wall}


async def _read(session: wxcv.Session, what: str, data: bytes) -> set[str]:
    if what == "codes":
        return {code.data for code in (await session.scan_qrcode(data)).code_results}
    return {item.text for item in (await session.printed_text(data)).items}


def run(settings: Settings) -> list[Report]:
    """Run the benchmark."""
    require_modules("zxingcpp", "PIL", "rapidocr", "onnxruntime", "numpy")
    cases = []
    for what, reads in READS.items():
        arguments = {"what": what, "reads": settings.pick(reads, reads // 2)}
        for who, work in {"through the sandbox": through, "engine alone": direct}.items():
            cases.append(Case(who, work, arguments, what, is_pinned=False))
    rows = rounds_of(cases, settings.rounds_or(ROUNDS))
    report = Report("reads a second, one worker", {"reads": "reads a second"}, "engine alone", rows)
    for what in READS:
        ratio = report.ratio(what, "through the sandbox", "engine alone")
        if ratio is not None:
            report.goals.append(Goal(f"{what}, sandbox / engine", ratio, MUST, AIM, is_higher_better=True))
    return [report]
