"""BatchRun: one run of ``wxcv batch``, with its progress, output, summary and exit code."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import typer

import wxcv
from wxcv.cli import exits, output
from wxcv.cli.bulk_run import BulkRun, is_quota_error
from wxcv.cli.feed import Feed
from wxcv.cli.inputs import expand
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.lists import ListProblems
from wxcv.cli.names import Names, report_names
from wxcv.cli.progress import Progress
from wxcv.cli.quota_left import QuotaLeft, format_time
from wxcv.cli.reading import ImageReport
from wxcv.cli.run_view import RunView
from wxcv.cli.running import describe
from wxcv.cli.sessions import open_session
from wxcv.cli.tally import Tally
from wxcv.cli.waiting import QuotaWait
from wxcv.cli.writing import LineWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from wxcv.cli.batch_settings import BatchSettings

_PATIENCE = 0.5  # seconds for the last output of a run that was ended at once


class BatchRun:
    """One run of ``wxcv batch``.

    Args:
        endpoint: reads the images.
        words: those of the command line that name the images.
        fields: the extra fields of every call.
        settings: the options.
        notes: messages that are printed when the run begins.
    """

    def __init__(
        self,
        endpoint: wxcv.Endpoint[Any],
        words: Sequence[str],
        fields: Mapping[str, str],
        settings: BatchSettings,
        notes: Sequence[str],
    ) -> None:
        self._endpoint = endpoint
        self._fields = fields
        self._settings = settings
        self._notes = notes
        problems = ListProblems()
        include = settings.include or ()
        found = expand(words, include=include, column=settings.column, problems=problems)
        self._names = Names(found, problems)
        self._feed = Feed(self._names, settings.limit)
        self._tally = Tally()
        self._view = RunView(endpoint.name, self._tally, self._names)
        self._view.most_left = lambda: self._feed.left
        has_bar = not (settings.as_json and sys.stdout.isatty())
        self._progress = Progress(self._view, is_quiet=settings.quiet, has_bar=has_bar)
        self._writer = LineWriter(self._stop)
        self._run: BulkRun | None = None
        self._fault: wxcv.JournalError | None = None

    async def execute(self) -> int:
        """Read the images; return the exit code."""
        with Interrupts(self._stop, say=self._progress.say) as interrupts:
            try:
                async with AsyncExitStack() as stack:
                    self._run = await self._open(stack)
                    await self._run.run()
            except wxcv.JournalError as error:
                self._fault = error
            await self._writer.flush()
        self._view.is_ended = True
        if self._names.is_stopped:
            self._view.pause = "stopped"
        code = interrupts.exit_code or self._find_code()
        if code != exits.BROKEN_PIPE and (code or not self._settings.quiet):
            for line in self._sum_up(interrupts.exit_code):
                self._progress.say(line)
        await self._progress.aclose(_PATIENCE if interrupts.is_ended else None)
        return code

    def _stop(self) -> None:
        self._names.stop()
        self._view.pause = "finishing the running calls"
        if self._run is not None:
            self._run.stop()

    async def _open(self, stack: AsyncExitStack) -> BulkRun:
        """Open what the run needs, or exit with a message."""
        settings, endpoint = self._settings, self._endpoint
        sources = await self._open_sources(stack)
        session = await open_session(
            stack, settings, [endpoint], answer_sources=sources, on_call=self._tally.add_call
        )
        journal = await self._open_journal(stack)
        self._progress.start()
        for note in self._notes:
            self._progress.say_unless_quiet(note)
        if self._progress.has_bar or settings.daily_limit is not None:
            self._watch_quota(stack, QuotaLeft(session, endpoint, settings.daily_limit))
        run = BulkRun(
            session,
            endpoint,
            journal,
            self._feed,
            self._report,
            fields=self._fields,
            wait=QuotaWait() if settings.wait else None,
            on_wait=self._show_wait,
            has_sources=settings.local,
        )
        if self._names.is_stopped:
            run.stop()
        return run

    def _watch_quota(self, stack: AsyncExitStack, quota: QuotaLeft) -> None:
        """Show what is left of the quota, and how long that and --limit let the run go on."""
        self._view.quota = quota.__str__
        self._view.most_left = lambda: min(
            (left for left in (quota.left, self._feed.left) if left is not None), default=None
        )
        watching = asyncio.create_task(quota.watch())
        stack.push_async_callback(quota.finish)
        stack.push_async_callback(asyncio.wait, {watching})
        stack.callback(watching.cancel)

    async def _open_journal(self, stack: AsyncExitStack) -> wxcv.Journal:
        settings = self._settings
        try:
            journal = wxcv.Journal(settings.journal or "", checksum=settings.checksum, retry=settings.retried)
        except ValueError as error:
            output.say(f"cannot use --journal: {error}")
            raise typer.Exit(exits.USAGE) from None
        return await stack.enter_async_context(journal)

    async def _open_sources(self, stack: AsyncExitStack) -> Sequence[wxcv.AnswerSource]:
        if not self._settings.local:
            return ()
        try:
            reader = wxcv.LocalCodeReader()
        except ImportError as error:
            output.say(f"cannot use --local: {error}")
            raise typer.Exit(exits.USAGE) from None
        stack.push_async_callback(reader.aclose)
        return [reader]

    async def _report(self, outcome: wxcv.Outcome[str, Any]) -> None:
        """Count an outcome that is in the journal, and print it if it is to be."""
        self._tally.add(outcome)
        if self._settings.as_json:
            report = ImageReport(outcome.item, [self._endpoint], {self._endpoint.name: outcome})
            fields = output.report_fields(report) | {"source": outcome.source, "sends": outcome.sends}
            await self._writer.put(output.to_line(fields))

    def _show_wait(self, wait: tuple[wxcv.WxcvError, datetime] | None) -> None:
        self._view.pause = ""
        if wait is not None:
            error, end = wait
            self._view.pause = f"waiting for quota until {format_time(end)}"
            self._progress.say_unless_quiet(f"{output.reason_of(error)}; {self._view.pause}")

    def _find_code(self) -> int:
        """Say what went wrong besides the images; return the exit code."""
        code = max(self._tally.exit_code, report_names(self._names, self._progress.say))
        if isinstance(self._writer.error, BrokenPipeError):
            return exits.BROKEN_PIPE
        if self._writer.error is not None:
            self._progress.say(f"cannot print: {describe(self._writer.error)}")
            code = max(code, exits.SOME_FAILED)
        return code if self._fault is None else max(code, exits.JOURNAL)

    def _sum_up(self, signal_code: int | None) -> Iterator[str]:
        """Yield the summary, and how to resume."""
        if self._run is not None and (self._names.found or self._tally.done):
            yield from self._tally.summary(self._settings.journal or "")
        if self._fault is not None:
            yield output.reason_of(self._fault)
            return
        rest = self._names.found - self._tally.done - self._tally.interrupted
        rest_text = (
            f"{output.count_of(rest, 'image')} {'was' if rest == 1 else 'were'} not tried"
            if self._names.is_complete and rest > 0
            else ""
        )
        error = self._run.stopped_by if self._run is not None else None
        if signal_code or self._writer.error is not None:
            yield _join("stopped", rest_text, "run the same command to resume")
        elif error is not None:
            yield _join(rest_text, self._how_to_resume(error))
        elif self._feed.is_limit_reached and rest_text:
            yield _join(
                rest_text, f"--limit {self._settings.limit} is reached; run the same command to resume"
            )

    def _how_to_resume(self, error: wxcv.WxcvError) -> str:
        if not is_quota_error(error):
            return "when the cause of that error is gone, run the same command to resume"
        if self._settings.sandbox:  # whose counts end with the run
            return "the quota is used up; run the same command to resume"
        resets_at: datetime | None = getattr(error, "resets_at", None)
        when = "tomorrow" if resets_at is None else f"after {format_time(resets_at)}"
        return f"the quota is used up; run the same command {when} to resume, or add --wait"


def _join(*parts: str) -> str:
    return "; ".join(filter(None, parts))
