"""The options of ``wxcv batch``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

import wxcv
from wxcv.cli import options

if TYPE_CHECKING:
    from collections.abc import Iterable

_RETRIED = ("failed", "unknown")


def _split_statuses(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _check_retry(value: str | None) -> str | None:
    for word in _split_statuses(value or ""):
        if word not in _RETRIED:
            raise typer.BadParameter(
                f"must be some of {', '.join(_RETRIED)}, separated by commas, not {word!r}"
            )
    return value


Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Paths, http(s) URLs, folders with their subfolders, patterns such as 'in/**/*.jpg', @PATH "
        "for a list of names, - for one on standard input (one per line, or ended by NUL bytes), and .csv or "
        ".jsonl files with names in --column.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="The files to read in folders, such as '*.jpg'; may be repeated. Default: those with the "
        "suffix of an image.",
    ),
]
Column = Annotated[
    str,
    typer.Option(metavar="NAME", help="The column of .csv files, or key in .jsonl files, with the names."),
]
JournalPath = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="The file that records every outcome, from which the same command resumes. Default: "
        "wxcv-ENDPOINT.sqlite in the current folder.",
    ),
]
Retry = Annotated[
    str | None,
    typer.Option(
        callback=_check_retry,
        metavar="STATUS,...",
        help="Send again what an earlier run left as failed, unknown, or both. WeChat may have counted what "
        "is unknown.",
    ),
]
Checksum = Annotated[
    bool,
    typer.Option("--checksum", help="Read and compare even files whose size and times have not changed."),
]
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Read at most N images in this run, not counting those in the journal."
    ),
]
Local = Annotated[
    bool,
    typer.Option("--local", help="Read codes on this machine, and send only the rest (extra: local)."),
]
AtMostOnce = Annotated[
    bool,
    typer.Option(
        "--at-most-once",
        help="Send no image twice, not even one whose answer was lost or that a crash interrupted.",
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait",
        help="When the quota is used up, wait until it resets, or try every 15 minutes, and continue.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object per image, one per line, once the journal has it."),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="Print no progress, and a summary only if something went wrong.")
]
DailyLimit = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=10**9,
        metavar="N",
        help="Make at most N sends a day (of UTC+8), together with all others that share the store and have "
        "a daily limit. Without a store, the sends of all your runs are counted in a file in your state "
        "folder; with --sandbox, only those of this run.",
    ),
]


@attrs.frozen(kw_only=True)
class BatchSettings(options.SessionSettings):
    """The options of ``wxcv batch``."""

    include: Include = None
    column: Column = "image"
    journal: JournalPath = None
    retry: Retry = None
    checksum: Checksum = False
    limit: Limit = None
    daily_limit: DailyLimit = None
    local: Local = False
    at_most_once: AtMostOnce = False
    wait: Wait = False
    as_json: AsJson = False
    quiet: Quiet = False

    @property
    def retried(self) -> list[str]:
        """The statuses that are sent again."""
        return _split_statuses(self.retry or "")

    @property
    def sandbox_appid(self) -> str | None:
        """The appid of the sandbox's account: the same in every run, so that the journal recognizes it."""
        return "wx-sandbox"

    @property
    def needs_account_for(self) -> str | None:
        """What needs to know the account: the journal keeps the outcomes of each account apart."""
        return "wxcv batch"

    def as_keywords(self, endpoints: Iterable[wxcv.Endpoint[Any]]) -> dict[str, Any]:
        """Return the keywords of Session, without the store and the answer sources."""
        keywords = super().as_keywords(endpoints)
        if self.at_most_once:
            keywords["retries"] = wxcv.RetryPolicy(at_most_once=True)
        return keywords
