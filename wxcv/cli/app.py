"""The commands, thin over the public names of wxcv."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

import wxcv
from wxcv.cli import output, reading
from wxcv.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(no_args_is_help=True, add_completion=False, help=wxcv.__doc__)

Images = Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Paths, or http(s) URLs.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
UseSandbox = Annotated[
    bool, typer.Option("--sandbox", help="Ask a local sandbox instead of WeChat; no account needed.")
]


async def _started(stack: AsyncExitStack, box: Sandbox) -> Sandbox:
    try:
        return await stack.enter_async_context(box)
    except ImportError as error:
        output.say(str(error))
    raise typer.Exit(reading.USAGE)


def _session_from_env() -> wxcv.Session:
    try:
        return wxcv.Session.from_env()
    except ValueError as error:
        output.say(f"no account to use: {error}; or add --sandbox, which needs none")
    raise typer.Exit(reading.ACCOUNT)


async def _session(stack: AsyncExitStack, *, use_sandbox: bool) -> wxcv.Session:
    if not use_sandbox:
        return await stack.enter_async_context(_session_from_env())
    box = await _started(stack, Sandbox())
    credential = wxcv.AppCredential(box.appid, box.secret)
    # It reads one page at a time, so more at once would only wait there.
    session = wxcv.Session(credential, base_url=box.base_url, concurrency=2)
    return await stack.enter_async_context(session)


async def _read(
    images: Sequence[str], endpoints: Sequence[wxcv.Endpoint[Any]], *, as_json: bool, use_sandbox: bool
) -> int:
    print_answers = output.print_json if as_json else output.print_table
    worst, done = reading.ALL_READ, 0
    async with AsyncExitStack() as stack:
        session = await _session(stack, use_sandbox=use_sandbox)
        readings = await stack.enter_async_context(aclosing(reading.read_all(session, images, endpoints)))
        async for one in readings:
            print_answers(one)
            output.print_errors(one)
            worst, done = max(worst, one.exit_code), done + 1
            if one.exit_code >= reading.ACCOUNT:
                break
    if done < len(images):
        output.say(f"{len(images) - done} more images were not read for the same reason")
    return worst


def _run(
    endpoints: Sequence[wxcv.Endpoint[Any]], images: Sequence[str], *, as_json: bool, sandbox: bool
) -> None:
    try:
        code = asyncio.run(_read(images, endpoints, as_json=as_json, use_sandbox=sandbox))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except OSError as error:
        output.say(f"cannot print: {error.strerror or error}")
        code = reading.SOME_FAILED
    raise typer.Exit(code)


@app.command()
def scan_qrcode(images: Images, *, as_json: AsJson = False, sandbox: UseSandbox = False) -> None:
    """Read QR codes, barcodes, DataMatrix and PDF417."""
    _run([wxcv.SCAN_QRCODE], images, as_json=as_json, sandbox=sandbox)


@app.command()
def printed_text(images: Images, *, as_json: AsJson = False, sandbox: UseSandbox = False) -> None:
    """Read printed text."""
    _run([wxcv.PRINTED_TEXT], images, as_json=as_json, sandbox=sandbox)


@app.command()
def read(images: Images, *, as_json: AsJson = False, sandbox: UseSandbox = False) -> None:
    """Read codes and printed text of each image."""
    _run([wxcv.SCAN_QRCODE, wxcv.PRINTED_TEXT], images, as_json=as_json, sandbox=sandbox)


async def _serve(**options: Any) -> None:  # noqa: ANN401 - the keywords of Sandbox
    async with AsyncExitStack() as stack:
        box = await _started(stack, Sandbox(**options))
        sys.stdout.write(
            f"A sandbox of WeChat's image API; Ctrl-C stops it.\n"
            f"export WXCV_BASE_URL={box.base_url}\n"
            f"export WXCV_APPID={box.appid}\n"
            f"export WXCV_SECRET={box.secret}\n"
        )
        sys.stdout.flush()
        await asyncio.Event().wait()


@app.command("sandbox")
def sandbox_command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    allow_loopback: Annotated[bool, typer.Option(help="Let img_url point to this machine.")] = False,
) -> None:
    """Serve a local WeChat that really decodes, for trials and tests."""
    try:
        asyncio.run(_serve(host=host, port=port, allow_loopback=allow_loopback))
    except (OSError, ValueError) as error:
        reason = str(error).rsplit(": ", 1)[-1]
        output.say(f"cannot listen on {host!r} port {port}: {reason}; try another --host or --port")
        raise typer.Exit(reading.USAGE) from None
    except KeyboardInterrupt:
        raise typer.Exit(128 + signal.SIGINT) from None


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        sys.stdout.write(f"wxcv {wxcv.__version__}\n")
        raise typer.Exit
