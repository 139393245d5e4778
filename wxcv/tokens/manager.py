"""TokenManager: one token for all callers, one refresh for all waiters."""

from __future__ import annotations

import asyncio
import copy
import logging
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from cachetools import LRUCache, TLRUCache

from wxcv import nesting
from wxcv.errors import SessionClosedError, WxcvError
from wxcv.masking import short_name
from wxcv.stores.base import FORCED_PAUSE, REFRESH_DEADLINE
from wxcv.tokens.access_token import AccessToken
from wxcv.tokens.account_state import AccountState, get_result, token_source_error
from wxcv.tokens.refresh import CachedToken, TokenRefresh
from wxcv.tokens.runner import RefreshState

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wxcv.clock import Clock
    from wxcv.stores.base import TokenStore
    from wxcv.tokens.account_state import Waiter
    from wxcv.tokens.credential import Credential
    from wxcv.tokens.runner import Send

T = TypeVar("T")

logger = logging.getLogger("wxcv")

_VALUE = attrgetter("value")


def _is_other_loop(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether an event loop is not the running one (or, outside of event loops, is closed)."""
    try:
        return asyncio.get_running_loop() is not loop
    except RuntimeError:
        return loop.is_closed()


class TokenManager:
    """The tokens of any number of accounts, and their refreshes; see TokenCache for the contract.

    Args:
        clock: the source of time.
        store: the store that processes share, or None.
        maxsize: maximum number of accounts whose tokens are kept.
    """

    def __init__(self, clock: Clock, store: TokenStore | None = None, maxsize: int = 10_000) -> None:
        self._clock = clock
        self._refresh_state = RefreshState(clock, store, self.get, self.invalidate, self.secrets)
        self._cached: TLRUCache[str, CachedToken, float] = TLRUCache(
            maxsize, lambda _key, cached, _now: cached.ends_at, timer=clock.monotonic
        )
        self._accounts: LRUCache[str, AccountState] = LRUCache(maxsize)
        # The LRU cache may drop an account while it refreshes; this keeps it until the refresh has ended.
        self._refreshing: dict[str, AccountState] = {}
        self._refreshes: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    @property
    def store(self) -> TokenStore | None:
        """The store that processes share, or None."""
        return self._refresh_state.store

    def get_nowait(self, credential: Credential, send: Send) -> str | None:
        """Return the valid token without waiting, or None; start a background refresh if it expires soon."""
        cached = self._get_current(credential, send)
        return None if cached is None else cached.value

    # The next two return a coroutine instead of awaiting it: when thousands of waiting callers are cancelled
    # at once, every additional frame delays the event loop.

    def get(self, credential: Credential, send: Send) -> Coroutine[Any, Any, str]:
        """Return a coroutine for a valid token, which waits for one shared refresh if there is none.

        Args:
            credential: the credential whose token is wanted.
            send: sends a request to WeChat.

        Raises:
            WxcvError: the refresh failed, or an earlier one did and its back-off has not ended; each caller
                gets its own error object.
        """
        return self._wait_for_token(credential, send, _VALUE)

    def get_access_token(self, credential: Credential, send: Send) -> Coroutine[Any, Any, AccessToken]:
        """Return a coroutine like that of ``get``, for a token with its kind and remaining seconds."""
        return self._wait_for_token(credential, send, self._describe)

    async def _wait_for_token(
        self, credential: Credential, send: Send, convert: Callable[[CachedToken], T]
    ) -> T:
        while (cached := self._get_current(credential, send)) is None:
            account = self._get_account(credential.key)
            if account.failure is not None and self._clock.monotonic() < account.backoff_until:
                raise copy.copy(account.failure)
            # One future per caller: cancelling it needs no clean-up, and thousands may be cancelled at once.
            future: Waiter = asyncio.get_running_loop().create_future()
            account.waiters.append(future)
            if account.task is None:
                self._start(credential, account, send)
            used_send = account.send
            result = await future
            if isinstance(result, SessionClosedError) and used_send != send:
                continue  # the session that ran the refresh was closed: refresh through this one
            if isinstance(result, WxcvError):
                raise copy.copy(result)
            if self._is_valid(result):
                return convert(result)
        return convert(cached)

    def _is_valid(self, cached: CachedToken) -> bool:
        return self._clock.monotonic() < cached.ends_at and self._clock.wall() < cached.ends_at_wall

    def _get_current(self, credential: Credential, send: Send) -> CachedToken | None:
        cached = self._get_valid_token(credential.key)
        if cached is None:
            return None
        now = self._clock.monotonic()
        if now >= cached.refresh_at:
            account = self._get_account(credential.key)
            if account.task is None and now >= max(
                account.refresh_started_at + cached.pause, account.backoff_until
            ):
                self._start(credential, account, send)
        return cached

    def _describe(self, cached: CachedToken) -> AccessToken:
        left = min(cached.ends_at - self._clock.monotonic(), cached.ends_at_wall - self._clock.wall())
        return AccessToken(cached.value, left, cached.kind)

    def peek(self, credential: Credential) -> str | None:
        """Return the valid token, or None, without starting a refresh."""
        cached = self._get_valid_token(credential.key)
        return None if cached is None else cached.value

    def secrets(self, credential: Credential) -> tuple[str, ...]:
        """Return what is masked wherever a server repeats it: its secrets and tokens, and its issuer's."""
        known = () if credential.issuer is None else self.secrets(credential.issuer)
        cached, account = self._cached.get(credential.key), self._accounts.get(credential.key)
        if cached is not None:
            known += (cached.value,)
        if account is not None and account.refused is not None:
            known += (account.refused[0],)
        return known + credential.secrets + self._refresh_state.refresh_tokens.get(credential.key, ())

    def seconds_until_retry(self, credential: Credential) -> float:
        """Return the seconds until the account's back-off ends, or 0."""
        account = self._accounts.get(credential.key)
        return 0.0 if account is None else max(0.0, account.backoff_until - self._clock.monotonic())

    def invalidate(
        self, credential: Credential, token: str, error: WxcvError, *, is_manual: bool = False
    ) -> None:
        """Drop the token if it is still the current one; a late refusal of an older one has no effect.

        A kind of credential without tokens, whose token is "", has none to drop.

        If WeChat refuses a token that replaced a refused one less than 30 s before, no refresh starts for
        30 s: it would not help, and every new token counts against a quota.

        Args:
            credential: the credential whose token it is.
            token: the refused token.
            error: the refusal; raised again if no other token can be fetched.
            is_manual: whether the program dropped the token, not WeChat.
        """
        cached = self._cached.get(credential.key)
        if not token or cached is None or cached.value != token:
            return
        self._cached.pop(credential.key, None)
        account, now = self._get_account(credential.key), self._clock.monotonic()
        account.refused = (token, copy.copy(error))
        if not is_manual and now - account.replaced_at < FORCED_PAUSE:
            account.record_failure(copy.copy(error), now)

    def is_refreshing_here(self) -> bool:
        """Return whether the running code is part of a refresh, as in a caller's token function."""
        tasks = [account.task for account in self._refreshing.values()]
        return any(nesting.is_inside(task) for task in (*tasks, *self._refresh_state.saving) if task)

    def refreshes(self, send: Send) -> int:
        """Return how many refreshes were started through ``send``."""
        return self._refreshes.get(getattr(send, "__self__", send), 0)

    async def release(self, send: Send) -> None:
        """Cancel and await the refreshes that use ``send``; waiters of other sessions start their own.

        If it is called from a refresh, by a token function of the caller's, that refresh continues.
        """
        refreshing = [account for account in self._refreshing.values() if account.send == send]
        tasks = {
            account.task for account in refreshing if account.task and not nesting.is_inside(account.task)
        }
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        saving = {
            task
            for task in self._refresh_state.saving
            if not nesting.is_inside(task) and not _is_other_loop(task.get_loop())
        }
        if saving:  # a new refresh token that is being saved must not be lost
            await asyncio.wait(saving, timeout=REFRESH_DEADLINE)

    def _get_valid_token(self, key: str) -> CachedToken | None:
        try:
            cached = self._cached[key]  # twice as fast as TLRUCache.get()
        except KeyError:
            return None
        if self._clock.wall() < cached.ends_at_wall:
            return cached
        self._cached.pop(key, None)
        return None

    def _get_account(self, key: str) -> AccountState:
        account = self._refreshing.get(key) or self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = AccountState()
        task = account.task
        if task is not None and _is_other_loop(task.get_loop()):
            del self._refreshing[key]
            if task.get_loop().is_closed():  # nothing can be waiting in it any more
                account.waiters.clear()
            account = self._accounts[key] = AccountState(refused=account.refused)
        return account

    def _start(self, credential: Credential, account: AccountState, send: Send) -> None:
        account.refresh_started_at = self._clock.monotonic()
        account.send = send
        # Counted for the session's transport (send is its method), so that the count goes with the session.
        self._refreshes[getattr(send, "__self__", send)] = self.refreshes(send) + 1
        self._refreshing[credential.key] = account
        refresh = self._refresh(credential, account, send)
        account.task = asyncio.create_task(refresh, name="wxcv token refresh")
        # Not in the task itself, which may be cancelled before its first step.
        account.task.add_done_callback(lambda task: self._settle(credential.key, account, task))

    def _settle(self, key: str, account: AccountState, task: asyncio.Task[CachedToken | WxcvError]) -> None:
        """Tell all waiters how the refresh ended, whatever ended it."""
        account.task, result = None, get_result(task)
        if self._refreshing.get(key) is account:
            del self._refreshing[key]
        waiters, account.waiters = account.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(result)

    async def _refresh(
        self, credential: Credential, account: AccountState, send: Send
    ) -> CachedToken | WxcvError:
        """Refresh, and again if the new token was refused meanwhile; raise nothing but CancelledError."""
        nesting.start(asyncio.current_task())
        try:
            while True:
                valid, refused = self._cached.get(credential.key), account.refused
                current = None if valid is None else valid.value
                cached = await TokenRefresh(self._refresh_state, credential, send, refused, current).run()
                refused_meanwhile = account.refused if account.refused is not refused else None
                if refused_meanwhile is None or refused_meanwhile[0] != cached.value:
                    break
            self._cached[credential.key] = cached
            if account.refused is not None:
                account.replaced_at = self._clock.monotonic()
            account.record_success()
        except SessionClosedError as error:  # says nothing about the account
            return error
        except WxcvError as error:
            return self._record_failure(credential, account, error)
        except Exception as error:  # noqa: BLE001 - a fault here must not leave callers waiting
            return self._record_failure(credential, account, token_source_error(error))
        return cached

    def _record_failure(self, credential: Credential, account: AccountState, error: WxcvError) -> WxcvError:
        account.record_failure(error, self._clock.monotonic())
        # Waiting callers get the error; without any, only a log record reports a failed background refresh.
        has_waiters = any(not waiter.done() for waiter in account.waiters)
        level = logging.DEBUG if has_waiters else logging.WARNING
        logger.log(level, "the token refresh for %s failed: %s", short_name(credential.key), error)
        return error
