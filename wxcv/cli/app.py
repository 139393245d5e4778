"""The commands, which use public names of wxcv only."""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

import wxcv
from wxcv.cli import exits, output
from wxcv.cli.endpoints import find_endpoint, parse_fields, public_endpoints
from wxcv.cli.inputs import SUFFIXES, InputError, Names
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.reading import ImageReader, ImageReport
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

# Typer's own tracebacks would show local variables, and with them secrets.
app = typer.Typer(no_args_is_help=True, help=wxcv.__doc__, pretty_exceptions_enable=False)


def _check_timeout(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 86_400:  # noqa: PLR2004 - a day
        raise typer.BadParameter("must be a number of seconds above 0, and at most 86400")
    return value


Images = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE...",
        help="Paths, http(s) URLs, folders (files ending in "
        f"{', '.join(sorted(SUFFIXES))} are read), or - for names on standard input, one per line.",
    ),
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
        callback=_check_timeout,
        help="Seconds for one call (one image, one endpoint) with all its retries; also how long to wait "
        "while WeChat cannot be reached. Default: 60.",
    ),
]

Field = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="An extra field that the endpoint takes; may be repeated."),
]
_PANEL = "Read images"


@attrs.frozen(kw_only=True)
class Options:
    """The options of all commands that read images."""

    as_json: bool
    sandbox: bool
    concurrency: int | None
    timeout: float | None
    fields: dict[str, str] = attrs.field(factory=dict)

    def of_session(self, *, concurrency: int) -> dict[str, Any]:
        """Return the keywords of Session."""
        timeout = {} if self.timeout is None else {"call_timeout": self.timeout}
        return {"concurrency": self.concurrency or concurrency, **timeout}


async def _start_sandbox(stack: AsyncExitStack, box: Sandbox, where: str = "") -> Sandbox:
    try:
        return await stack.enter_async_context(box)
    except ImportError as error:
        output.say(str(error))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        output.say(f"the sandbox cannot listen {where}({reason}); try another --host or --port")
    raise typer.Exit(exits.USAGE)


def _session_from_env(options: Options) -> wxcv.Session:
    try:
        return wxcv.Session.from_env(**options.of_session(concurrency=8))
    except ValueError as error:
        output.say(f"cannot open a session: {error} (or use --sandbox, which needs no account)")
    raise typer.Exit(exits.ACCOUNT)


async def _open_session(stack: AsyncExitStack, options: Options) -> wxcv.Session:
    if not options.sandbox:
        return await stack.enter_async_context(_session_from_env(options))
    box = await _start_sandbox(stack, Sandbox())
    credential = wxcv.AppCredential(box.appid, box.secret)
    # The sandbox reads the text of one image at a time, so that more calls would only wait there.
    session = wxcv.Session(credential, base_url=box.base_url, **options.of_session(concurrency=2))
    return await stack.enter_async_context(session)


async def _read(images: Sequence[str], endpoints: Sequence[wxcv.Endpoint[Any]], options: Options) -> int:
    names, errors = Names(images), output.ErrorPrinter()

    def print_report(report: ImageReport) -> None:
        (output.print_json if options.as_json else output.print_rows)(report)
        errors.print_errors(report)

    reader: ImageReader | None = None

    def end() -> bool:
        if reader is not None:
            reader.end()
        return reader is not None

    with Interrupts(names.stop, end) as interrupts:
        async with AsyncExitStack() as stack:
            session = await _open_session(stack, options)
            reader = ImageReader(session, names, endpoints, print_report, options.fields)
            await reader.read()
        await reader.print_rest()
        errors.print_summary()
        return interrupts.exit_code or max(reader.exit_code, _report_input(names))
    return interrupts.exit_code or exits.SOME_FAILED


def _report_input(names: Names) -> int:
    """Print what is wrong with the names of the images, if anything is, and return the exit code for it."""
    if names.error is None:
        if not names.count:
            output.say("no images were found")
        return exits.ALL_READ
    if not isinstance(names.error, InputError):
        raise names.error
    output.say(str(names.error))
    return exits.SOME_FAILED


def _run(work: Coroutine[Any, Any, int]) -> None:
    """Run a command and exit with its code, without a traceback if its output fails."""
    try:
        code = asyncio.run(work)
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    except BrokenPipeError:
        output.discard_stdout()
        code = exits.BROKEN_PIPE
    except OSError as error:
        output.discard_stdout()
        output.say(f"cannot print: {error.strerror or type(error).__name__}")
        code = exits.SOME_FAILED
    raise typer.Exit(code)


def _add_command(name: str, endpoint: wxcv.Endpoint[Any]) -> None:
    """Add the command of an endpoint."""

    def command(  # noqa: PLR0913 - the options of the command
        images: Images,
        *,
        as_json: AsJson = False,
        sandbox: UseSandbox = False,
        concurrency: Concurrency = None,
        timeout: Timeout = None,
        field: Field = None,
    ) -> None:
        fields = parse_fields(endpoint, field or [])
        options = Options(
            as_json=as_json, sandbox=sandbox, concurrency=concurrency, timeout=timeout, fields=fields
        )
        _run(_read(images, [endpoint], options))

    fields = ", ".join((*endpoint.fields, *endpoint.query_fields))
    text = f"{endpoint.summary} Takes --field: {fields}." if fields else endpoint.summary
    app.command(name, help=text, rich_help_panel=_PANEL)(command)


for _name, _endpoint in public_endpoints().items():
    _add_command(_name, _endpoint)


@app.command(rich_help_panel=_PANEL)
def call(  # noqa: PLR0913 - the options of the command
    endpoint: Annotated[
        str,
        typer.Argument(metavar="ENDPOINT", help="The name of a command above, or module:NAME."),
    ],
    images: Images,
    *,
    as_json: AsJson = False,
    sandbox: UseSandbox = False,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    field: Field = None,
) -> None:
    """Send images to an endpoint of your own (module:NAME), or to one of those above."""
    found = find_endpoint(endpoint)
    fields = parse_fields(found, field or [])
    options = Options(
        as_json=as_json, sandbox=sandbox, concurrency=concurrency, timeout=timeout, fields=fields
    )
    _run(_read(images, [found], options))


@app.command(rich_help_panel=_PANEL)
def read(
    images: Images,
    as_json: AsJson = False,
    sandbox: UseSandbox = False,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
) -> None:
    """Read both codes and printed text; two calls per image."""
    options = Options(as_json=as_json, sandbox=sandbox, concurrency=concurrency, timeout=timeout)
    _run(_read(images, [wxcv.SCAN_QRCODE, wxcv.PRINTED_TEXT], options))


async def _serve(host: str, port: int, *, allow_loopback: bool) -> int:
    try:
        sandbox = Sandbox(host=host, port=port, allow_loopback=allow_loopback)
    except ValueError as error:
        output.say(str(error))
        return exits.USAGE
    with Interrupts() as interrupts:  # before the address is printed
        async with AsyncExitStack() as stack:
            box = await _start_sandbox(stack, sandbox, f"on {host!r} port {port} ")
            output.say("this sandbox answers like WeChat's image API until it is stopped (Ctrl-C)")
            _print_variables(box)
            await asyncio.Event().wait()
    return interrupts.exit_code or exits.ALL_READ


def _print_variables(box: Sandbox) -> None:
    variables = {"WXCV_BASE_URL": box.base_url, "WXCV_APPID": box.appid, "WXCV_SECRET": box.secret}
    sys.stdout.write("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
    sys.stdout.flush()


@app.command("sandbox")
def sandbox_command(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 selects a free one.")
    ] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    allow_loopback: Annotated[bool, typer.Option(help="Allow img_url to point to this machine.")] = False,
) -> None:
    """Serve a local stand-in for WeChat that decodes real images, for trials and tests."""
    _run(_serve(host, port, allow_loopback=allow_loopback))


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        sys.stdout.write(f"wxcv {wxcv.__version__}\n")
        raise typer.Exit
