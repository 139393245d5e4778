"""The exit codes of the commands; a higher one takes precedence."""

from __future__ import annotations

import signal
from typing import Any

import wxcv

ALL_READ, SOME_FAILED, USAGE, ACCOUNT, QUOTA = range(5)
UNREACHABLE = 6
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + 13
"""The code that a shell reports for a program that SIGPIPE ended; Windows has no such signal."""

MEANINGS = {
    ALL_READ: "all images were read",
    SOME_FAILED: "some image failed (reported on stderr), or the output could not be written",
    USAGE: "wrong usage, or a missing extra",
    ACCOUNT: "no credentials, or WeChat refused them or the account",
    QUOTA: "the quota is exhausted",
    UNREACHABLE: "WeChat cannot be reached",
    INTERRUPTED: "stopped by Ctrl-C (another signal: 128 plus its number)",
    BROKEN_PIPE: "the output pipe was closed",
}


def code_of(outcome: wxcv.Unanswered[Any]) -> int:
    """Return the exit code for an image without an answer."""
    error = outcome.error
    if isinstance(error, wxcv.QuotaExhaustedError):
        return QUOTA
    if error.account_wide:
        return ACCOUNT
    if outcome.status == "not_sent" and isinstance(error, (wxcv.TransportError, wxcv.ProtocolError)):
        return UNREACHABLE
    return SOME_FAILED
