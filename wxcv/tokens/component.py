"""Credentials for third-party platforms, without I/O: the component and the accounts that authorised it.

WeChat calls the platform a component, and an account that authorised it an authorizer.

Sources: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getcomponentaccesstoken.html
and https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getauthorizeraccesstoken.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from wxcv import checks
from wxcv.errors import APIError, TokenSourceError
from wxcv.masking import function_name
from wxcv.protocol.answers import decode
from wxcv.protocol.requests import build_json_request
from wxcv.tokens import validators
from wxcv.tokens.access_token import read_access_token
from wxcv.tokens.credential import (
    CallFunction,
    Credential,
    GetToken,
    InvalidateToken,
    LoadRefreshTokens,
    RefreshRequest,
    SaveRefreshToken,
    Steps,
)

if TYPE_CHECKING:
    from collections.abc import Generator

Ticket = str | Callable[[], Awaitable[str]]

_COMPONENT_TOKEN_REFUSED = {40001, 40014, 42001, 42006}
_REFRESH_TOKEN_REFUSED = 61023


def _ticket_fault(ticket: object) -> str:
    """Return what is wrong with a ticket, or "" if nothing is."""
    try:
        checks.check_token_text("ticket", ticket)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _component(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.check_instance(field.name, value, ComponentCredential)


def _usable_ticket(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        checks.check_token_text(field.name, value)


@attrs.frozen
class ComponentCredential(Credential):
    """A third-party platform; its token is needed to fetch the tokens of its authorizers.

    Args:
        component_appid: the platform's appid; not empty, ASCII, no white space.
        component_appsecret: the platform's AppSecret; not empty, ASCII, no white space.
        ticket: the newest component_verify_ticket, which WeChat pushes every 10 minutes, or an async function
            without parameters that returns it. The function is called for every new token and shares its 10
            s.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it and never shows its value.
    """

    component_appid: str = attrs.field(validator=validators.validate_token_text)
    component_appsecret: str = attrs.field(repr=False, validator=validators.validate_token_text)
    ticket: Ticket = attrs.field(repr=False, validator=_usable_ticket)

    @property
    def kind(self) -> str:
        """``"component"``."""
        return "component"

    @property
    def account(self) -> str:
        """The component_appid."""
        return self.component_appid

    @property
    def supersedes_previous(self) -> bool:
        """True: a new token invalidates the previous one."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """The component_appsecret, and a ticket that is a string."""
        return (self.component_appsecret, *([self.ticket] if isinstance(self.ticket, str) else []))

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Fetch a component_access_token; see ``Credential.refresh``."""
        ticket = self.ticket if isinstance(self.ticket, str) else (yield CallFunction(self.ticket))
        fault = _ticket_fault(ticket)
        if fault:
            raise TokenSourceError(
                f"{function_name(self.ticket)} returned an unusable component_verify_ticket: {fault}"
            )
        fields = {
            "component_appid": self.component_appid,
            "component_appsecret": self.component_appsecret,
            "component_verify_ticket": ticket,
        }
        response = yield build_json_request("/cgi-bin/component/api_component_token", fields)
        answer = decode(
            response, known=(*self.secrets, ticket), is_token_answer=True, is_app_secret_request=True
        )
        return read_access_token(answer, self.kind, "component_access_token")


@attrs.frozen
class AuthorizerCredential(Credential):
    """An authorizer: an account that authorised a third-party platform.

    Args:
        component: the platform's credential; use one object for all its authorizers.
        authorizer_appid: the authorizer's appid; not empty, ASCII, no white space.
        refresh_token: the authorizer_refresh_token from the authorisation. Once WeChat has returned a newer
            one, that is tried first, then this one.
        on_refresh_token: a function, sync or async, that is called with every new refresh token before the
            access token that came with it is used. Save it: without the newest one the authorizer must
            authorise again. An async function has 5 s; a sync one must not block. If it raises or takes
            longer, that is logged and it is called again at the next refresh.

    Raises:
        ValueError, TypeError: a field is unusable; the message names it and never shows its value.
    """

    component: ComponentCredential = attrs.field(validator=_component)
    authorizer_appid: str = attrs.field(validator=validators.validate_token_text)
    refresh_token: str = attrs.field(repr=False, validator=validators.validate_token_text)
    on_refresh_token: Callable[[str], object] | None = attrs.field(
        default=None, repr=False, kw_only=True, validator=validators.validate_optional_callable
    )

    @property
    def kind(self) -> str:
        """``"authorizer"``."""
        return "authorizer"

    @property
    def account(self) -> str:
        """The authorizer_appid, as calls use the authorizer's quota."""
        return self.authorizer_appid

    @property
    def key(self) -> str:
        """The kind, component_appid and authorizer_appid."""
        return f"{self.kind}:{self.component.component_appid}:{self.authorizer_appid}"

    @property
    def supersedes_previous(self) -> bool:
        """True: a new token may come with a new refresh token."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """The platform's secrets and the refresh token."""
        return (*self.component.secrets, self.refresh_token)

    @property
    def issuer(self) -> ComponentCredential:
        """The platform."""
        return self.component

    def refresh(self, request: RefreshRequest) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Fetch an authorizer_access_token; try again once if the component's token was refused."""
        known = yield LoadRefreshTokens()
        component_token = yield GetToken(self.component)
        try:
            return (yield from self._refresh_with(component_token, known))
        except APIError as error:
            if error.errcode not in _COMPONENT_TOKEN_REFUSED:
                raise
            refusal = error
        yield InvalidateToken(self.component, component_token, refusal)
        component_token = yield GetToken(self.component)
        return (yield from self._refresh_with(component_token, known))

    def _refresh_with(self, component_token: str, known: tuple[str, ...]) -> Steps:
        # Any may be the newest one: a saved one after a rotation, the credential's after a new
        # authorisation. Only WeChat knows.
        candidates = list(dict.fromkeys((*known, self.refresh_token)))
        while True:
            refresh_token = candidates.pop(0)
            try:
                answer = yield from self._fetch(component_token, refresh_token)
                break
            except APIError as error:
                if error.errcode != _REFRESH_TOKEN_REFUSED or not candidates:
                    raise
        newest = answer.get("authorizer_refresh_token")
        kept = newest if isinstance(newest, str) and newest else refresh_token
        yield SaveRefreshToken(kept, self.refresh_token, self.on_refresh_token)
        return read_access_token(answer, self.kind, "authorizer_access_token")

    def _fetch(self, component_token: str, refresh_token: str) -> Generator[Any, Any, dict[str, Any]]:
        fields = {
            "component_appid": self.component.component_appid,
            "authorizer_appid": self.authorizer_appid,
            "authorizer_refresh_token": refresh_token,
        }
        # The older documentation calls the parameter component_access_token; the current one, access_token.
        query = (("access_token", component_token),)
        response = yield build_json_request("/cgi-bin/component/api_authorizer_token", fields, query)
        return decode(response, known=(*self.secrets, component_token, refresh_token), is_token_answer=True)
