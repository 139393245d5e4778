"""What an app with an AppSecret sends for a token, without an event loop."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from support.accounts import APP, CLASSIC
from support.steps import ASKED, refresh, run

import wxcv
from wxcv.protocol.answers import Response

GOOD = b'{"access_token":"T","expires_in":345}'


def test_the_stable_kind_posts_json() -> None:
    """A stable token is asked for by POST with a JSON body, and its remaining life is taken as it is."""
    request, token = refresh(APP, GOOD)
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
    request, _ = refresh(APP, GOOD, force=True)
    assert request.body is not None

    assert json.loads(request.body.parts[0])["force_refresh"] is True
    (unforced,), _ = run(APP.refresh(ASKED), Response(200, {}, GOOD))
    assert json.loads(unforced.body.parts[0])["force_refresh"] is False
    assert (APP.can_force, CLASSIC.can_force) == (True, False)


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


def test_a_credential_hides_its_secret() -> None:
    """The secret is not in the repr, and pickling is refused."""
    assert "MARKED" not in repr(APP)
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps(APP)


@pytest.mark.parametrize(
    ("life", "seconds"), [("7200", 7200.0), ('"7200"', 7200.0), ("1e9", 7200.0), ("0.5", 0.5)]
)
def test_a_life_is_at_most_two_hours(life: str, seconds: float) -> None:
    """expires_in may be a string and is never more than 7,200 s."""
    _, token = refresh(APP, f'{{"access_token":"T","expires_in":{life}}}'.encode())

    assert token.expires_in == seconds


@pytest.mark.parametrize("life", ["0", "-1", "null", '"soon"', "[]", "1e999", "NaN"])
def test_a_life_that_is_none_is_refused(life: str) -> None:
    """A missing, zero, negative or nonsensical expires_in is a ProtocolError that does not show the token."""
    with pytest.raises(wxcv.ProtocolError) as caught:
        refresh(APP, f'{{"access_token":"MARKED-TOKEN","expires_in":{life}}}'.encode())

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize(
    "value", ['""', "null", "5", "[]", '"\\ud800MARKED"', '"MARKED T"', '"MARKED\\n"', '"密"']
)
def test_a_token_that_is_none_is_refused(value: Any) -> None:
    """An answer without a token, or with one that no token is like, is a ProtocolError that hides it."""
    with pytest.raises(wxcv.ProtocolError, match="token request") as caught:
        refresh(APP, f'{{"access_token":{value},"expires_in":7200}}'.encode())

    assert "MARKED" not in str(caught.value)


@pytest.mark.parametrize("errcode", [40001, 40013, 40125, 40164, 40243, 50004, 89503])
def test_a_refusal_is_a_rejected_credential(errcode: int) -> None:
    """What WeChat says against appid, secret or address is a CredentialRejectedError without the secret."""
    body = json.dumps({"errcode": errcode, "errmsg": "invalid MARKED-SECRET rid: 1-2-3"}).encode()
    with pytest.raises(wxcv.CredentialRejectedError) as caught:
        refresh(APP, body)

    assert caught.value.errcode == errcode
    assert "MARKED" not in str(caught.value)
