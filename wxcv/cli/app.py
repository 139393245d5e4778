"""The commands, which use public names of wxcv only."""

from __future__ import annotations

import asyncio
import shlex
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

import wxcv
from wxcv.cli import doctor, exits, options, output
from wxcv.cli.annotate import plan_annotation
from wxcv.cli.batch_command import batch
from wxcv.cli.endpoints import find_endpoint, parse_fields, public_endpoints
from wxcv.cli.image_run import read_images
from wxcv.cli.inputs import may_be_several
from wxcv.cli.interrupts import Interrupts
from wxcv.cli.quotas import find_store_of_batch, show_quotas
from wxcv.cli.results import results
from wxcv.cli.running import run
from wxcv.cli.sessions import start_sandbox
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Typer's own tracebacks would show local variables, and with them secrets.
app = typer.Typer(no_args_is_help=True, help=wxcv.__doc__, pretty_exceptions_enable=False)


_PANEL = "Read images"


def _make_printer(images: Sequence[str], *, as_json: bool, annotate: str | None = None) -> output.Printer:
    if annotate is not None:
        return plan_annotation(images, annotate, as_json=as_json)
    return output.JsonPrinter() if as_json else output.Printer()


def _make_command(endpoint: wxcv.Endpoint[Any]) -> Callable[..., None]:
    """Return the command of an endpoint that has no options of its own."""

    @options.declare_options(options.SessionSettings)
    def command(
        images: options.Images,
        *,
        settings: options.SessionSettings,
        as_json: options.AsJson = False,
        field: options.Field = None,
    ) -> None:
        fields = parse_fields(endpoint, field or [])
        printer = _make_printer(images, as_json=as_json)
        run(read_images(images, [endpoint], settings, printer, fields))

    return command


@options.declare_options(options.SessionSettings)
def _scan_qrcode(
    images: options.Images,
    *,
    settings: options.SessionSettings,
    as_json: options.AsJson = False,
    annotate: options.Annotate = None,
    field: options.Field = None,
) -> None:
    fields = parse_fields(wxcv.SCAN_QRCODE, field or [])
    printer = _make_printer(images, as_json=as_json, annotate=annotate)
    run(read_images(images, [wxcv.SCAN_QRCODE], settings, printer, fields))


@options.declare_options(options.SessionSettings)
def _printed_text(  # noqa: PLR0913 - the options of the command
    images: options.Images,
    *,
    settings: options.SessionSettings,
    as_json: options.AsJson = False,
    form: options.Format = options.TextFormat.TABLE,
    annotate: options.Annotate = None,
    field: options.Field = None,
) -> None:
    fields = parse_fields(wxcv.PRINTED_TEXT, field or [])
    if form is options.TextFormat.TABLE:
        printer = _make_printer(images, as_json=as_json, annotate=annotate)
    elif as_json or annotate is not None:
        raise typer.BadParameter("--format text cannot be combined with --json or --annotate")
    else:
        printer = output.TextPrinter(has_names=may_be_several(images))
    run(read_images(images, [wxcv.PRINTED_TEXT], settings, printer, fields))


_OWN_COMMANDS = {wxcv.SCAN_QRCODE: _scan_qrcode, wxcv.PRINTED_TEXT: _printed_text}
for _name, _endpoint in public_endpoints().items():
    _fields = ", ".join((*_endpoint.fields, *_endpoint.query_fields))
    _help = f"{_endpoint.summary} Takes --field: {_fields}." if _fields else _endpoint.summary
    _command = _OWN_COMMANDS.get(_endpoint) or _make_command(_endpoint)
    app.command(_name, help=_help, rich_help_panel=_PANEL)(_command)


@app.command("call", rich_help_panel=_PANEL)
@options.declare_options(options.SessionSettings)
def call(
    endpoint: options.EndpointName,
    images: options.Images,
    *,
    settings: options.SessionSettings,
    as_json: options.AsJson = False,
    field: options.Field = None,
) -> None:
    """Send images to an endpoint of your own (module:NAME), or to one of those above."""
    found = find_endpoint(endpoint)
    fields = parse_fields(found, field or [])
    printer = _make_printer(images, as_json=as_json)
    run(read_images(images, [found], settings, printer, fields))


@app.command("read", rich_help_panel=_PANEL)
@options.declare_options(options.SessionSettings)
def read(
    images: options.Images,
    *,
    settings: options.SessionSettings,
    as_json: options.AsJson = False,
    annotate: options.Annotate = None,
) -> None:
    """Read both codes and printed text; two calls per image."""
    printer = _make_printer(images, as_json=as_json, annotate=annotate)
    run(read_images(images, [wxcv.SCAN_QRCODE, wxcv.PRINTED_TEXT], settings, printer))


app.command("batch", rich_help_panel=_PANEL)(batch)


@app.command()
def quota(  # noqa: PLR0913 - the options of the command
    endpoints: Annotated[
        list[str] | None,
        typer.Argument(metavar="ENDPOINT", help="Names of commands above, or module:NAME. Default: all."),
    ] = None,
    *,
    reset: Annotated[
        bool,
        typer.Option(
            "--reset",
            help="Clear the marks in the store with which errcodes 45009 and 101003 stop calls; the counts "
            "stay, and WeChat is not asked.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per endpoint, one per line.")
    ] = False,
    sandbox: options.UseSandbox = False,
    timeout: Annotated[
        float | None, typer.Option(callback=options.check_timeout, help="Seconds for one query. Default: 60.")
    ] = None,
    store: options.Store = None,
) -> None:
    """Show WeChat's quota of each endpoint and, with a store, the sends counted for --daily-limit.

    Without --store, the store is that of `wxcv batch --daily-limit`, if there is one.
    """
    found = [find_endpoint(name) for name in endpoints or public_endpoints()]
    if store is None and not sandbox:
        store = find_store_of_batch()
    if reset and store is None:
        raise typer.BadParameter("--reset needs --store or WXCV_STORE, where the marks are")
    settings = options.SessionSettings(sandbox=sandbox, store=store, timeout=timeout)
    run(show_quotas(found, settings, reset=reset, as_json=as_json))


app.command()(results)
app.command(help=doctor.HELP, short_help=doctor.SUMMARY)(doctor.doctor)


async def _serve(host: str, port: int, *, allow_loopback: bool) -> int:
    try:
        sandbox = Sandbox(host=host, port=port, allow_loopback=allow_loopback)
    except ValueError as error:
        output.say(str(error))
        return exits.USAGE
    with Interrupts() as interrupts:  # before the address is printed
        async with AsyncExitStack() as stack:
            box = await start_sandbox(stack, sandbox, f"on {host!r} port {port} ")
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
    run(_serve(host, port, allow_loopback=allow_loopback))


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    *,
    store: options.GlobalStore = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        sys.stdout.write(f"wxcv {wxcv.__version__}\n")
        raise typer.Exit
    context.obj = store
