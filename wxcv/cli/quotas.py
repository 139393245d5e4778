"""``wxcv quota``: WeChat's quotas, the sends counted in the store, and the marks of used-up quotas."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import attrs

import wxcv
from wxcv.cli import exits, output
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.sessions import open_session
from wxcv.cli.state_folder import find_own_store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wxcv.cli.options import SessionSettings

_UTC_PLUS_8 = timezone(timedelta(hours=8))
_MARKS = {"is_day_spent": "day (45009)", "is_market_spent": "market (101003)"}
_NO_ACCOUNT = (
    "the counts in the store are unknown, as WXCV_ACCESS_TOKEN does not tell the account; set WXCV_APPID and "
    "WXCV_SECRET instead"
)
_HEAD = ("endpoint", "WeChat's daily_limit", "used", "remain", "rate limit")
_HEAD_OF_COUNTS = ("counted in the store", "day ends", "marks")


def _marks_of(usage: wxcv.Usage) -> dict[str, str]:
    return {name: shown for name, shown in _MARKS.items() if getattr(usage, name)}


@attrs.define(kw_only=True)
class QuotaReport:
    """What is known of one endpoint's quota.

    Attributes:
        endpoint: the endpoint.
        answer: WeChat's answer, or None.
        usage: the count and the marks in the store, or None.
        cleared: the marks that were cleared, or None if they were not to be cleared.
        errors: why something is not known.
    """

    endpoint: wxcv.Endpoint[Any]
    answer: wxcv.Quota | None = None
    usage: wxcv.Usage | None = None
    cleared: dict[str, str] | None = None
    errors: list[wxcv.WxcvError] = attrs.field(factory=list)

    async def ask(self, session: wxcv.Session) -> None:
        """Ask WeChat."""
        try:
            self.answer = await session.quota(self.endpoint)
        except wxcv.WxcvError as error:
            self.errors.append(error)

    async def count(self, session: wxcv.Session) -> None:
        """Look up the count and the marks in the store."""
        try:
            self.usage = await session.usage(self.endpoint)
        except wxcv.WxcvError as error:
            self.errors.append(error)

    async def reset(self, session: wxcv.Session) -> None:
        """Clear the marks that there are."""
        await self.count(session)
        if self.usage is None:
            return
        marks = _marks_of(self.usage)
        try:
            if marks:
                await session.clear_quota_marks(self.endpoint)
        except wxcv.WxcvError as error:
            self.errors.append(error)
            return
        self.cleared = marks
        self.usage = attrs.evolve(self.usage, **dict.fromkeys(marks, False))

    @property
    def exit_code(self) -> int:
        """The highest exit code of its errors."""
        return max(map(exits.code_of_query, self.errors), default=exits.ALL_READ)

    def as_row(self, *, is_counted: bool) -> list[str]:
        """Return the cells of its row."""
        cells = [self.endpoint.name, *self._cells_of_answer()]
        if is_counted:
            cells += self._cells_of_usage()
        if any(map(exits.is_unknown_path, self.errors)):
            cells.append("WeChat does not tell the quota of this path")
        return cells

    def _cells_of_answer(self) -> list[str]:
        if self.answer is None:
            return ["-"] * 4
        answer, limits = self.answer, []
        if answer.rate_limit is not None:
            limits.append(_describe(answer.rate_limit))
        if answer.component_rate_limit is not None:
            limits.append(f"{_describe(answer.component_rate_limit)} (component)")
        counts = map(str, (answer.daily_limit, answer.used, answer.remain))
        return [*counts, ", ".join(limits) or "-"]

    def _cells_of_usage(self) -> list[str]:
        if self.usage is None:
            return ["-"] * 3
        ends_at = datetime.fromtimestamp(self.usage.resets_at, _UTC_PLUS_8)
        marks = ", ".join(_marks_of(self.usage).values())
        return [str(self.usage.count), ends_at.isoformat(sep=" ", timespec="minutes"), marks or "-"]

    def as_line(self) -> str:
        """Return what was cleared, as a line."""
        if self.cleared is None:
            return f"{self.endpoint.name}: not cleared"
        if not self.cleared:
            return f"{self.endpoint.name}: there was no mark"
        return f"{self.endpoint.name}: cleared {', '.join(self.cleared.values())} (the count stays)"

    def as_json(self) -> dict[str, Any]:
        """Return an object with WeChat's answer in its own shape, the usage, and the first error."""
        return {
            "endpoint": self.endpoint.name,
            "path": self.endpoint.path,
            "answer": None if self.answer is None else self.answer.to_dict(),
            "usage": None if self.usage is None else attrs.asdict(self.usage),
            "cleared": None if self.cleared is None else list(self.cleared),
            "error": output.error_fields(self.endpoint.name, self.errors[0]) if self.errors else None,
        }


def _describe(limit: wxcv.RateLimit) -> str:
    return f"{limit.call_count} in {limit.refresh_second} s"


def find_store_of_batch() -> str | None:
    """Return the path of the store that ``wxcv batch --daily-limit`` has made, and say so, or None."""
    place = find_own_store()
    if place is None:
        return None
    output.say(f"the store is that of wxcv batch --daily-limit, {place}; --store names another one")
    return str(place)


async def _knows_account(session: wxcv.Session, endpoint: wxcv.Endpoint[Any]) -> bool:
    try:
        await session.usage(endpoint)
    except ValueError:
        output.say(_NO_ACCOUNT)
        return False
    except wxcv.StoreError:
        pass
    return True


def _print_errors(reports: Iterable[QuotaReport]) -> None:
    """Print each kind of error once, with the endpoints that got it."""
    names: defaultdict[str | int, list[str]] = defaultdict(list)
    texts: dict[str | int, str] = {}
    for report in reports:
        for error in report.errors:
            if exits.is_unknown_path(error):
                continue
            # The texts of one errcode differ in their rid.
            kind = error.errcode if isinstance(error, wxcv.APIError) else str(error)
            names[kind].append(report.endpoint.name)
            texts.setdefault(kind, str(error))
    for kind, text in texts.items():
        output.say(f"{', '.join(names[kind])}: {text}")


async def _make_reports(
    endpoints: Sequence[wxcv.Endpoint[Any]], settings: SessionSettings, *, reset: bool
) -> tuple[list[QuotaReport], bool]:
    """Return a report for each endpoint, and whether they have counts; none without an account."""
    async with AsyncExitStack() as stack:
        session = await open_session(stack, settings, endpoints)
        is_counted = settings.store is not None and await _knows_account(session, endpoints[0])
        if reset and not is_counted:
            return [], False
        reports = [QuotaReport(endpoint=endpoint) for endpoint in endpoints]
        work = [report.reset(session) if reset else report.ask(session) for report in reports]
        if is_counted and not reset:
            work += [report.count(session) for report in reports]
        await asyncio.gather(*work)
    return reports, is_counted


async def show_quotas(
    endpoints: Sequence[wxcv.Endpoint[Any]], settings: SessionSettings, *, reset: bool, as_json: bool
) -> int:
    """Print the quotas of the endpoints, or clear their marks; return the exit code."""
    with Interrupts() as interrupts:
        reports, is_counted = await _make_reports(endpoints, settings, reset=reset)
        if not reports:
            return exits.ACCOUNT
        if as_json:
            for report in reports:
                output.print_object(report.as_json())
        elif reset:
            output.print_lines(report.as_line() for report in reports)
        else:
            head = (*_HEAD, *(_HEAD_OF_COUNTS if is_counted else ()))
            output.print_table(head, [report.as_row(is_counted=is_counted) for report in reports])
        _print_errors(reports)
        return max(report.exit_code for report in reports)
    return interrupts.exit_code or exits.SOME_FAILED
