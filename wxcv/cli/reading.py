"""Reads the images of one command, with a batch for each endpoint."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

import wxcv
from wxcv.cli import exits

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence

    from wxcv.cli.names import Names

    Outcome = wxcv.Outcome[str, Any]


@attrs.define
class ImageReport:
    """The outcomes of one image, one for each endpoint.

    Attributes:
        image: its name.
        endpoints: which are to read it.
        outcomes: by the endpoint's name; fewer than the endpoints if the command was ended.
    """

    image: str
    endpoints: Sequence[wxcv.Endpoint[Any]]
    outcomes: dict[str, Outcome] = attrs.field(factory=dict)

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The answers as labels and texts, as their endpoints have them printed."""
        rows: list[tuple[str, str]] = []
        for endpoint in self.endpoints:
            outcome = self.outcomes.get(endpoint.name)
            if outcome is not None and outcome.status == "ok":
                rows += self._rows_of(endpoint, outcome.answer)
        return rows

    @staticmethod
    def _rows_of(endpoint: wxcv.Endpoint[Any], answer: object) -> list[tuple[str, str]]:
        try:
            rows = [(str(label), str(text)) for label, text in endpoint.table(answer)]
        except Exception:  # noqa: BLE001 - of an endpoint of the caller's own; the answer was paid for
            return [(endpoint.name, repr(answer))]
        return rows or [(endpoint.name, "(none found)")]

    @property
    def failures(self) -> list[tuple[str, wxcv.Unanswered[str]]]:
        """The endpoint names and outcomes of the calls that failed."""
        return [(name, one) for name, one in self.outcomes.items() if one.status != "ok"]

    @property
    def missing(self) -> list[str]:
        """The names of the endpoints without an outcome."""
        return [endpoint.name for endpoint in self.endpoints if endpoint.name not in self.outcomes]

    @property
    def exit_code(self) -> int:
        """The highest exit code of its failures."""
        return max((exits.code_of(one) for _, one in self.failures), default=exits.ALL_READ)


class _Shared:
    """Passes every name to several batches; a name that one batch has taken waits for the others."""

    def __init__(self, names: AsyncIterator[str], count: int) -> None:
        self._names = names
        self._waiting: list[deque[str]] = [deque() for _ in range(count)]
        self._lock = asyncio.Lock()

    async def take(self, number: int) -> AsyncGenerator[str, None]:
        """Yield the names for one of the batches."""
        mine = self._waiting[number]
        while True:
            async with self._lock:
                if not mine:
                    try:
                        name = await anext(self._names)
                    except StopAsyncIteration:
                        return
                    for waiting in self._waiting:
                        waiting.append(name)
            yield mine.popleft()


class ImageReader:
    """Reads images, and prints the results in the order in which the images were named.

    Args:
        session: the session that makes the calls.
        names: the names of the images.
        endpoints: the endpoints that read each image.
        print_report: prints one result; called in a thread, so that a slow terminal does not delay calls.
        fields: the extra fields of every call.

    Attributes:
        exit_code: the highest exit code of all failures so far.
    """

    def __init__(
        self,
        session: wxcv.Session,
        names: Names,
        endpoints: Sequence[wxcv.Endpoint[Any]],
        print_report: Callable[[ImageReport], None],
        fields: Mapping[str, str] | None = None,
    ) -> None:
        self.exit_code = exits.ALL_READ
        self._session = session
        self._names = names
        self._endpoints = endpoints
        self._print_report = print_report
        self._fields = fields or None
        self._printing = asyncio.Lock()
        self._printed = 0
        self._reports: dict[int, ImageReport] = {}
        self._closing: asyncio.Task[None] | None = None

    async def read(self) -> None:
        """Read and print all images.

        Raises:
            OSError: the output cannot be written.
        """
        shared = _Shared(aiter(self._names), len(self._endpoints))
        tasks = [
            asyncio.create_task(self._run(endpoint, shared.take(number)))
            for number, endpoint in enumerate(self._endpoints)
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def end(self) -> None:
        """End calls in flight; ``read`` prints what was answered before, and returns."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._session.aclose(grace=0))

    async def _run(self, endpoint: wxcv.Endpoint[Any], names: AsyncGenerator[str, None]) -> None:
        try:
            async with self._session.batch(endpoint, self._record(names), fields=self._fields) as outcomes:
                async for outcome in outcomes:
                    report = self._reports[outcome.index]
                    report.outcomes[endpoint.name] = outcome
                    self.exit_code = max(self.exit_code, report.exit_code)
                    async with self._printing:
                        await self._print_due()
        except wxcv.SessionClosedError:
            if self._closing is None:
                raise
            await self._closing

    async def _record(self, names: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Yield the names; what became of each is printed from then on, however the command ends."""
        index = 0
        async for name in names:
            if index not in self._reports and index >= self._printed:
                self._reports[index] = ImageReport(name, self._endpoints)
            index += 1
            yield name

    async def _print_due(self) -> None:
        while (report := self._reports.get(self._printed)) is not None and not report.missing:
            del self._reports[self._printed]  # first, as a thread prints on when this is cancelled
            self._printed += 1
            await asyncio.to_thread(self._print_report, report)

    async def print_rest(self) -> None:
        """Print what has not been printed when the command was ended, with answers or without."""
        for index in sorted(self._reports):
            await asyncio.to_thread(self._print_report, self._reports.pop(index))
