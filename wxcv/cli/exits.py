"""The exit codes of the commands; a higher one takes precedence."""

from __future__ import annotations

import signal
from typing import Any

import wxcv

ALL_READ, SOME_FAILED, USAGE, ACCOUNT, QUOTA, JOURNAL, UNREACHABLE = range(7)
_UNKNOWN_PATH = {76003, 76021}
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + 13
"""The code that a shell reports for a program that SIGPIPE ended; Windows has no such signal."""

MEANINGS = {
    ALL_READ: "success: all images were read",
    SOME_FAILED: "an image, quota query or check of `wxcv doctor` failed, or the output could not be written",
    USAGE: "wrong usage, or a missing extra",
    ACCOUNT: "no credentials, or WeChat refused them or the account",
    QUOTA: "the quota or the daily limit is used up",
    JOURNAL: "the journal cannot be read or written",
    UNREACHABLE: "WeChat cannot be reached",
    INTERRUPTED: "stopped by Ctrl-C (another signal: 128 plus its number)",
    BROKEN_PIPE: "the output pipe was closed",
}


def code_of(outcome: wxcv.Unanswered[Any]) -> int:
    """Return the exit code for an image without an answer."""
    return _code_of_error(outcome.error, is_unsent=outcome.status == "not_sent")


def code_of_query(error: wxcv.WxcvError) -> int:
    """Return the exit code for a quota that is not known; a path that WeChat does not know is no failure."""
    return ALL_READ if is_unknown_path(error) else _code_of_error(error, is_unsent=True)


def code_of_token(error: wxcv.WxcvError) -> int:
    """Return the exit code for a token that could not be fetched."""
    return _code_of_error(error, is_unsent=True)


def is_unknown_path(error: wxcv.WxcvError) -> bool:
    """Return whether WeChat's quota query does not know the path."""
    return isinstance(error, wxcv.APIError) and error.errcode in _UNKNOWN_PATH


def _code_of_error(error: wxcv.WxcvError, *, is_unsent: bool) -> int:
    if isinstance(error, (wxcv.QuotaExhaustedError, wxcv.DailyLimitError)):
        return QUOTA
    if error.account_wide:
        return ACCOUNT
    if is_unsent and isinstance(error, (wxcv.TransportError, wxcv.ProtocolError)):
        return UNREACHABLE
    return SOME_FAILED
