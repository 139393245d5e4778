"""How accounts ask for tokens, without an event loop."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

import wxcv
from wxcv.protocol.answers import Response
from wxcv.protocol.requests import build_target
from wxcv.tokens.app import AppCredential
from wxcv.tokens.credential import (
    CallFunction,
    GetToken,
    InvalidateToken,
    LoadRefreshToken,
    ReadFile,
    RefreshRequest,
    SaveRefreshToken,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from wxcv.protocol.requests import Request
    from wxcv.tokens.credential import Steps

STABLE = AppCredential("wx1", "MARKED-SECRET")
CLASSIC = AppCredential("wx1", "MARKED-SECRET", stable=False)


def run(steps: Steps, *replies: object) -> tuple[list[Any], wxcv.AccessToken]:
    """Drive a renewal by hand with these replies; return its steps and its token."""
    seen = []
    try:
        step = next(steps)
        for reply in replies:
            seen.append(step)
            step = steps.send(reply)
    except StopIteration as done:
        return seen, done.value
    raise AssertionError(f"it wants more: {step}")


def refresh(
    credential: AppCredential, body: bytes, *, force: bool = False
) -> tuple[Request, wxcv.AccessToken]:
    """Drive a renewal of one request by hand; return the request, and the token made of the body."""
    (request,), token = run(credential.refresh(RefreshRequest(force=force)), Response(200, {}, body))
    return request, token


GOOD = b'{"access_token":"T","expires_in":345}'


def test_the_stable_kind_posts_json() -> None:
    """A stable token is asked for by POST with a JSON body, and its remaining life is taken as it is."""
    request, token = refresh(STABLE, GOOD)
    assert request.body is not None

    assert (request.method, request.path, request.query) == ("POST", "/cgi-bin/stable_token", ())
    assert json.loads(request.body.parts[0]) == {
        "grant_type": "client_credential",
        "appid": "wx1",
        "secret": "MARKED-SECRET",
        "force_refresh": False,
    }
    assert (token.value, token.expires_in, token.kind) == ("T", 345.0, "stable")


def test_force_is_a_field_of_the_stable_kind() -> None:
    """A forced refresh is the same request with force_refresh true."""
    request, _ = refresh(STABLE, GOOD, force=True)
    assert request.body is not None

    assert json.loads(request.body.parts[0])["force_refresh"] is True
    (unforced,), _ = run(STABLE.refresh(ASKED), Response(200, {}, GOOD))
    assert json.loads(unforced.body.parts[0])["force_refresh"] is False
    assert (STABLE.can_force, CLASSIC.can_force) == (True, False)


def test_the_classic_kind_gets_with_a_query() -> None:
    """A classic token is asked for by GET with everything in the query."""
    request, token = refresh(CLASSIC, GOOD)

    assert (request.method, request.path, request.body) == ("GET", "/cgi-bin/token", None)
    assert dict(request.query) == {
        "grant_type": "client_credential",
        "appid": "wx1",
        "secret": "MARKED-SECRET",
    }
    assert token.kind == "classic"


def test_keys_tell_account_and_kind_but_no_secret() -> None:
    """The cache key differs by account and kind and never holds the secret."""
    assert STABLE.key != CLASSIC.key
    assert "wx1" in STABLE.key
    assert "MARKED" not in STABLE.key


def test_a_credential_hides_its_secret() -> None:
    """The secret is not in the repr, and pickling is refused."""
    assert "MARKED" not in repr(STABLE)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(STABLE)


@pytest.mark.parametrize(
    ("life", "seconds"), [("7200", 7200.0), ('"7200"', 7200.0), ("1e9", 7200.0), ("0.5", 0.5)]
)
def test_a_life_is_at_most_two_hours(life: str, seconds: float) -> None:
    """expires_in may be a string and is never more than 7,200 s."""
    _, token = refresh(STABLE, f'{{"access_token":"T","expires_in":{life}}}'.encode())

    assert token.expires_in == seconds


@pytest.mark.parametrize("life", ["0", "-1", "null", '"soon"', "[]", "1e999", "NaN"])
def test_a_life_that_is_none_is_refused(life: str) -> None:
    """A missing, zero, negative or nonsensical expires_in is a ProtocolError that does not show the token."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        refresh(STABLE, f'{{"access_token":"MARKED-TOKEN","expires_in":{life}}}'.encode())

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ['""', "null", "5", "[]", '"\\ud800MARKED"', '"MARKED T"', '"MARKED\\n"', '"密"']
)
def test_a_token_that_is_none_is_refused(value: Any) -> None:
    """An answer without a token, or with one that no token is like, is a ProtocolError that hides it."""
    with pytest.raises(wxcv.ProtocolError, match="token request") as caught:
        refresh(STABLE, f'{{"access_token":{value},"expires_in":7200}}'.encode())

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize("errcode", [40001, 40013, 40125, 40164, 40243, 50004, 89503])
def test_a_refusal_is_a_rejected_credential(errcode: int) -> None:
    """What WeChat says against appid, secret or address is a CredentialRejectedError without the secret."""
    body = json.dumps({"errcode": errcode, "errmsg": "invalid MARKED-SECRET rid: 1-2-3"}).encode()
    with pytest.raises(wxcv.CredentialRejectedError) as caught:
        refresh(STABLE, body)

    assert caught.value.errcode == errcode
    assert "MARKED" not in str(caught.value)


COMPONENT = wxcv.ComponentCredential("wxp", "MARKED-APPSECRET", "MARKED-TICKET")
MERCHANT = wxcv.AuthorizerCredential(COMPONENT, "wxm", "MARKED-R0")
ASKED = RefreshRequest()


def answer(**fields: object) -> Response:
    """Make a response."""
    return Response(200, {}, json.dumps(fields).encode())


def body(request: Request) -> dict[str, Any]:
    """Return a request's JSON."""
    assert request.body is not None
    fields: dict[str, Any] = json.loads(request.body.parts[0])
    return fields


def test_a_component_asks_with_its_ticket() -> None:
    """A component's token is asked for with component_appsecret and the ticket, and read by its own name."""
    steps, token = run(COMPONENT.refresh(ASKED), answer(component_access_token="C", expires_in=7200))

    assert (steps[0].method, steps[0].path) == ("POST", "/cgi-bin/component/api_component_token")
    assert body(steps[0]) == {
        "component_appid": "wxp",
        "component_appsecret": "MARKED-APPSECRET",
        "component_verify_ticket": "MARKED-TICKET",
    }
    assert (token.value, token.expires_in, token.kind) == ("C", 7200.0, "component")


@pytest.mark.parametrize("errcode", [40001, 40125, 40091, 61004])
def test_a_refusal_of_a_component_is_a_rejected_credential(errcode: int) -> None:
    """What WeChat says against appsecret, ticket or address is a CredentialRejectedError without either."""
    refused = answer(errcode=errcode, errmsg="invalid MARKED-APPSECRET or MARKED-TICKET")
    with pytest.raises(wxcv.CredentialRejectedError) as caught:
        run(COMPONENT.refresh(ASKED), refused)

    assert caught.value.errcode == errcode
    assert caught.value.errmsg == "invalid *** or ***"


def test_the_answers_of_token_calls_are_never_quoted() -> None:
    """What is no answer of WeChat's to a component or a merchant is not shown, as it may hold a token."""
    odd = Response(200, {}, b"<html>MARKED-TOKEN</html>")
    for steps, replies in ((COMPONENT.refresh(ASKED), ()), (MERCHANT.refresh(ASKED), (None, "C"))):
        with pytest.raises(wxcv.ProtocolError) as caught:
            run(steps, *replies, odd)

        assert (caught.value.excerpt, "MARKED" in str(caught.value)) == ("", False)


def test_a_refusal_of_a_merchant_shows_no_token() -> None:
    """What WeChat says of a merchant is told without the component's token and the refresh tokens."""
    refused = answer(errcode=61003, errmsg="C-TOKEN MARKED-R0 MARKED-R5 MARKED-APPSECRET")
    with pytest.raises(wxcv.PermissionDeniedError) as caught:
        run(MERCHANT.refresh(ASKED), "MARKED-R5", "C-TOKEN", refused)

    assert caught.value.errmsg == "*** *** *** ***"


def test_a_ticket_function_is_asked_every_time() -> None:
    """A ticket that is a function is called for every token, and what it returns is sent."""

    async def newest() -> str:
        return "unused: the steps are driven by hand"

    credential = wxcv.ComponentCredential("wxp", "s", newest)
    steps, _ = run(credential.refresh(ASKED), "T9", answer(component_access_token="C", expires_in=7200))

    assert steps[0] == CallFunction(newest)
    assert body(steps[1])["component_verify_ticket"] == "T9"


def test_a_ticket_of_a_function_is_masked_as_well() -> None:
    """A refusal does not show the ticket that the function returned."""
    credential = wxcv.ComponentCredential("wxp", "s3cret", lambda: "unused")  # type: ignore[arg-type]
    with pytest.raises(wxcv.CredentialRejectedError) as caught:
        run(credential.refresh(ASKED), "MARKED-T9", answer(errcode=61006, errmsg="MARKED-T9 is invalid"))

    assert caught.value.errmsg == "*** is invalid"


@pytest.mark.parametrize("ticket", [None, "", 5])
def test_a_ticket_that_is_none_is_told(ticket: Any) -> None:
    """A ticket function that returns no ticket ends in a TokenSourceError before anything is sent."""
    credential = wxcv.ComponentCredential("wxp", "s", lambda: ticket)
    with pytest.raises(wxcv.TokenSourceError, match="component_verify_ticket"):
        run(credential.refresh(ASKED), ticket, None)


def test_a_merchants_token_is_asked_with_the_components() -> None:
    """A merchant's token is asked for with the component's token in the query, and the refresh token kept."""
    replies = (
        None,
        "C/1",
        answer(authorizer_access_token="A", expires_in=7200, authorizer_refresh_token="MARKED-R1"),
        None,
    )
    (newest, token_of, request, keep), token = run(MERCHANT.refresh(ASKED), *replies)

    assert (newest, token_of) == (LoadRefreshToken(), GetToken(COMPONENT))
    assert (
        build_target(request.path, request.query)
        == "/cgi-bin/component/api_authorizer_token?access_token=C%2F1"
    )
    assert body(request) == {
        "component_appid": "wxp",
        "authorizer_appid": "wxm",
        "authorizer_refresh_token": "MARKED-R0",
    }
    assert keep == SaveRefreshToken("MARKED-R1", "MARKED-R0", None)
    assert (token.value, token.kind) == ("A", "authorizer")


def test_an_answer_without_refresh_token_keeps_the_old_one() -> None:
    """If WeChat answers no refresh token, the one that was used is kept."""
    replies = ("MARKED-R5", "C", answer(authorizer_access_token="A", expires_in=7200), None)
    steps, _ = run(MERCHANT.refresh(ASKED), *replies)

    assert body(steps[2])["authorizer_refresh_token"] == "MARKED-R5"
    assert steps[3].refresh_token == "MARKED-R5"


@pytest.mark.parametrize("errcode", [40001, 40014, 42001, 42006])
def test_a_refused_component_token_is_renewed_once(errcode: int) -> None:
    """If the component's token is refused, it is dropped, and the merchant's asked for once more."""
    refused = answer(errcode=errcode, errmsg="no")
    good = answer(authorizer_access_token="A", expires_in=7200)
    steps, _ = run(MERCHANT.refresh(ASKED), None, "C1", refused, None, "C2", good, None)

    assert isinstance(steps[3], InvalidateToken)
    assert (steps[3].credential, steps[3].token) == (COMPONENT, "C1")
    assert "access_token=C2" in build_target(steps[5].path, steps[5].query)
    with pytest.raises(wxcv.TokenRejectedError):
        run(MERCHANT.refresh(ASKED), None, "C1", refused, None, "C2", refused)


def test_an_old_refresh_token_falls_back_to_the_other() -> None:
    """If WeChat says 61023 to the refresh token that was kept, the one given with the credential is tried."""
    refused = answer(errcode=61023, errmsg="refresh_token is invalid")
    good = answer(authorizer_access_token="A", expires_in=7200)
    steps, _ = run(MERCHANT.refresh(ASKED), "MARKED-R5", "C", refused, good, None)

    assert [body(step)["authorizer_refresh_token"] for step in steps[2:4]] == ["MARKED-R5", "MARKED-R0"]
    with pytest.raises(wxcv.CredentialRejectedError):
        run(MERCHANT.refresh(ASKED), "MARKED-R0", "C", refused)


def test_other_refusals_of_a_merchant_are_raised() -> None:
    """Any other code of an authorizer's token call is raised at once."""
    with pytest.raises(wxcv.PermissionDeniedError):
        run(MERCHANT.refresh(ASKED), None, "C", answer(errcode=61003, errmsg="not authorised"))


def test_a_fixed_token_is_itself() -> None:
    """A fixed token needs no step, and each one has a key of its own."""
    steps, token = run(wxcv.StaticTokenCredential("MARKED-T").refresh(ASKED))

    assert (steps, token.value, token.kind) == ([], "MARKED-T", "fixed")
    assert wxcv.StaticTokenCredential("MARKED-T").key != wxcv.StaticTokenCredential("MARKED-T").key


def test_a_token_function_gets_the_refused_token() -> None:
    """A token function is called with the refused token, or None, and gives the token and its life."""

    async def central(refused: str | None) -> wxcv.AccessToken:
        raise AssertionError(refused)

    credential = wxcv.CallbackCredential(central)
    steps, token = run(credential.refresh(RefreshRequest(refused="MARKED-OLD")), wxcv.AccessToken("T", 100.0))

    assert steps == [CallFunction(central, ("MARKED-OLD",))]
    assert (token.value, token.expires_in, token.kind) == ("T", 100.0, "function")
    for wrong in ("T", None, wxcv.AccessToken("T", -1), wxcv.AccessToken("", 5)):
        with pytest.raises(wxcv.TokenSourceError):
            run(credential.refresh(ASKED), wrong)
    with pytest.raises(TypeError, match="function"):
        wxcv.CallbackCredential("T")  # type: ignore[arg-type]


def test_a_cloud_token_is_read_and_stripped() -> None:
    """The mounted file's token loses its white space and is sent as cloudbase_access_token."""
    credential = wxcv.CloudCredential("/mnt/token")
    steps, token = run(credential.refresh(ASKED), b" MARKED-T\n")

    assert steps == [ReadFile("/mnt/token")]
    assert (token.value, token.kind, credential.token_parameter) == (
        "MARKED-T",
        "cloud",
        "cloudbase_access_token",
    )
    assert token.expires_in == 60.0
    with pytest.raises(wxcv.ConnectError, match=r"/mnt/token cannot be read .*cloud hosting"):
        run(credential.refresh(ASKED), FileNotFoundError(2, "No such file or directory"))
    for content in (b"\n", b"two words", b"\xff"):
        with pytest.raises(wxcv.ConnectError, match=r"/mnt/token holds no token"):
            run(credential.refresh(ASKED), content)


def test_the_relay_has_no_token() -> None:
    """Relayed calls carry no token, and go by plain http to WeChat's name."""
    credential = wxcv.CloudRelayCredential()
    _, token = run(credential.refresh(ASKED))

    assert (token.value, credential.token_parameter, credential.base_url) == (
        "",
        "",
        "http://api.weixin.qq.com",
    )


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (200, {}, "was not relayed.*build a new version"),
        (404, {}, r"was not relayed.*HTTP status 404"),
        (502, {"x-openapi-seqid": "1"}, "allow-list"),
    ],
)
def test_the_relay_tells_what_is_not_set_up(status: int, headers: dict[str, str], message: str) -> None:
    """An answer not relayed, or relayed nowhere, is a ProtocolError with the remedy, not retryable."""
    with pytest.raises(wxcv.ProtocolError, match=message) as caught:
        wxcv.CloudRelayCredential().check(Response(status, headers, b""))

    assert not caught.value.retryable


def test_a_relayed_answer_passes() -> None:
    """An answer with the sidecar's header is left to be decoded."""
    wxcv.CloudRelayCredential().check(Response(200, {"x-openapi-seqid": "1"}, b""))


@pytest.mark.parametrize(
    "credential",
    [
        COMPONENT,
        MERCHANT,
        wxcv.StaticTokenCredential("MARKED-T"),
        wxcv.AppCredential("wx1", "MARKED"),
        wxcv.CloudCredential(),
        wxcv.CloudRelayCredential(),
    ],
    ids=lambda one: type(one).__name__,
)
def test_no_credential_shows_or_gives_away_its_secrets(credential: wxcv.Credential) -> None:
    """No kind shows a secret in its repr or key, and none can be pickled."""
    assert "MARKED" not in f"{credential!r} {credential.key}"
    with pytest.raises(TypeError, match="holds a secret"):
        pickle.dumps(credential)


def test_the_steps_hide_their_secrets() -> None:
    """No step of a renewal shows a token in its repr."""
    error = wxcv.TokenRejectedError(40001, "no")
    steps = (
        RefreshRequest(refused="MARKED"),
        InvalidateToken(COMPONENT, "MARKED", error),
        SaveRefreshToken("MARKED", "MARKED", None),
    )

    assert "MARKED" not in repr((*steps, CallFunction(print, ("MARKED",))))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: wxcv.ComponentCredential("", "s", "t"), "component_appid"),
        (lambda: wxcv.ComponentCredential("a", "MARKED ", "t"), "component_appsecret"),
        (lambda: wxcv.ComponentCredential("a", "s", "MARKED\n"), "ticket"),
        (lambda: wxcv.ComponentCredential("a", "s", None), "ticket"),  # type: ignore[arg-type]
        (lambda: wxcv.AuthorizerCredential("a", "b", "c"), "component"),  # type: ignore[arg-type]
        (lambda: wxcv.AuthorizerCredential(COMPONENT, "", "c"), "authorizer_appid"),
        (lambda: wxcv.AuthorizerCredential(COMPONENT, "b", "MARKED "), "refresh_token"),
        (lambda: wxcv.StaticTokenCredential(" MARKED"), "token"),
    ],
)
def test_a_bad_field_of_a_credential_is_named(make: Callable[[], object], name: str) -> None:
    """A bad field is refused by name when the credential is made, and its value is not shown."""
    with pytest.raises((ValueError, TypeError), match=name) as caught:
        make()

    assert "MARKED" not in str(caught.value)


def test_the_base_is_abstract() -> None:
    """A kind of one's own must give its key and its renewal, and inherits the rest."""
    base = wxcv.Credential()
    with pytest.raises(NotImplementedError):
        _ = base.key
    with pytest.raises(NotImplementedError):
        base.refresh(ASKED)

    assert (base.can_force, base.is_shared, base.supersedes_previous, base.secrets) == (
        False,
        True,
        False,
        (),
    )
    assert (STABLE.supersedes_previous, CLASSIC.supersedes_previous, COMPONENT.supersedes_previous) == (
        False,
        True,
        True,
    )
    assert not any(
        one.is_shared
        for one in (
            wxcv.StaticTokenCredential("t"),
            wxcv.CallbackCredential(print),
            wxcv.CloudCredential(),
            wxcv.CloudRelayCredential(),
        )  # type: ignore[arg-type]
    )
