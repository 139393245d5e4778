"""TokenCache: one token for all callers, one refresh for all waiters."""

from __future__ import annotations

import asyncio
import copy
import logging
import random
from typing import TYPE_CHECKING

import attrs
from cachetools import LRUCache, TLRUCache

from wxcv import checks
from wxcv.clock import SystemClock
from wxcv.errcodes import api_error
from wxcv.errors import ConnectError, ProtocolError, WxcvError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wxcv.clock import Clock
    from wxcv.credentials import Credential
    from wxcv.models import AccessToken
    from wxcv.wire import Request, Response

    Send = Callable[[Request], Awaitable[Response]]
    _Waiter = asyncio.Future[str | WxcvError | None]

logger = logging.getLogger("wxcv")

REFRESH_DEADLINE = 10.0
"""Seconds for one refresh, with everything it does."""

_LONGEST_MARGIN = 300.0  # the stable endpoint hands out a new token only in its last 300 s
_LONGEST_PAUSE = 30.0


@attrs.frozen
class _Held:
    """A token with the moments of both clocks at which it is to be renewed and at which it ends."""

    value: str = attrs.field(repr=False)
    renew_at: float
    ends_at: float
    ends_at_wall: float
    pause: float


@attrs.define(eq=False)
class _Account:
    """What is known of an account besides its living token."""

    task: asyncio.Task[None] | None = None
    send: Send | None = None
    waiters: set[_Waiter] = attrs.field(factory=set)
    refused: str | None = attrs.field(default=None, repr=False)
    asked_at: float = float("-inf")


class TokenCache:
    """Holds the tokens of any number of accounts, in memory; several sessions may share it.

    A token is renewed in the background before it ends, so that no caller waits at a rotation; when none
    lives, all callers wait for one refresh. Cancelling a caller cancels nobody else.

    Args:
        maxsize: of how many accounts tokens are kept at most; the least recently used goes first.
        clock: where time comes from.
    """

    def __init__(self, *, maxsize: int = 10_000, clock: Clock | None = None) -> None:
        checks.whole("maxsize", maxsize)
        self._clock = clock or SystemClock()
        self._held: TLRUCache[str, _Held, float] = TLRUCache(
            maxsize, lambda _key, held, _now: held.ends_at, timer=self._clock.monotonic
        )
        self._accounts: LRUCache[str, _Account] = LRUCache(maxsize)
        self._refreshing: set[_Account] = set()
        # One process of many must not ask in the same second as the others.
        self._jitter = random.uniform(10.0, 60.0)  # noqa: S311 - not for security

    def current(self, credential: Credential, send: Send) -> str | None:
        """Return the living token without waiting, or None; starts a renewal when its end is near."""
        held = self._living(credential.key)
        if held is None:
            return None
        now = self._clock.monotonic()
        if now >= held.renew_at:
            account = self._account(credential.key)
            if account.task is None and now - account.asked_at >= held.pause:
                self._start(credential, account, send)
        return held.value

    async def get(self, credential: Credential, send: Send) -> str:
        """Return a living token, after one shared refresh if there is none.

        Args:
            credential: whose token.
            send: how to reach WeChat.

        Raises:
            WxcvError: as the refresh ended; each waiter gets an error object of its own.
        """
        while (token := self.current(credential, send)) is None:
            account = self._account(credential.key)
            future: _Waiter = asyncio.get_running_loop().create_future()
            account.waiters.add(future)
            if account.task is None:
                self._start(credential, account, send)
            try:
                ended = await future
            finally:
                account.waiters.discard(future)
            if isinstance(ended, WxcvError):
                raise copy.copy(ended)
            if ended is not None:
                return ended
            # The session that refreshed was closed meanwhile: go on with one's own.
        return token

    def invalidate(self, credential: Credential, token: str) -> None:
        """Drop the token if it is still the current one; a late refusal of an older one drops nothing."""
        held = self._held.get(credential.key)
        if held is not None and held.value == token:
            self._held.pop(credential.key, None)
            self._account(credential.key).refused = token

    async def release(self, send: Send) -> None:
        """End and await the refreshes that go through ``send``; waiters of other sessions start their own."""
        tasks = [account.task for account in self._refreshing if account.task and account.send == send]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _living(self, key: str) -> _Held | None:
        held = self._held.get(key)
        if held is None or self._clock.wall() < held.ends_at_wall:
            return held
        self._held.pop(key, None)
        return None

    def _account(self, key: str) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
        if account.task is not None and account.task.get_loop() is not asyncio.get_running_loop():
            # Left over from an event loop that has ended; nobody there can be told any more.
            self._refreshing.discard(account)
            account.waiters.clear()
            account = self._accounts[key] = _Account(refused=account.refused)
        return account

    def _start(self, credential: Credential, account: _Account, send: Send) -> None:
        account.asked_at = self._clock.monotonic()
        account.send = send
        account.task = asyncio.create_task(
            self._refresh(credential, account, send), name="wxcv token refresh"
        )
        self._refreshing.add(account)

    async def _refresh(self, credential: Credential, account: _Account, send: Send) -> None:
        """Renew once and tell all waiters; raises nothing but CancelledError."""
        ended: str | WxcvError | None = None
        try:
            ended = await self._renew(credential, account, send)
            account.refused = None
        except WxcvError as error:
            # Waiters are told; only a renewal behind their backs would fail unseen.
            level = logging.DEBUG if account.waiters else logging.WARNING
            logger.log(level, "token refresh for %s failed: %s", credential.key, error)
            ended = error
        finally:
            account.task = None
            self._refreshing.discard(account)
            for waiter in account.waiters:
                if not waiter.done():
                    waiter.set_result(ended)

    async def _renew(self, credential: Credential, account: _Account, send: Send) -> str:
        try:
            async with self._clock.timeout(REFRESH_DEADLINE):
                held = await self._ask(credential, send, force=False)
                if held.value == account.refused and credential.can_force:
                    held = await self._ask(credential, send, force=True)
        except TimeoutError:
            held = None
        if held is None:
            raise ConnectError(f"no token within {REFRESH_DEADLINE:g} s", reason="TimeoutError")
        if held.value == account.refused:
            raise api_error(40001, "the token endpoint still hands out the token that was refused")
        self._held[credential.key] = held
        return held.value

    async def _ask(self, credential: Credential, send: Send, *, force: bool) -> _Held:
        """Ask once. The life counts from before the request, and both clocks must agree that it lasts."""
        asked_at, asked_at_wall = self._clock.monotonic(), self._clock.wall()
        token = await _drive(credential, send, force=force)
        life = token.expires_in
        margin = min(_LONGEST_MARGIN, life / 2)
        margin -= min(self._jitter, margin / 5)
        if asked_at + life <= self._clock.monotonic():
            raise ProtocolError("the token endpoint handed out a token that has already ended", status=200)
        return _Held(
            token.value,
            renew_at=asked_at + life - margin,
            ends_at=asked_at + life,
            ends_at_wall=asked_at_wall + life,
            pause=min(_LONGEST_PAUSE, life / 4),
        )


async def _drive(credential: Credential, send: Send, *, force: bool) -> AccessToken:
    """Do the I/O that a credential's renewal asks for."""
    renewal = credential.renew(force=force)
    try:
        request = next(renewal)
        while True:
            request = renewal.send(await send(request))
    except StopIteration as done:
        token: AccessToken = done.value
        return token
