"""Third-party platforms: a component's token, and those of the merchants that authorised it, without I/O.

Pages: https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getcomponentaccesstoken.html
and https://developers.weixin.qq.com/doc/oplatform/openApi/ticket-token/api_getauthorizeraccesstoken.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

from wxcv import checks
from wxcv.answers import decode
from wxcv.credentials import Credential, access_token, plain_text
from wxcv.errors import APIError, TokenSourceError
from wxcv.masking import function_name
from wxcv.requests import json_request
from wxcv.steps import Ask, Asked, Keep, Newest, Refuse, Steps, TokenOf

if TYPE_CHECKING:
    from collections.abc import Generator

Ticket = str | Callable[[], Awaitable[str]]

_COMPONENT_TOKEN_REFUSED = {40001, 40014, 42001, 42006}
_REFRESH_TOKEN_REFUSED = 61023


def _ticket_fault(ticket: object) -> str:
    """Say what is wrong with a ticket, or "" if nothing is."""
    try:
        checks.plain("ticket", ticket)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def _component(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.instance(field.name, value, ComponentCredential)


def _optional_function(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        checks.function(field.name, value)


def _usable_ticket(_credential: object, field: attrs.Attribute[Any], value: object) -> None:
    if not callable(value):
        checks.plain(field.name, value)


@attrs.frozen
class ComponentCredential(Credential):
    """A third-party platform; its token is used to ask for the tokens of its merchants.

    Args:
        component_appid: of the platform.
        component_appsecret: of the platform.
        ticket: the newest component_verify_ticket, which WeChat pushes every 10 minutes, or an async
            function without arguments that returns it; it is called for every new token.

    Raises:
        ValueError, TypeError: naming the field, never its value.
    """

    component_appid: str = attrs.field(validator=plain_text)
    component_appsecret: str = attrs.field(repr=False, validator=plain_text)
    ticket: Ticket = attrs.field(repr=False, validator=_usable_ticket)

    @property
    def key(self) -> str:
        """Kind and component_appid."""
        return f"component:{self.component_appid}"

    @property
    def is_exclusive(self) -> bool:
        """A new token supersedes the one before."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """The component_appsecret, and a ticket that is a string."""
        return (self.component_appsecret, *([self.ticket] if isinstance(self.ticket, str) else []))

    def renew(self, asked: Asked) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Ask for a component_access_token; see ``Credential.renew``."""
        ticket = self.ticket if isinstance(self.ticket, str) else (yield Ask(self.ticket))
        fault = _ticket_fault(ticket)
        if fault:
            raise TokenSourceError(
                f"{function_name(self.ticket)} returned no component_verify_ticket: {fault}"
            )
        fields = {
            "component_appid": self.component_appid,
            "component_appsecret": self.component_appsecret,
            "component_verify_ticket": ticket,
        }
        response = yield json_request("/cgi-bin/component/api_component_token", fields)
        answer = decode(response, known=(*self.secrets, ticket), is_token_answer=True, is_own=True)
        return access_token(answer, "component", "component_access_token")


@attrs.frozen
class AuthorizerCredential(Credential):
    """A merchant that authorised a third-party platform.

    Args:
        component: the platform; one object for all its merchants.
        authorizer_appid: of the merchant.
        refresh_token: the authorizer_refresh_token that came with the authorisation. A newer one that WeChat
            answers is used from then on; a credential made with another one (after a new authorisation)
            replaces it.
        on_refresh_token: called with every new refresh token, sync or async, before the token that came
            with it is used; keep it, as without the newest one the merchant must authorise again. It has
            5 s. If it raises or takes longer, that is logged, and it is called again at the next renewal.

    Raises:
        ValueError, TypeError: naming the field, never its value.
    """

    component: ComponentCredential = attrs.field(validator=_component)
    authorizer_appid: str = attrs.field(validator=plain_text)
    refresh_token: str = attrs.field(repr=False, validator=plain_text)
    on_refresh_token: Callable[[str], object] | None = attrs.field(
        default=None, repr=False, kw_only=True, validator=_optional_function
    )

    @property
    def key(self) -> str:
        """Kind, component_appid and authorizer_appid."""
        return f"authorizer:{self.component.component_appid}:{self.authorizer_appid}"

    @property
    def is_exclusive(self) -> bool:
        """A new token may come with a new refresh token."""
        return True

    @property
    def secrets(self) -> tuple[str, ...]:
        """The platform's secrets and the refresh token."""
        return (*self.component.secrets, self.refresh_token)

    @property
    def issuer(self) -> ComponentCredential:
        """The platform."""
        return self.component

    def renew(self, asked: Asked) -> Steps:  # noqa: ARG002 - nothing of it is for this kind
        """Ask for an authorizer_access_token; once more if the component's token was refused."""
        newest = yield Newest()
        component_token = yield TokenOf(self.component)
        try:
            return (yield from self._renew_with(component_token, newest))
        except APIError as error:
            if error.errcode not in _COMPONENT_TOKEN_REFUSED:
                raise
            refusal = error
        yield Refuse(self.component, component_token, refusal)
        component_token = yield TokenOf(self.component)
        return (yield from self._renew_with(component_token, newest))

    def _renew_with(self, component_token: str, known: str | None) -> Steps:
        # Of the newest one kept and the one given here, either may be the older: after a rotation, or
        # after a new authorisation. Only WeChat knows.
        candidates = list(dict.fromkeys(filter(None, (known, self.refresh_token))))
        while True:
            refresh_token = candidates.pop(0)
            try:
                answer = yield from self._ask(component_token, refresh_token)
                break
            except APIError as error:
                if error.errcode != _REFRESH_TOKEN_REFUSED or not candidates:
                    raise
        newest = answer.get("authorizer_refresh_token")
        kept = newest if isinstance(newest, str) and newest else refresh_token
        yield Keep(kept, self.refresh_token, self.on_refresh_token)
        return access_token(answer, "authorizer", "authorizer_access_token")

    def _ask(self, component_token: str, refresh_token: str) -> Generator[Any, Any, dict[str, Any]]:
        fields = {
            "component_appid": self.component.component_appid,
            "authorizer_appid": self.authorizer_appid,
            "authorizer_refresh_token": refresh_token,
        }
        # The older pages call the parameter component_access_token; the current ones say access_token.
        query = (("access_token", component_token),)
        response = yield json_request("/cgi-bin/component/api_authorizer_token", fields, query)
        return decode(response, known=(*self.secrets, component_token, refresh_token), is_token_answer=True)
