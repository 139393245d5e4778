"""The quotas of a Session: WeChat's numbers, and the counts and marks for daily limits."""

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
    """The quotas of a Session: WeChat's numbers, and the counts and marks for daily limits."""

    async def quota(self, endpoint: Endpoint[Any]) -> Quota:
        """Ask WeChat for an endpoint's quota: its limit of the day, what is used and what remains.

        Whether WeChat's ``/cgi-bin/openapi/quota/get`` knows the paths of image endpoints is not known, nor
        whether it counts the free calls of text recognition. If it does not, this raises APIError with
        errcode 76021 or 76003, and WeChat's console shows the quota.

        The query holds a slot like a call, with the same limits on its time, but is not counted in ``calls``
        or ``sends``, is not repeated after a transient failure, and takes nothing from a daily limit. It
        does not tell how much market quota is left.

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

        Only sends of sessions that have a daily limit for the endpoint are counted: with a store, those of
        all such sessions that share it; without one, those of this session and of ``on_behalf_of`` for the
        same account.

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
        """Clear the marks that errcodes 45009 and 101003 left; the count stays.

        It lets calls go on in all sessions that share the store and have a daily limit for the endpoint;
        other sessions do not obey the marks. Call it after market quota was bought or WeChat's quota was
        reset. If WeChat refuses again, the mark is set again.

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
        """Return the account and the DailyLimiter that has its counts and marks."""
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
