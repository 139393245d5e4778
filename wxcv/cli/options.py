"""The options of the commands, and what they mean to a session."""

from __future__ import annotations

import inspect
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import attrs
import typer

import wxcv
from wxcv.cli.inputs import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def check_timeout(value: float | None) -> float | None:
    """Return the seconds, or refuse them."""
    if value is not None and not 0 < value <= 86_400:  # noqa: PLR2004 - a day
        raise typer.BadParameter("must be a number of seconds above 0, and at most 86400")
    return value


def _take_store(context: typer.Context, value: str | None) -> str | None:
    """Return the store that was given to the command, or else the one before the command's name."""
    store: str | None = context.find_root().obj if value is None else value
    return store


Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE...",
        help="Paths, http(s) URLs, patterns, folders (files ending in "
        f"{', '.join(sorted(SUFFIXES))} are read), @PATH for a list of names, or - for one on standard "
        "input: one per line, or ended by NUL bytes.",
    ),
]
EndpointName = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="The name of a command above, or module:NAME.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object per image, one per line.")]
UseSandbox = Annotated[
    bool,
    typer.Option(
        "--sandbox",
        help="Use a local sandbox instead of WeChat; no account needed. Reads codes, text and crops.",
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, help="How many calls run at a time. Default: 8, with --sandbox 2.")
]
Timeout = Annotated[
    float | None,
    typer.Option(
        callback=check_timeout,
        help="Seconds for one call (one image, one endpoint) with all its retries; also how long to wait "
        "while WeChat cannot be reached. Default: 60.",
    ),
]
Fit = Annotated[
    bool,
    typer.Option("--fit", help="Make pictures of 2 MB or more smaller before they are sent (extra: fit)."),
]
Field = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An extra field that the endpoint takes; may be repeated."),
]
Annotate = Annotated[
    str | None,
    typer.Option(
        metavar="OUT",
        help="Draw numbered boxes over a copy of the picture, of which there must be exactly one, and print "
        "what the numbers stand for; - stands for what has no position in WeChat's answer. OUT ends in .png "
        "or .jpg (extra: fit).",
    ),
]


class TextFormat(StrEnum):
    """The forms in which printed text is printed."""

    TABLE = "table"
    TEXT = "text"


Format = Annotated[
    TextFormat,
    typer.Option(
        "--format",
        help="text: only the text in reading order, a line for each row of the page, an empty line between "
        "images, and the name of each image before its text if IMAGE may be several.",
    ),
]
_STORE_HELP = (
    "Where commands share tokens and daily limits: an SQLite file, made if it is missing, or a redis://, "
    "rediss:// or unix:// URL (extra: redis)."
)
# Neither shows its value as a default: it may hold a password.
GlobalStore = Annotated[
    str | None,
    typer.Option("--store", metavar="PATH|URL", envvar="WXCV_STORE", show_default=False, help=_STORE_HELP),
]
Store = Annotated[
    str | None,
    typer.Option(
        callback=_take_store,
        metavar="PATH|URL",
        show_default=False,
        help=f"{_STORE_HELP} Default: the variable WXCV_STORE, which other users of the machine cannot see.",
    ),
]
DailyLimit = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=10**9,
        metavar="N",
        help="Make at most N sends a day (of UTC+8) to each endpoint, together with all others that share "
        "the store and have a daily limit; without a store, only this run is counted.",
    ),
]


@attrs.frozen(kw_only=True)
class SessionSettings:
    """The options of all commands that open a session."""

    sandbox: UseSandbox = False
    concurrency: Concurrency = None
    timeout: Timeout = None
    fit: Fit = False
    store: Store = attrs.field(default=None, repr=False)
    daily_limit: DailyLimit = None

    @property
    def sandbox_appid(self) -> str | None:
        """The appid of the sandbox's account; None generates one."""
        return None

    @property
    def needs_account_for(self) -> str | None:
        """What needs to know the account, for messages, if anything does."""
        return None if self.daily_limit is None else "--daily-limit"

    def as_keywords(self, endpoints: Iterable[wxcv.Endpoint[Any]]) -> dict[str, Any]:
        """Return the keywords of Session, without the store."""
        # The sandbox reads the text of one image at a time, so that more calls would only wait there.
        concurrency = self.concurrency or (2 if self.sandbox else 8)
        keywords: dict[str, Any] = {"concurrency": concurrency, "fit": self.fit}
        if self.timeout is not None:
            keywords["call_timeout"] = self.timeout
        if self.daily_limit is not None:
            keywords["daily_limits"] = wxcv.DailyLimits(dict.fromkeys(endpoints, self.daily_limit))
        return keywords


def declare_options(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of an attrs class as options; it gets them as an object, ``settings``.

    Args:
        kind: a class whose fields are annotated with the options.
    """
    names, hints = attrs.fields_dict(kind), get_type_hints(kind, include_extras=True)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        def run(**words: Any) -> None:  # noqa: ANN401 - the arguments and options of the command
            settings = kind(**{name: words.pop(name) for name in names})
            command(settings=settings, **words)

        run.__doc__ = command.__doc__
        own = get_type_hints(command, include_extras=True)
        parameters = inspect.signature(command).parameters
        run.__annotations__ = {name: own[name] for name in parameters if name != "settings"}
        run.__annotations__ |= {name: hints[name] for name in names}
        defaults = {name: one.default for name, one in parameters.items()}
        defaults |= {name: field.default for name, field in names.items()}
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # typer reads it
            [
                inspect.Parameter(
                    name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint
                )
                for name, hint in run.__annotations__.items()
            ]
        )
        return run

    return decorate
