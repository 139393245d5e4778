"""One renewal of a token: adopt what another process fetched, or ask, retry and, in need, force."""

from __future__ import annotations

import copy
import logging
import random
import secrets
from typing import TYPE_CHECKING, NamedTuple

from wxcv.errands import Errands
from wxcv.errors import ConnectError, ProtocolError, RateLimitedError, StoreError, WxcvError
from wxcv.steps import Asked
from wxcv.stores import REFRESH_DEADLINE, StoredToken

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from wxcv.credentials import Credential
    from wxcv.errands import Memory, Send
    from wxcv.stores import Store

logger = logging.getLogger("wxcv")

_TRIES = 3
_BACKOFF = 0.5
_LONGEST_MARGIN = 300.0  # the stable endpoint hands out a new token only in its last 300 s
_LONGEST_PAUSE = 30.0


class CachedToken(NamedTuple):
    """A token with the moments of both clocks at which it is to be renewed and at which it ends."""

    value: str
    kind: str
    renew_at: float
    ends_at: float
    ends_at_wall: float
    pause: float

    @classmethod
    def of(
        cls, value: str, kind: str, life: float, asked_at: tuple[float, float], jitter: float
    ) -> CachedToken:
        """Hold a token of which ``life`` seconds were left at ``asked_at`` (monotonic, wall)."""
        margin = min(_LONGEST_MARGIN, life / 2)
        margin -= min(jitter, margin / 5)
        monotonic, wall = asked_at
        pause = min(_LONGEST_PAUSE, life / 4)
        return cls(value, kind, monotonic + life - margin, monotonic + life, wall + life, pause)

    def __repr__(self) -> str:
        return f"<CachedToken {self.kind} token>"


class Renewal:
    """One renewal.

    Args:
        memory: the cache that started it.
        credential: whose token.
        send: how to reach WeChat.
        refused: the token that WeChat refused last, with its error, or None.
        current: the value of the living token that is to be replaced, or None.
    """

    def __init__(
        self,
        memory: Memory,
        credential: Credential,
        send: Send,
        refused: tuple[str, WxcvError] | None,
        current: str | None,
    ) -> None:
        self.memory = memory
        self.credential = credential
        self.send = send
        self.refused = refused
        self.current = current

    async def run(self) -> CachedToken:
        """Return a token that lives and is not the refused one.

        Raises:
            WxcvError: none could be had.
        """
        store = self.memory.store if self.credential.is_shared else None
        try:
            return await self._run(store)
        except TimeoutError:
            pass
        lease = store.lease if store is not None and self.credential.is_exclusive else 0.0
        raise ConnectError(f"no token within {lease + REFRESH_DEADLINE:g} s", reason="TimeoutError")

    async def _run(self, store: Store | None) -> CachedToken:
        if store is None:
            return await self._fresh(None)
        try:
            return await self._led(store) if self.credential.is_exclusive else await self._shared(store)
        except StoreError as error:
            if self.credential.is_exclusive:
                raise
            logger.warning("%s: %s; asking without it", self.credential.key, error)
        return await self._fresh(None)

    async def _shared(self, store: Store) -> CachedToken:
        """Every process gets the same token, so any may ask at any time."""
        held, generation = await self._adopted(store)
        return held or await self._saved(store, await self._fresh(store), generation, "")

    async def _led(self, store: Store) -> CachedToken:
        """Only the holder of the lease asks; the others watch for its token."""
        key, owner = self.credential.key, secrets.token_hex(8)
        async with self.memory.clock.timeout(store.lease + REFRESH_DEADLINE):
            while not await store.acquire(key, owner):
                await self.memory.clock.sleep(random.uniform(0.05, 0.15))
                held, _ = await self._adopted(store)
                if held is not None:
                    return held
            try:
                held, generation = await self._adopted(store)
                return held or await self._saved(store, await self._fresh(store), generation, owner)
            finally:
                await self._quietly(store.release(key, owner))

    async def _adopted(self, store: Store) -> tuple[CachedToken | None, int]:
        """Return the stored token, if it lives and is neither refused nor the one to be replaced."""
        clock, key = self.memory.clock, self.credential.key
        asked_at = clock.monotonic(), clock.wall()
        stored = await store.load(key)
        if stored is None:
            return None, 0
        if self.refused is not None and stored.value == self.refused[0]:
            await store.invalidate(key, stored.value)
            return None, stored.generation
        life = min(stored.ends_at - asked_at[1], stored.left)
        if life <= 0 or stored.value == self.current:
            return None, stored.generation
        held = CachedToken.of(stored.value, key.split(":")[0], life, asked_at, self.memory.jitter)
        return held, stored.generation

    async def _saved(self, store: Store, held: CachedToken, generation: int, owner: str) -> CachedToken:
        """Share the token; if another process stored a newer one meanwhile, use that."""
        left = held.ends_at - self.memory.clock.monotonic()
        token = StoredToken(held.value, generation + 1, held.ends_at_wall, left)
        try:
            if await store.save(self.credential.key, token, owner):
                return held
            newer, _ = await self._adopted(store)
        except StoreError as error:
            logger.warning("%s: %s; the new token is not shared", self.credential.key, error)
            newer = None
        return newer or held

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StoreError as error:
            logger.warning("%s: %s", self.credential.key, error)

    async def _fresh(self, store: Store | None) -> CachedToken:
        """Ask, within the deadline; force once if the refused token is handed out again."""
        async with self.memory.clock.timeout(REFRESH_DEADLINE):
            held = await self._force_if_refused(store, await self._retried(store))
        if self.refused is not None and self._is_refused(held):
            raise copy.copy(self.refused[1])
        return held

    async def _force_if_refused(self, store: Store | None, held: CachedToken) -> CachedToken:
        if self._is_refused(held) and await self._may_force(store):
            return await self._ask(store, force=True)
        return held

    def _is_refused(self, held: CachedToken) -> bool:
        return self.refused is not None and held.value == self.refused[0]

    async def _may_force(self, store: Store | None) -> bool:
        key, clock = self.credential.key, self.memory.clock
        if not self.credential.can_force or not self.memory.may_force(key):
            return False
        return store is None or await store.may_force(key, clock.wall())

    async def _retried(self, store: Store | None) -> CachedToken:
        for attempt in range(_TRIES - 1):
            try:
                return await self._ask(store, force=False)
            except StoreError:
                raise
            except WxcvError as error:
                if not error.retryable or isinstance(error, RateLimitedError):
                    raise
            await self.memory.clock.sleep(random.uniform(0, _BACKOFF * 2**attempt))
        return await self._ask(store, force=False)

    async def _ask(self, store: Store | None, *, force: bool) -> CachedToken:
        """Ask once. The life counts from before the request."""
        clock = self.memory.clock
        asked_at = clock.monotonic(), clock.wall()
        asked = Asked(force=force, refused=self.refused[0] if self.refused else None)
        token = await Errands(self.memory, self.credential, self.send, store).drive(asked)
        if asked_at[0] + token.expires_in <= clock.monotonic():
            raise ProtocolError("the token endpoint handed out a token that has already ended", status=200)
        return CachedToken.of(token.value, token.kind, token.expires_in, asked_at, self.memory.jitter)
