"""The command line (extra: ``cli``)."""

import sys


def main() -> None:
    """Run the command ``wxcv``; without its extra, say in one line what to install and exit with 2."""
    try:
        from wxcv.cli.app import app  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError as error:
        if (error.name or "wxcv").startswith("wxcv"):
            raise
        sys.stderr.write('wxcv: the command line needs its extra: python -m pip install "wxcv[cli]"\n')
        raise SystemExit(2) from None
    app(prog_name="wxcv")
