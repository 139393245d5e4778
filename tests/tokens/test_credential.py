"""What all kinds of credentials have in common: kind, account and key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
from support.accounts import APP, CLASSIC, MERCHANT
from support.steps import ASKED

import wxcv

if TYPE_CHECKING:
    from collections.abc import Callable


import pickle
from typing import TYPE_CHECKING

from wxcv.tokens.credential import (
    CallFunction,
    InvalidateToken,
    RefreshRequest,
    SaveRefreshToken,
)

if TYPE_CHECKING:
    from collections.abc import Callable


COMPONENT = wxcv.ComponentCredential("wxp", "s", "t")
ACCOUNTS = [
    (wxcv.AppCredential("wx1", "s"), "stable", "wx1", "stable:wx1"),
    (wxcv.AppCredential("wx1", "s", stable=False), "classic", "wx1", "classic:wx1"),
    (COMPONENT, "component", "wxp", "component:wxp"),
    (wxcv.AuthorizerCredential(COMPONENT, "wxm", "r"), "authorizer", "wxm", "authorizer:wxp:wxm"),
    (wxcv.StaticTokenCredential("t", account="wx1"), "static", "wx1", None),
    (wxcv.StaticTokenCredential("t"), "static", None, None),
    (wxcv.CallbackCredential(print, account="wx1"), "callback", "wx1", None),  # type: ignore[arg-type]
    (wxcv.CallbackCredential(print), "callback", None, None),  # type: ignore[arg-type]
    (wxcv.CloudCredential("/mnt/token", account="wx1"), "cloud", "wx1", "cloud:/mnt/token"),
    (wxcv.CloudCredential("/mnt/token"), "cloud", None, "cloud:/mnt/token"),
    (wxcv.CloudRelayCredential(account="wx1"), "relay", "wx1", "relay"),
    (wxcv.CloudRelayCredential(), "relay", None, "relay"),
]


@pytest.mark.parametrize(("credential", "kind", "account", "key"), ACCOUNTS)
def test_a_credential_tells_its_kind_and_whose_quota_it_spends(
    credential: wxcv.Credential, kind: str, account: str | None, key: str | None
) -> None:
    """Kind and account are attributes; the key under which the token is cached begins with the kind."""
    assert (credential.kind, credential.account) == (kind, account)
    assert credential.key.startswith(kind)
    assert key in (None, credential.key)


def test_every_public_kind_has_its_account_tested() -> None:
    """The table above covers every public credential."""
    public = {cls for name in wxcv.__all__ if isinstance(cls := getattr(wxcv, name), type)}

    kinds = {cls for cls in public if issubclass(cls, wxcv.Credential)} - {wxcv.Credential}
    assert kinds == {type(credential) for credential, *_ in ACCOUNTS}


@pytest.mark.parametrize(
    "make",
    [
        lambda: wxcv.StaticTokenCredential("t", account="wx-a"),
        lambda: wxcv.CallbackCredential(print, account="wx-a"),
    ],
    ids=["static", "callback"],
)
def test_the_account_is_not_the_key(make: Callable[[], wxcv.Credential]) -> None:
    """Two tokens for one account do not replace each other: the keys differ, and do not hold the account."""
    one, other = make(), make()

    assert one.key != other.key
    assert one.account == other.account == "wx-a"
    assert "wx-a" not in one.key


@pytest.mark.parametrize(
    "base", [wxcv.Credential, wxcv.AppCredential, wxcv.CallbackCredential], ids=lambda base: base.__name__
)
def test_a_program_cannot_make_a_kind_of_its_own(base: type) -> None:
    """Subclassing is refused outside wxcv, with what to use instead."""
    with pytest.raises(TypeError, match="CallbackCredential takes a function of yours"):
        type("Own", (base,), {})
    with pytest.raises(TypeError, match="CallbackCredential takes a function of yours"):

        class Lookalike(base):  # type: ignore[misc]
            """One of a package whose name only begins alike."""

            __module__ = "wxcv_plugins.tokens"


def test_a_credential_can_be_changed_by_attrs() -> None:
    """``attrs.evolve`` makes a credential with another secret and the same account."""
    changed = attrs.evolve(wxcv.AppCredential("wx1", "old"), secret="new")

    assert (changed.secret, changed.account) == ("new", "wx1")


def test_keys_tell_account_and_kind_but_no_secret() -> None:
    """The cache key differs by account and kind and never holds the secret."""
    assert APP.key != CLASSIC.key
    assert "wx1" in APP.key
    assert "MARKED" not in APP.key


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
    """No step of a refresh shows a token in its repr."""
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
    """Every kind gives its kind, account and refresh, and inherits the rest."""
    base = wxcv.Credential()
    with pytest.raises(NotImplementedError):
        _ = base.key
    with pytest.raises(NotImplementedError):
        _ = base.account
    with pytest.raises(NotImplementedError):
        base.refresh(ASKED)

    assert (base.can_force, base.is_shared, base.supersedes_previous, base.secrets) == (
        False,
        True,
        False,
        (),
    )
    assert (APP.supersedes_previous, CLASSIC.supersedes_previous, COMPONENT.supersedes_previous) == (
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
