"""WeChat's error codes: what each means, what to do about it, and which error class it becomes.

Sources: WeChat's "global return codes" and the endpoints' documentation pages,
https://developers.weixin.qq.com/doc/oplatform/developers/errCode/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from wxcv.errors import (
    APIError,
    CredentialRejectedError,
    DocumentNotFoundError,
    ImageRejectedError,
    ImageUrlRejectedError,
    PermissionDeniedError,
    QuotaExhaustedError,
    RateLimitedError,
    SystemBusyError,
    TokenRejectedError,
)
from wxcv.masking import MASK_LIMIT, Secrets, mask, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from wxcv.endpoints.base import Endpoint


class Errcode(NamedTuple):
    """A row of the table: the error class, the meaning in English, and the remedy or ""."""

    error: type[APIError]
    meaning: str
    remedy: str = ""


_CERTIFIED = (
    "the account must be verified; a third-party platform must have permission set 117 and be granted it by "
    "the authorizer"
)
_TICKET = "wait for the next component_verify_ticket (WeChat pushes one every 10 minutes) and use the newest"
_ADMIN = "the account's administrator must confirm the request that WeChat sent; try again after that"
_MEDIA = "the media's type, size, address or format was refused"
_FORM = "send JPEG or PNG of less than 2 MB"
_BUG = "the request is malformed; please report it to the wxcv project"
_LIST = "add this machine's public address to the IP whitelist in WeChat's console"
_CONSOLE = "look at the quota in WeChat's console"
_PACK = "wait for the next day or buy a pack in WeChat's service market"
_PLATFORM = "check the configuration of the third-party platform and the authorizer's authorisation"


def _rows(error: type[APIError], meaning: str, remedy: str, *codes: int) -> dict[int, Errcode]:
    return dict.fromkeys(codes, Errcode(error, meaning, remedy))


ERRCODES: Mapping[int, Errcode] = {
    # busy and limits
    -1: Errcode(SystemBusyError, "system busy", "try again in a moment"),
    **_rows(SystemBusyError, "system busy", "try again in a moment", 268487001, 268487002),
    9301012: Errcode(SystemBusyError, "the service market timed out", "try again in a moment"),
    85113: Errcode(SystemBusyError, "the cloud token is not ready yet", "try again in a few minutes"),
    45011: Errcode(RateLimitedError, "too many calls in this minute", "slow down until the next minute"),
    # Not a code of WeChat's: an HTTP status 429 without one.
    429: Errcode(RateLimitedError, "HTTP status 429", "slow down"),
    9301011: Errcode(RateLimitedError, "too many service market calls", "slow down"),
    45009: Errcode(
        QuotaExhaustedError, "the day's quota is used up", "wait for the next day or call clear_quota"
    ),
    101003: Errcode(QuotaExhaustedError, "no service market quota is left", _PACK),
    9301010: Errcode(QuotaExhaustedError, "no service market quota is left", _PACK),
    45040: Errcode(QuotaExhaustedError, "the month's quota is used up", "wait for the next month"),
    48006: Errcode(QuotaExhaustedError, "no quota resets are left this month", "wait for the next month"),
    # tokens
    40001: Errcode(
        TokenRejectedError,
        "access_token is invalid or not the latest",
        "another process may be fetching tokens for the same appid; use stable tokens in all of them",
    ),
    40014: Errcode(TokenRejectedError, "access_token is invalid"),
    42001: Errcode(TokenRejectedError, "access_token expired"),
    42006: Errcode(TokenRejectedError, "component_access_token expired", "refresh the component token"),
    42007: Errcode(
        TokenRejectedError,
        "the password was changed and all tokens are invalid",
        "the authorizer must authorise again",
    ),
    41001: Errcode(
        TokenRejectedError,
        "access_token is missing",
        "in cloud hosting: enable the open interface service and build a new version",
    ),
    # credentials
    40002: Errcode(CredentialRejectedError, "grant_type is invalid", _BUG),
    40013: Errcode(CredentialRejectedError, "appid is invalid", "check the appid"),
    40125: Errcode(CredentialRejectedError, "secret is invalid", "check the AppSecret in WeChat's console"),
    41002: Errcode(CredentialRejectedError, "appid is missing", "check the appid"),
    41004: Errcode(CredentialRejectedError, "secret is missing", "check the secret"),
    40243: Errcode(CredentialRejectedError, "the AppSecret is frozen", "unfreeze it in WeChat's console"),
    50004: Errcode(CredentialRejectedError, "the account may not fetch tokens"),
    50007: Errcode(CredentialRejectedError, "the account is frozen"),
    40164: Errcode(CredentialRejectedError, "the caller's IP address is not on the whitelist", _LIST),
    61004: Errcode(CredentialRejectedError, "the caller's IP address is not registered", _LIST),
    45035: Errcode(CredentialRejectedError, "the caller's IP address is not on the whitelist", _LIST),
    **_rows(
        CredentialRejectedError, "an administrator must confirm", _ADMIN, 89501, 89502, 89503, 89504, 89505
    ),
    89506: Errcode(CredentialRejectedError, "the administrator refused this IP address", "wait 24 hours"),
    89507: Errcode(CredentialRejectedError, "the administrator refused this IP address", "wait 1 hour"),
    40091: Errcode(CredentialRejectedError, "component_verify_ticket is invalid", _TICKET),
    40094: Errcode(CredentialRejectedError, "the component's credential is invalid", _PLATFORM),
    61005: Errcode(CredentialRejectedError, "component_verify_ticket expired", _TICKET),
    61006: Errcode(CredentialRejectedError, "component_verify_ticket is invalid", _TICKET),
    41018: Errcode(CredentialRejectedError, "component_appid is missing", _PLATFORM),
    41021: Errcode(CredentialRejectedError, "component_access_token is missing", _PLATFORM),
    61009: Errcode(CredentialRejectedError, "the authorisation code is invalid", _PLATFORM),
    61010: Errcode(CredentialRejectedError, "the authorisation code expired", _PLATFORM),
    61011: Errcode(CredentialRejectedError, "the component is invalid", _PLATFORM),
    61014: Errcode(CredentialRejectedError, "a component token is needed here", _PLATFORM),
    61015: Errcode(CredentialRejectedError, "an authorizer's token is needed here", _PLATFORM),
    61023: Errcode(
        CredentialRejectedError,
        "the authorizer_refresh_token is invalid",
        "use the newest one; if it is lost, the authorizer must authorise again",
    ),
    61024: Errcode(CredentialRejectedError, "a component must use api_component_token", _PLATFORM),
    61028: Errcode(CredentialRejectedError, "the component is not published", _PLATFORM),
    # permissions
    48001: Errcode(PermissionDeniedError, "the account may not use this API", _CERTIFIED),
    61007: Errcode(
        PermissionDeniedError, "the authorizer did not grant this API to the platform", _CERTIFIED
    ),
    61003: Errcode(PermissionDeniedError, "the account has not authorised this component", _PLATFORM),
    61016: Errcode(PermissionDeniedError, "the permission set is not confirmed", _CERTIFIED),
    61017: Errcode(PermissionDeniedError, "the permission set is not granted", _CERTIFIED),
    48004: Errcode(PermissionDeniedError, "the API is banned for this account"),
    48009: Errcode(PermissionDeniedError, "the account's right to use the API has expired"),
    48012: Errcode(PermissionDeniedError, "this token may not use the API"),
    43016: Errcode(PermissionDeniedError, "the mini program is not verified", "verify it"),
    45501: Errcode(PermissionDeniedError, "blocked by the platform's supervision"),
    45102: Errcode(PermissionDeniedError, "the API is blocked temporarily"),
    45103: Errcode(PermissionDeniedError, "the API was withdrawn"),
    **_rows(PermissionDeniedError, "the user or account is restricted", "", 50001, 50002, 50003),
    85105: Errcode(PermissionDeniedError, "cloud: the account may not use this API", _CERTIFIED),
    85107: Errcode(
        PermissionDeniedError,
        "cloud: the path is not on the allow-list",
        "add {path} to the open interface service and build a new version",
    ),
    85112: Errcode(PermissionDeniedError, "cloud: cloudbase_secret not found", "report it to WeChat"),
    43003: Errcode(PermissionDeniedError, "HTTPS is required", "use an https base_url"),
    # images
    101000: Errcode(
        ImageUrlRejectedError,
        "WeChat could not fetch img_url",
        "check that the URL is publicly reachable, or upload the bytes instead",
    ),
    101001: Errcode(DocumentNotFoundError, "no card, licence or menu was found in the image"),
    101002: Errcode(ImageRejectedError, "the image cannot be decoded or is too large", _FORM),
    40066: Errcode(APIError, "the path is unknown to WeChat", "check base_url and the endpoint's path"),
    **_rows(ImageRejectedError, "the image is missing or empty", _FORM, 41005, 44001, 44006),
    **_rows(ImageRejectedError, _MEDIA, _FORM, *range(40004, 40013), 40113, 40137, 40141, 40160),
    **_rows(ImageRejectedError, _MEDIA, _FORM, 44997, 45001, 45068),
    # malformed requests, and look-ups
    **_rows(APIError, "a parameter is wrong", _BUG, 40035, 40097, 40101, 41011),
    **_rows(APIError, "the body is wrong", _BUG, 44002, 47001, 47002),
    **_rows(APIError, "the HTTP method is wrong", _BUG, 43001, 43002),
    **_rows(APIError, "the signature is wrong", "", 40234, 87009),
    **_rows(APIError, "the rid is unknown, malformed, another account's or too old", "", 76001, 76002, 76004),
    # 76003 is also "another account's rid", which wxcv asks for nowhere.
    **_rows(APIError, "WeChat's quota query does not know the path", _CONSOLE, 76003, 76021),
    76022: Errcode(
        PermissionDeniedError,
        "this kind of token may not ask for the path's quota",
        "use the account's own token",
    ),
}

# https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html shows both suffixes.
_RID = r"\brid: ?([\w-]{1,100})"
_HINT = r"\bhint: ?\[([^\[\]]{0,100})\]"
_READ, _KEPT = 1000, 300
"""Characters of an errmsg in which a suffix is looked for, and that are kept of the rest."""
_IMPERSONAL = r"[a-z ,.'-]*|[\da-f]{8}(?:-[\da-f]{8}){2}"
"""A plain English phrase in lower case, or a rid."""


def _cut(pattern: str, text: str) -> tuple[str, str | None]:
    found = re.search(pattern, text)
    return (re.sub(pattern, "", text), found[1]) if found else (text, None)


def _row(errcode: int, errmsg: str, *, is_app_secret_request: bool) -> Errcode:
    row = ERRCODES.get(errcode, Errcode(APIError, ""))
    if errcode == 101002 and "market quota" in errmsg:  # noqa: PLR2004 - overloaded since 2020
        return ERRCODES[101003]
    if is_app_secret_request and errcode == 40001:  # noqa: PLR2004 - the code has two meanings
        return ERRCODES[40125]
    return row


def _without_personal_data(text: str | None) -> str | None:
    """Return a text of WeChat's that looks like a plain English phrase or an id of a request, else None."""
    return text if text is not None and re.fullmatch(_IMPERSONAL, text) else None


def make_api_error(
    errcode: int,
    errmsg: str,
    *,
    known: Iterable[str] = (),
    endpoint: Endpoint[Any] | None = None,
    is_app_secret_request: bool = False,
) -> APIError:
    """Make the error for an answer.

    Args:
        errcode: any integer but 0; an unknown one becomes a plain APIError.
        errmsg: as it came; it is masked here, and at most 300 characters of it are kept.
        known: secrets in hand.
        endpoint: the endpoint that was called, if it was one: some remedies name its path, and nothing of an
            answer is kept that may be a person's name or number.
        is_app_secret_request: it answers a token request with the app's own secret, where 40001 means that
            the secret is wrong.
    """
    text, rid = _cut(_RID, errmsg[:_READ])
    text, hint = _cut(_HINT, text)
    # Masked when it is cut, as what is left may only now be a secret; the rest tells where it goes on.
    secrets = Secrets(known)
    text = mask(text + errmsg[_READ : _READ + MASK_LIMIT + 1], secrets)
    clipped = one_line(text, MASK_LIMIT).strip(", ")[:_KEPT]
    rid, hint = (part and one_line(mask(part, secrets), _KEPT) for part in (rid, hint))
    row = _row(errcode, errmsg[:_READ], is_app_secret_request=is_app_secret_request)
    if endpoint is not None and endpoint.is_personal:
        clipped = _without_personal_data(clipped) or ""
        rid, hint = (_without_personal_data(part) for part in (rid, hint))
    remedy = row.remedy.replace("{path}", "the endpoint's path" if endpoint is None else endpoint.path)
    return row.error(errcode, clipped, rid=rid, hint=hint, meaning=row.meaning, remedy=remedy)
