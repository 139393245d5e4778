"""The table of WeChat's codes."""

from __future__ import annotations

import re

import pytest

import wxcv
from wxcv.protocol.errcodes import ERRCODES, make_api_error

BUSY, RATE, QUOTA = wxcv.SystemBusyError, wxcv.RateLimitedError, wxcv.QuotaExhaustedError
TOKEN, CREDENTIAL, PERMISSION = (
    wxcv.TokenRejectedError,
    wxcv.CredentialRejectedError,
    wxcv.PermissionDeniedError,
)
IMAGE, IMAGE_URL, OTHER = wxcv.ImageRejectedError, wxcv.ImageUrlRejectedError, wxcv.APIError

BUG = "please report it to the wxcv project"
SET_UP = "check the configuration of the third-party platform"
CERTIFY = "the account must be verified; a third-party platform .* permission set 117"
FORM = "send JPEG or PNG of less than 2 MB"
ADMIN = "administrator must confirm .* try again after that"
PACK = "wait for the next day or buy a pack"
TICKET = "wait for the next component_verify_ticket .* use the newest"
ADDRESS = "IP whitelist in WeChat's console"

# From WeChat's global return codes, the pages of the endpoints and of their tokens, and the troubleshooting
# pages of third-party platforms and of cloud hosting: error class, what it means, what to do, and the codes.
TABLE: list[tuple[type[wxcv.APIError], str, str, tuple[int, ...]]] = [
    (BUSY, "system busy", "try again in a moment", (-1, 268487001, 268487002)),
    (BUSY, "service market timed out", "try again in a moment", (9301012,)),
    (BUSY, "cloud token is not ready", "try again in a few minutes", (85113,)),
    (RATE, "too many calls in this minute", "slow down until the next minute", (45011,)),
    (RATE, "HTTP status 429", "slow down", (429,)),
    (RATE, "too many service market calls", "slow down", (9301011,)),
    (QUOTA, "the day's quota is used up", "wait for the next day or call clear_quota", (45009,)),
    (QUOTA, "no service market quota is left", PACK, (101003,)),
    (QUOTA, "no service market quota is left", PACK, (9301010,)),
    (QUOTA, "the month's quota is used up", "wait for the next month", (45040,)),
    (QUOTA, "no quota resets are left", "wait for the next month", (48006,)),
    (TOKEN, "invalid or not the latest", "another process .* use stable tokens in all of them", (40001,)),
    (TOKEN, "access_token is invalid", "", (40014,)),
    (TOKEN, "access_token expired", "", (42001,)),
    (TOKEN, "component_access_token expired", "refresh the component token", (42006,)),
    (TOKEN, "the password was changed", "the authorizer must authorise again", (42007,)),
    (TOKEN, "access_token is missing", "enable the open interface service and build a new", (41001,)),
    (CREDENTIAL, "grant_type is invalid", BUG, (40002,)),
    (CREDENTIAL, "appid is invalid", "check the appid", (40013,)),
    (CREDENTIAL, "secret is invalid", "check the AppSecret in WeChat's console", (40125,)),
    (CREDENTIAL, "appid is missing", "check the appid", (41002,)),
    (CREDENTIAL, "secret is missing", "check the secret", (41004,)),
    (CREDENTIAL, "the AppSecret is frozen", "unfreeze it in WeChat's console", (40243,)),
    (CREDENTIAL, "may not fetch tokens", "", (50004,)),
    (CREDENTIAL, "the account is frozen", "", (50007,)),
    (CREDENTIAL, "IP address is not on the whitelist", ADDRESS, (40164, 45035)),
    (CREDENTIAL, "IP address is not registered", ADDRESS, (61004,)),
    (CREDENTIAL, "an administrator must confirm", ADMIN, (89501, 89502, 89503, 89504, 89505)),
    (CREDENTIAL, "administrator refused this IP address", "wait 24 hours", (89506,)),
    (CREDENTIAL, "administrator refused this IP address", "wait 1 hour", (89507,)),
    (CREDENTIAL, "component_verify_ticket is invalid", TICKET, (40091, 61006)),
    (CREDENTIAL, "component_verify_ticket expired", TICKET, (61005,)),
    (CREDENTIAL, "component's credential is invalid", SET_UP, (40094,)),
    (CREDENTIAL, "component_appid is missing", SET_UP, (41018,)),
    (CREDENTIAL, "component_access_token is missing", SET_UP, (41021,)),
    (CREDENTIAL, "authorisation code is invalid", SET_UP, (61009,)),
    (CREDENTIAL, "authorisation code expired", SET_UP, (61010,)),
    (CREDENTIAL, "the component is invalid", SET_UP, (61011,)),
    (CREDENTIAL, "a component token is needed", SET_UP, (61014,)),
    (CREDENTIAL, "an authorizer's token is needed", SET_UP, (61015,)),
    (
        CREDENTIAL,
        "authorizer_refresh_token is invalid",
        "use the newest one; if it is lost.*authorise again",
        (61023,),
    ),
    (CREDENTIAL, "must use api_component_token", SET_UP, (61024,)),
    (CREDENTIAL, "component is not published", SET_UP, (61028,)),
    (PERMISSION, "the account may not use this API", CERTIFY, (48001,)),
    (PERMISSION, "authorizer did not grant this API", CERTIFY, (61007,)),
    (PERMISSION, "has not authorised this component", SET_UP, (61003,)),
    (PERMISSION, "permission set is not confirmed", CERTIFY, (61016,)),
    (PERMISSION, "permission set is not granted", CERTIFY, (61017,)),
    (PERMISSION, "banned for this account", "", (48004,)),
    (PERMISSION, "has expired", "", (48009,)),
    (PERMISSION, "this token may not use the API", "", (48012,)),
    (PERMISSION, "mini program is not verified", "verify it", (43016,)),
    (PERMISSION, "blocked by the platform's supervision", "", (45501,)),
    (PERMISSION, "blocked temporarily", "", (45102,)),
    (PERMISSION, "withdrawn", "", (45103,)),
    (PERMISSION, "user or account is restricted", "", (50001, 50002, 50003)),
    (PERMISSION, "cloud: the account may not use this API", CERTIFY, (85105,)),
    (PERMISSION, "not on the allow-list", "add /cv/x to the open interface .* build a new", (85107,)),
    (PERMISSION, "cloudbase_secret not found", "report it to WeChat", (85112,)),
    (PERMISSION, "HTTPS is required", "use an https base_url", (43003,)),
    (
        IMAGE_URL,
        "could not fetch img_url",
        "check that the URL is publicly reachable, or upload the bytes instead",
        (101000,),
    ),
    (wxcv.DocumentNotFoundError, "no card, licence or menu was found in the image", "", (101001,)),
    (IMAGE, "cannot be decoded or is too large", FORM, (101002,)),
    (IMAGE, "missing or empty", FORM, (41005, 44001, 44006)),
    (IMAGE, "type, size, address or format was refused", FORM, (*range(40004, 40013), 40113, 40137)),
    (IMAGE, "type, size, address or format was refused", FORM, (40141, 40160, 44997, 45001, 45068)),
    (OTHER, "path is unknown", "check base_url and the endpoint's path", (40066,)),
    (OTHER, "a parameter is wrong", BUG, (40035, 40097, 40101, 41011)),
    (OTHER, "the body is wrong", BUG, (44002, 47001, 47002)),
    (OTHER, "the HTTP method is wrong", BUG, (43001, 43002)),
    (OTHER, "the signature is wrong", "", (40234, 87009)),
    (OTHER, "the rid is unknown", "", (76001, 76002, 76004)),
    (OTHER, "quota query does not know the path", "look at the quota in WeChat's console", (76003, 76021)),
    (PERMISSION, "this kind of token may not", "use the account's own token", (76022,)),
]


@pytest.mark.parametrize(
    ("cls", "meaning", "remedy", "code"),
    [(cls, meaning, remedy, code) for cls, meaning, remedy, codes in TABLE for code in codes],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_every_documented_code_has_its_class_meaning_and_remedy(
    cls: type[wxcv.APIError], meaning: str, remedy: str, code: int
) -> None:
    """Each code becomes exactly its error class, and tells what it means and what to do."""
    error = make_api_error(code, "text", endpoint=wxcv.Endpoint("page", "/cv/x", dict))

    assert type(error) is cls
    assert error.errcode == code
    assert meaning in error.meaning
    assert re.search(remedy, error.remedy)
    assert bool(remedy) is bool(error.remedy)
    assert error.meaning in str(error)
    assert error.remedy in str(error)


def test_no_other_code_is_known() -> None:
    """What is not documented is a plain APIError without meaning and remedy."""
    assert set(ERRCODES) == {code for _, _, _, codes in TABLE for code in codes}
    error = make_api_error(99999, "text")

    assert (type(error), error.meaning, error.remedy) == (wxcv.APIError, "", "")


def test_every_class_of_the_table_is_public() -> None:
    """The table names only error classes that are exported."""
    assert {row.error.__name__ for row in ERRCODES.values()} <= set(wxcv.__all__)


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
    error = make_api_error(45009, errmsg)

    assert (text, hint, rid) == (error.errmsg, error.hint, error.rid)


def test_101002_is_decided_by_its_text() -> None:
    """101002 is a bad image, unless its text speaks of the market quota, as it did for years."""
    assert type(make_api_error(101002, "decode image failed")) is wxcv.ImageRejectedError
    assert type(make_api_error(101002, "not enough market quota hint: [x]")) is wxcv.QuotaExhaustedError
    assert type(make_api_error(101001, "not enough market quota")) is wxcv.DocumentNotFoundError


def test_40001_has_two_meanings() -> None:
    """40001 is a wrong secret on an app's own token call and a refused token on a business call."""
    assert (
        type(make_api_error(40001, "invalid credential", is_app_secret_request=True))
        is wxcv.CredentialRejectedError
    )
    assert (
        type(make_api_error(40014, "invalid access_token", is_app_secret_request=True))
        is wxcv.TokenRejectedError
    )
    assert type(make_api_error(40001, "invalid credential")) is wxcv.TokenRejectedError


def test_only_three_codes_are_refreshable() -> None:
    """A new token is worth a try after 40001, 40014 and 42001 only."""
    codes = [code for code, row in ERRCODES.items() if row.error is wxcv.TokenRejectedError]
    refreshable = {code for code in codes if make_api_error(code, "").is_refreshable}  # type: ignore[attr-defined]

    assert refreshable == {40001, 40014, 42001}


@pytest.mark.parametrize("filler", [" ", ", ", "rid:", "hint: [", "rid: x"])
def test_a_hostile_errmsg_is_read_all_the_same(filler: str) -> None:
    """A megabyte of what looks like a suffix is cut first, so that it cannot hold the event loop."""
    assert len(make_api_error(1, filler * 200_000).errmsg) <= 300


def test_a_long_errmsg_is_cut() -> None:
    """At most 300 characters of a server's text are kept."""
    assert len(make_api_error(1, "x" * 10_000).errmsg) == 300
