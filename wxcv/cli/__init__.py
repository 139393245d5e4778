"""The command line (extra: ``cli``)."""

import io
import sys


def main() -> None:
    """Run the command ``wxcv``; without its extra, say in one line what to install and exit with 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # no name or code may stop the printing
    try:
        from wxcv.cli.app import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if (error.name or "wxcv").startswith("wxcv"):
            raise
        sys.stderr.write('wxcv: the command line needs its extra: python -m pip install "wxcv[cli]"\n')
        raise SystemExit(2) from None
    app(prog_name="wxcv")
