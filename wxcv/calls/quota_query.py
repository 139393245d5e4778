"""QuotaQuery: asks WeChat for the quota of an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wxcv.calls.token_retry import send_with_refresh
from wxcv.endpoints.quota import QUOTA_GET
from wxcv.errors import WxcvError
from wxcv.protocol.answers import read_answer
from wxcv.protocol.requests import add_token, build_json_request

if TYPE_CHECKING:
    from typing import Any

    from wxcv.calls.state import SessionState
    from wxcv.endpoints.base import Endpoint
    from wxcv.endpoints.quota import Quota
    from wxcv.tokens.credential import Credential


class QuotaQuery:
    """One query, which is no call: no image, no send, no attempt, nothing taken from a daily limit.

    It holds a slot like a call, so that there is a connection for it, and so that it ends with its session.

    Args:
        state: the state of the session.
        credential: the credential of the account.
    """

    def __init__(self, state: SessionState, credential: Credential) -> None:
        self._state = state
        self._credential = credential
        self._tokens: set[str] = set()  # that were sent, also those that were refused

    async def run(self, endpoint: Endpoint[Any]) -> Quota:
        """Wait for a slot, and return what WeChat says of the endpoint's quota."""
        state, started_at = self._state, None
        state.bind_to_running_loop()
        request = build_json_request(QUOTA_GET.path, {"cgi_path": endpoint.path})

        async def send(token: str) -> Quota:
            self._tokens.add(token)
            authorized = add_token(request, self._credential.token_parameter, token)
            response = await state.transport.send(authorized)
            self._credential.check(response)
            known = (*self._tokens, *state.tokens.secrets(self._credential))
            return read_answer(QUOTA_GET, response, known)

        try:
            async with state.slots.acquire():
                started_at = state.clock.monotonic()
                return await send_with_refresh(state.tokens, self._credential, self._get_token, send)
        except WxcvError as error:
            error.elapsed = 0.0 if started_at is None else state.clock.monotonic() - started_at
            raise

    async def _get_token(self) -> str:
        return await self._state.tokens.get(self._credential, self._state.transport.send)
