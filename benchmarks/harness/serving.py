"""Starts the answerer on its own core, and asks it what it got."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from benchmarks.harness.answerer import Options
from benchmarks.harness.core import require
from benchmarks.harness.runner import core_of_answerer
from benchmarks.harness.talking import Talking

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 10
_FORM = 1000  # bytes at most of a form around its picture


class Answerer:
    """A running answerer: where it answers, plain and over TLS."""

    def __init__(self, ports: dict[str, int]) -> None:
        self.base_url = f"http://127.0.0.1:{ports['http']}"
        self.tls_url = f"https://127.0.0.1:{ports['https']}" if "https" in ports else ""


@contextlib.contextmanager
def answering(**options: Any) -> Iterator[Answerer]:  # noqa: ANN401 - the fields of Options
    """Start an answerer with these Options; end it with the block."""
    task = {"options": asdict(Options(**options)), "core": core_of_answerer()}
    with Talking("benchmarks.harness.answerer") as process:
        process.tell(json.dumps(task))
        yield Answerer(json.loads(process.hear()))


def counts(base_url: str) -> dict[str, Any]:
    """Return what the answerer got so far, as `benchmarks.harness.answerer.Counts`."""
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"{base_url}/counts", timeout=_SECONDS) as response:
        told: dict[str, Any] = json.load(response)
    return told


@contextlib.contextmanager
def expecting(base_url: str, calls: int, size: int) -> Iterator[None]:
    """Fail unless the block sends that many pictures of that many bytes, each once and whole."""
    before = counts(base_url)
    yield
    after = counts(base_url)
    got, sent = after["calls"] - before["calls"], after["bytes"] - before["bytes"]
    require(is_true=got == calls, otherwise=f"{calls} pictures were sent, and {got} arrived")
    is_whole = calls * size <= sent <= calls * (size + _FORM)
    require(is_true=is_whole, otherwise=f"{calls} pictures of {size} bytes were sent, and {sent} bytes came")
