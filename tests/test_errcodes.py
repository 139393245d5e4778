"""The table of WeChat's codes."""

from __future__ import annotations

import pytest

import wxcv
from wxcv.errcodes import ERRCODES, api_error

DOCUMENTED = [
    *(-1, 40001, 40014, 42001, 42006, 42007, 41001, 40002, 40013, 40125, 41002, 41004, 40243, 50004, 50007),
    *(
        40164,
        61004,
        45035,
        *range(89501, 89508),
        40035,
        40097,
        40101,
        41011,
        47001,
        47002,
        44002,
        43001,
        43002,
    ),
    *(
        43003,
        41005,
        44001,
        44006,
        *range(40004, 40013),
        40113,
        40137,
        40141,
        40160,
        44997,
        45001,
        45068,
        43016,
    ),
    *(45009, 45011, 45040, 45501, 45102, 45103, 48001, 48004, 48006, 48009, 48012, 50001, 50002, 50003),
    *(
        61003,
        61007,
        61011,
        *range(61014, 61018),
        61023,
        61024,
        61028,
        61005,
        61006,
        85105,
        85107,
        85112,
        85113,
    ),
    *(87009, 40234, *range(76001, 76005), 76021, 76022, 101000, 101001, 101002, 101003),
    *(9301010, 9301011, 9301012, 268487001, 268487002, 40094, 40091, 41018, 41021, 61009, 61010),
]


def test_every_documented_code_has_a_meaning() -> None:
    """Every code of WeChat's tables that can concern these endpoints has an English meaning."""
    assert [code for code in DOCUMENTED if not ERRCODES[code].meaning] == []


def test_every_class_of_the_table_is_public() -> None:
    """The table names only error classes that are exported."""
    assert {row.error.__name__ for row in ERRCODES.values()} <= set(wxcv.__all__)


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (-1, wxcv.SystemBusyError),
        (45011, wxcv.RateLimitedError),
        (45009, wxcv.QuotaExhaustedError),
        (101003, wxcv.QuotaExhaustedError),
        (40001, wxcv.TokenRejectedError),
        (40014, wxcv.TokenRejectedError),
        (42001, wxcv.TokenRejectedError),
        (40013, wxcv.CredentialRejectedError),
        (40164, wxcv.CredentialRejectedError),
        (48001, wxcv.PermissionDeniedError),
        (101000, wxcv.ImageUrlRejectedError),
        (101002, wxcv.ImageRejectedError),
        (41005, wxcv.ImageRejectedError),
        (47001, wxcv.APIError),
        (99999, wxcv.APIError),
    ],
)
def test_a_code_becomes_its_class(code: int, cls: type[wxcv.APIError]) -> None:
    """Each code becomes exactly its error class, an unknown one a plain APIError."""
    error = api_error(code, "text")

    assert type(error) is cls
    assert error.errcode == code


@pytest.mark.parametrize("code", [48001, 61007])
def test_missing_permission_names_both_remedies(code: int) -> None:
    """48001 and 61007 tell of certification and of permission set 117."""
    assert "the account must be certified" in str(api_error(code, "api unauthorized"))
    assert "permission set 117" in str(api_error(code, "api unauthorized"))


@pytest.mark.parametrize(
    ("errmsg", "text", "hint", "rid"),
    [
        ("ok", "ok", None, None),
        (
            "not enough market quota hint: [u7w1Ba0727w862] rid: 61244447-6e6a80d6-142d84c8",
            "not enough market quota",
            "u7w1Ba0727w862",
            "61244447-6e6a80d6-142d84c8",
        ),
        ("media data missing hint: [vhZCFA0310e541]", "media data missing", "vhZCFA0310e541", None),
        (
            "api unauthorized, rid: 617682e0-09059ac5-34a8e2ea",
            "api unauthorized",
            None,
            "617682e0-09059ac5-34a8e2ea",
        ),
    ],
)
def test_rid_and_hint_are_taken_out(errmsg: str, text: str, hint: str | None, rid: str | None) -> None:
    """Rid and hint become fields of their own, and errmsg keeps the rest."""
    error = api_error(45009, errmsg)

    assert (text, hint, rid) == (error.errmsg, error.hint, error.rid)


def test_101002_is_decided_by_its_text() -> None:
    """101002 is a bad image, unless its text speaks of the market quota, as it did for years."""
    assert type(api_error(101002, "decode image failed")) is wxcv.ImageRejectedError
    assert type(api_error(101002, "not enough market quota hint: [x]")) is wxcv.QuotaExhaustedError


def test_40001_has_two_meanings() -> None:
    """40001 is a wrong secret on an app's own token call and a refused token on a business call."""
    assert type(api_error(40001, "invalid credential", is_own=True)) is wxcv.CredentialRejectedError
    assert type(api_error(40001, "invalid credential")) is wxcv.TokenRejectedError


def test_only_three_codes_are_renewable() -> None:
    """A new token is worth a try after 40001, 40014 and 42001 only."""
    codes = [code for code, row in ERRCODES.items() if row.error is wxcv.TokenRejectedError]
    renewable = {code for code in codes if api_error(code, "").is_refreshable}  # type: ignore[attr-defined]

    assert renewable == {40001, 40014, 42001}


@pytest.mark.parametrize("filler", [" ", ", ", "rid:", "hint: [", "rid: x"])
def test_a_hostile_errmsg_is_read_all_the_same(filler: str) -> None:
    """A megabyte of what looks like a suffix is cut first, so that it cannot hold the event loop."""
    assert len(api_error(1, filler * 200_000).errmsg) <= 300


def test_a_long_errmsg_is_cut() -> None:
    """At most 300 characters of a server's text are kept."""
    assert len(api_error(1, "x" * 10_000).errmsg) == 300
