"""The command line (extra: ``cli``)."""

import io
import os
import sys


def main() -> None:
    """Run the command ``wxcv``, which Ctrl-C ends without a traceback even while it is being imported."""
    try:
        _run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _run() -> None:
    """Run the command; without its extra, print what to install and exit with 2."""
    if sys.stderr is None:  # closed by the parent process
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - until the process ends
    if sys.stdout is None:
        sys.stderr.write("wxcv: cannot print: standard output is closed\n")
        raise SystemExit(1)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # so that any name or code can be printed
    try:
        import rich  # noqa: F401, PLC0415 - typer prints with it

        from wxcv.cli.app import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if (error.name or "wxcv").startswith("wxcv"):
            raise
        sys.stderr.write('wxcv: the command line needs its extra: python -m pip install "wxcv[cli]"\n')
        raise SystemExit(2) from None
    app(prog_name="wxcv")
