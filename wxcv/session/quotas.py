"""The quotas of a Session: what WeChat says of them, and what was counted here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wxcv.calls.limits import DailyLimiter, DailyLimits
from wxcv.session import arguments
from wxcv.session.lifecycle import SessionLifecycle

if TYPE_CHECKING:
    from wxcv.endpoints.base import Endpoint
    from wxcv.endpoints.quota import Quota
    from wxcv.stores.base import Usage


class SessionQuotas(SessionLifecycle):
    """The quotas of a Session: what WeChat says of them, and what was counted here."""

    async def quota(self, endpoint: Endpoint[Any]) -> Quota:
        """Ask WeChat for an endpoint's quota: its limit of the day, what is used and what remains.

        Whether WeChat's ``/cgi-bin/openapi/quota/get`` knows the paths of image endpoints is not known, nor
        whether it counts the free calls of text recognition. If it does not, this raises APIError with
        errcode 76021 or 76003, and WeChat's console shows the quota.

        The query holds a slot like a call, with the same limits on its time, but is not counted in ``calls``
        or ``sends``, is not repeated after a transient failure, and takes nothing from a daily limit. It
        does not tell what is left of a pack that was bought in WeChat's service market.

        Args:
            endpoint: the endpoint, such as ``wxcv.PRINTED_TEXT``.

        Raises:
            APIError: WeChat refused the query (76021, 76003: it does not know the path) or a token request.
            PermissionDeniedError: errcode 76022, the quota cannot be asked for with this kind of token.
            TransportError, ProtocolError: no usable response.
            WxcvError: as for ``call``: no slot in time, no token, or the session is closed.
            TypeError: ``endpoint`` is not an Endpoint.
        """
        from wxcv.calls.quota_query import QuotaQuery  # noqa: PLC0415 - few programs need it

        arguments.check_endpoint(endpoint, None)
        return await QuotaQuery(self._state, self._credential).run(endpoint)

    async def usage(self, endpoint: Endpoint[Any]) -> Usage:
        """Return the sends of this day that were counted for daily limits, and the marks of used-up quotas.

        With a store, these are the sends of all sessions that share it and have a daily limit for the
        endpoint. Without one, they are those of this session and of ``on_behalf_of`` for the same account.

        Args:
            endpoint: the endpoint, such as ``wxcv.PRINTED_TEXT``.

        Raises:
            StoreError: the store failed.
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            ValueError: the account is unknown, or the session has neither a store nor a daily limit for
                the endpoint.
            TypeError: ``endpoint`` is not an Endpoint, or the store cannot count.
        """
        account, limiter = self._prepare_counters("usage()", endpoint)
        return await limiter.load_usage(account, endpoint)

    async def clear_quota_marks(self, endpoint: Endpoint[Any]) -> None:
        """Let calls go on after errcode 45009 or 101003, for all who share the store; the count stays.

        Call it after a pack was bought or WeChat's quota was reset. If WeChat refuses again, the mark is set
        again.

        Args:
            endpoint: the endpoint, such as ``wxcv.PRINTED_TEXT``.

        Raises:
            StoreError: the store failed; the marks may have been cleared.
            SessionClosedError: the session is closed, or belongs to another event loop or process.
            ValueError: the account is unknown, or the session has neither a store nor a daily limit for
                the endpoint.
            TypeError: ``endpoint`` is not an Endpoint, or the store cannot count.
        """
        account, limiter = self._prepare_counters("clear_quota_marks()", endpoint)
        await limiter.clear_marks(account, endpoint)

    def _prepare_counters(self, method: str, endpoint: Endpoint[Any]) -> tuple[str, DailyLimiter]:
        """Return the account and what counts its sends."""
        arguments.check_endpoint(endpoint, None)
        account, state = arguments.require_account(method, self._credential), self._state
        state.bind_to_running_loop()
        limiter, store = state.limiter, arguments.get_counters(state.tokens.store)
        if store is None and (limiter is None or not limiter.is_limited(endpoint)):
            raise ValueError(
                f"{method} needs Session(..., store=...), or a daily limit for {endpoint.name}: "
                "Session(..., daily_limits=...)"
            )
        return account, limiter or DailyLimiter(DailyLimits({}), store, state.clock)
