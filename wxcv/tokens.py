"""TokenCache: one token for all callers, one refresh for all waiters."""

from __future__ import annotations

import asyncio
import copy
import logging
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from cachetools import LRUCache, TLRUCache

from wxcv import checks, nesting
from wxcv.accounts import AccountState, broken, outcome
from wxcv.clock import SystemClock
from wxcv.errands import Memory
from wxcv.errors import SessionClosedError, WxcvError
from wxcv.masking import short_name
from wxcv.models import AccessToken
from wxcv.renewal import CachedToken, Renewal
from wxcv.stores import FORCED_PAUSE, REFRESH_DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from wxcv.accounts import Waiter
    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.errands import Send
    from wxcv.stores import Store

T = TypeVar("T")

logger = logging.getLogger("wxcv")

_VALUE = attrgetter("value")


def _is_elsewhere(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether another loop than that one runs here."""
    try:
        return asyncio.get_running_loop() is not loop
    except RuntimeError:
        return loop.is_closed()


class TokenCache:
    """Holds the tokens of any number of accounts; several sessions may share it.

    A token is renewed in the background before it ends, so that no caller waits at a rotation; when none
    lives, all callers wait for one refresh, of 10 s and three tries at most, and before that for another
    process that holds the store's lease. Cancelling a caller cancels nobody else. After a failure nobody asks
    again for a while, and callers get the same error at once: for 60 s after a refusal; for 5 s, doubling to
    60 s, or what Retry-After says, after a failure that may pass; for 30 s when WeChat refuses the very token
    that it hands out and a forced refresh is not allowed yet.

    A process may use it in several event loops, one after the other, but not in several threads at a time.

    Args:
        store: what several processes share, such as a RedisStore. It is needed where a new token supersedes
            the one before (``AppCredential(..., stable=False)``, third-party platforms) and more than one
            process asks.
        maxsize: of how many accounts tokens are kept at most; the least recently used goes first. The newest
            refresh tokens of merchants are kept besides, and never dropped.
        clock: where time comes from.
    """

    def __init__(
        self, store: Store | None = None, *, maxsize: int = 10_000, clock: Clock | None = None
    ) -> None:
        checks.whole("maxsize", maxsize)
        checks.optional("store", store, "Store, such as RedisStore", "load", "save", "acquire")
        checks.optional("clock", clock, "Clock", "monotonic", "wall", "sleep")
        self._clock = clock or SystemClock()
        self._memory = Memory(self._clock, store, self.get, self.invalidate, self.secrets)
        self._held: TLRUCache[str, CachedToken, float] = TLRUCache(
            maxsize, lambda _key, held, _now: held.ends_at, timer=self._clock.monotonic
        )
        self._accounts: LRUCache[str, AccountState] = LRUCache(maxsize)
        # Whoever refreshes must be found again, also when its account was the least recently used.
        self._refreshing: dict[str, AccountState] = {}
        self._refreshes: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def get_nowait(self, credential: Credential, send: Send) -> str | None:
        """Return the living token without waiting, or None; starts a renewal when its end is near."""
        held = self._current(credential, send)
        return None if held is None else held.value

    # The next two hand a coroutine on instead of awaiting it: when thousands who wait are cancelled at once,
    # every frame of theirs holds the event loop up.

    def get(self, credential: Credential, send: Send) -> Coroutine[Any, Any, str]:
        """Await it for a living token, after one shared refresh if there is none.

        Args:
            credential: whose token.
            send: how to reach WeChat.

        Raises:
            WxcvError: as the refresh ended, or the last one while nobody asks again; each caller gets an
                error object of its own.
        """
        return self._wait_for_token(credential, send, _VALUE)

    def get_access_token(self, credential: Credential, send: Send) -> Coroutine[Any, Any, AccessToken]:
        """Await it for a living token with its kind and the seconds that it has left, as ``get`` does."""
        return self._wait_for_token(credential, send, self._description)

    async def _wait_for_token(
        self, credential: Credential, send: Send, told: Callable[[CachedToken], T]
    ) -> T:
        while (held := self._current(credential, send)) is None:
            account = self._account(credential.key)
            if account.failure is not None and self._clock.monotonic() < account.backoff_until:
                raise copy.copy(account.failure)
            # A future each, and nothing to undo when it is cancelled: thousands may be, all at once.
            future: Waiter = asyncio.get_running_loop().create_future()
            account.waiters.append(future)
            if account.task is None:
                self._start(credential, account, send)
            through = account.send
            ended = await future
            if isinstance(ended, SessionClosedError) and through != send:
                continue  # another session was closed: go on with one's own
            if isinstance(ended, WxcvError):
                raise copy.copy(ended)
            if self._lives(ended):
                return told(ended)
        return told(held)

    def _lives(self, held: CachedToken) -> bool:
        return self._clock.monotonic() < held.ends_at and self._clock.wall() < held.ends_at_wall

    def _current(self, credential: Credential, send: Send) -> CachedToken | None:
        held = self._living(credential.key)
        if held is None:
            return None
        now = self._clock.monotonic()
        if now >= held.renew_at:
            account = self._account(credential.key)
            if account.task is None and now >= max(
                account.refresh_started_at + held.pause, account.backoff_until
            ):
                self._start(credential, account, send)
        return held

    def _description(self, held: CachedToken) -> AccessToken:
        left = min(held.ends_at - self._clock.monotonic(), held.ends_at_wall - self._clock.wall())
        return AccessToken(held.value, left, held.kind)

    def peek(self, credential: Credential) -> str | None:
        """Return the living token, or None; starts nothing."""
        held = self._living(credential.key)
        return None if held is None else held.value

    def secrets(self, credential: Credential) -> tuple[str, ...]:
        """Return what is masked wherever a server repeats it: its secrets, its tokens, and its issuer's."""
        known = () if credential.issuer is None else self.secrets(credential.issuer)
        held, account = self._held.get(credential.key), self._accounts.get(credential.key)
        if held is not None:
            known += (held.value,)
        if account is not None and account.refused is not None:
            known += (account.refused[0],)
        return known + credential.secrets + self._memory.refresh_tokens.get(credential.key, ())

    def seconds_until_retry(self, credential: Credential) -> float:
        """Return the seconds after which a token may be asked for again; 0 if at once."""
        account = self._accounts.get(credential.key)
        return 0.0 if account is None else max(0.0, account.backoff_until - self._clock.monotonic())

    def invalidate(
        self, credential: Credential, token: str, error: WxcvError, *, by_hand: bool = False
    ) -> None:
        """Drop the token if it is still the current one; a late refusal of an older one drops nothing.

        If WeChat refuses the very token that replaced a refused one, nobody asks again for 30 s: asking
        cannot help, and every new token counts.

        Args:
            credential: whose token.
            token: the refused one.
            error: how it was refused; raised again if no other token can be had.
            by_hand: it was not WeChat that refused it.
        """
        held = self._held.get(credential.key)
        if held is None or held.value != token:
            return
        self._held.pop(credential.key, None)
        account, now = self._account(credential.key), self._clock.monotonic()
        account.refused = (token, copy.copy(error))
        if not by_hand and now - account.replaced_at < FORCED_PAUSE:
            account.failed(copy.copy(error), now)

    def is_refreshing_here(self) -> bool:
        """Tell whether the running code is part of a refresh, so that it is a caller's function that asks."""
        return any(map(nesting.is_inside, (*self._refreshing.values(), *self._memory.keeping)))

    def refreshes(self, send: Send) -> int:
        """Return how many refreshes were started through ``send``."""
        return self._refreshes.get(getattr(send, "__self__", send), 0)

    async def release(self, send: Send) -> None:
        """End and await the refreshes that go through ``send``; waiters of other sessions start their own.

        A refresh from which it is called itself, by a caller's token function, goes on to its end.
        """
        refreshing = [account for account in self._refreshing.values() if account.send == send]
        tasks = {account.task for account in refreshing if account.task and not nesting.is_inside(account)}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        keeping = {task for task in self._memory.keeping if not nesting.is_inside(task)}
        if keeping:  # a new refresh token that is being handed on must not be lost
            await asyncio.wait(keeping, timeout=REFRESH_DEADLINE)

    def _living(self, key: str) -> CachedToken | None:
        try:
            held = self._held[key]  # half as long as its get()
        except KeyError:
            return None
        if self._clock.wall() < held.ends_at_wall:
            return held
        self._held.pop(key, None)
        return None

    def _account(self, key: str) -> AccountState:
        account = self._refreshing.get(key) or self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = AccountState()
        task = account.task
        if task is not None and _is_elsewhere(task.get_loop()):
            del self._refreshing[key]
            if task.get_loop().is_closed():  # nobody there can be told any more
                account.waiters.clear()
            account = self._accounts[key] = AccountState(refused=account.refused)
        return account

    def _start(self, credential: Credential, account: AccountState, send: Send) -> None:
        account.refresh_started_at = self._clock.monotonic()
        account.send = send
        # By the session's transport, if send is a method of it: a session that is dropped is forgotten.
        self._refreshes[getattr(send, "__self__", send)] = self.refreshes(send) + 1
        self._refreshing[credential.key] = account
        refresh = self._refresh(credential, account, send)
        account.task = asyncio.create_task(refresh, name="wxcv token refresh")
        # Not in the task itself, which may be cancelled before its first step.
        account.task.add_done_callback(lambda task: self._settle(credential.key, account, task))

    def _settle(self, key: str, account: AccountState, task: asyncio.Task[CachedToken | WxcvError]) -> None:
        """Tell all waiters how the refresh ended, whatever ended it."""
        account.task, ended = None, outcome(task)
        if self._refreshing.get(key) is account:
            del self._refreshing[key]
        waiters, account.waiters = account.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(ended)

    async def _refresh(
        self, credential: Credential, account: AccountState, send: Send
    ) -> CachedToken | WxcvError:
        """Renew, and again if what came was refused meanwhile; raises nothing but CancelledError."""
        nesting.enter(account)
        try:
            while True:
                living, refused = self._held.get(credential.key), account.refused
                current = None if living is None else living.value
                held = await Renewal(self._memory, credential, send, refused, current).run()
                late = account.refused if account.refused is not refused else None
                if late is None or late[0] != held.value:
                    break
            self._held[credential.key] = held
            if account.refused is not None:
                account.replaced_at = self._clock.monotonic()
            account.succeeded()
        except SessionClosedError as error:  # which says nothing of the account
            return error
        except WxcvError as error:
            return self._record_failure(credential, account, error)
        except Exception as error:  # noqa: BLE001 - a fault here must not leave callers waiting
            return self._record_failure(credential, account, broken(error))
        return held

    def _record_failure(self, credential: Credential, account: AccountState, error: WxcvError) -> WxcvError:
        account.failed(error, self._clock.monotonic())
        # Waiters are told; only a renewal behind their backs would fail unseen.
        is_told = any(not waiter.done() for waiter in account.waiters)
        level = logging.DEBUG if is_told else logging.WARNING
        logger.log(level, "the token refresh for %s failed: %s", short_name(credential.key), error)
        return error
