"""What a platform and its merchants send for a token, without an event loop."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import COMPONENT, MERCHANT
from support.steps import ASKED, answer, body, run

import wxcv
from wxcv.protocol.answers import Response
from wxcv.protocol.requests import build_target
from wxcv.tokens.credential import (
    CallFunction,
    GetToken,
    InvalidateToken,
    LoadRefreshTokens,
    SaveRefreshToken,
)


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
    for steps, replies in ((COMPONENT.refresh(ASKED), ()), (MERCHANT.refresh(ASKED), ((), "C"))):
        with pytest.raises(wxcv.ProtocolError) as caught:
            run(steps, *replies, odd)

        assert (caught.value.excerpt, "MARKED" in str(caught.value)) == ("", False)


def test_a_refusal_of_a_merchant_shows_no_token() -> None:
    """What WeChat says of a merchant is told without the component's token and the refresh tokens."""
    refused = answer(errcode=61003, errmsg="C-TOKEN MARKED-R0 MARKED-R5 MARKED-APPSECRET")
    with pytest.raises(wxcv.PermissionDeniedError) as caught:
        run(MERCHANT.refresh(ASKED), ("MARKED-R5",), "C-TOKEN", refused)

    assert caught.value.errmsg == "***"


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
        (),
        "C/1",
        answer(authorizer_access_token="A", expires_in=7200, authorizer_refresh_token="MARKED-R1"),
        None,
    )
    (newest, token_of, request, keep), token = run(MERCHANT.refresh(ASKED), *replies)

    assert (newest, token_of) == (LoadRefreshTokens(), GetToken(COMPONENT))
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
    replies = (("MARKED-R5",), "C", answer(authorizer_access_token="A", expires_in=7200), None)
    steps, _ = run(MERCHANT.refresh(ASKED), *replies)

    assert body(steps[2])["authorizer_refresh_token"] == "MARKED-R5"
    assert steps[3].refresh_token == "MARKED-R5"


@pytest.mark.parametrize("errcode", [40001, 40014, 42001, 42006])
def test_a_refused_component_token_is_refreshed_once(errcode: int) -> None:
    """If the component's token is refused, it is dropped, and the merchant's asked for once more."""
    refused = answer(errcode=errcode, errmsg="no")
    good = answer(authorizer_access_token="A", expires_in=7200)
    steps, _ = run(MERCHANT.refresh(ASKED), (), "C1", refused, None, "C2", good, None)

    assert isinstance(steps[3], InvalidateToken)
    assert (steps[3].credential, steps[3].token) == (COMPONENT, "C1")
    assert "access_token=C2" in build_target(steps[5].path, steps[5].query)
    with pytest.raises(wxcv.TokenRejectedError):
        run(MERCHANT.refresh(ASKED), (), "C1", refused, None, "C2", refused)


def test_an_old_refresh_token_falls_back_to_the_others() -> None:
    """If WeChat says 61023 to refresh tokens that were kept, the one given with the credential is tried."""
    refused = answer(errcode=61023, errmsg="refresh_token is invalid")
    good = answer(authorizer_access_token="A", expires_in=7200)
    steps, _ = run(MERCHANT.refresh(ASKED), ("MARKED-R5", "MARKED-R4"), "C", refused, refused, good, None)

    tried = [body(step)["authorizer_refresh_token"] for step in steps[2:5]]
    assert tried == ["MARKED-R5", "MARKED-R4", "MARKED-R0"]
    with pytest.raises(wxcv.CredentialRejectedError):
        run(MERCHANT.refresh(ASKED), ("MARKED-R0", "MARKED-R0"), "C", refused)


def test_other_refusals_of_a_merchant_are_raised() -> None:
    """Any other code of an authorizer's token call is raised at once."""
    with pytest.raises(wxcv.PermissionDeniedError):
        run(MERCHANT.refresh(ASKED), (), "C", answer(errcode=61003, errmsg="not authorised"))
