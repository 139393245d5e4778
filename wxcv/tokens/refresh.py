"""TokenRefresh: use a token that another process stored, or fetch one, with retries and forced refreshes."""

from __future__ import annotations

import copy
import logging
import random
import secrets
from typing import TYPE_CHECKING, NamedTuple

from wxcv.errors import ConnectError, ProtocolError, RateLimitedError, StoreError, WxcvError
from wxcv.masking import short_name
from wxcv.stores.base import REFRESH_DEADLINE, StoredToken
from wxcv.tokens.credential import RefreshRequest
from wxcv.tokens.runner import RefreshRunner

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from wxcv.stores.base import TokenStore
    from wxcv.tokens.credential import Credential
    from wxcv.tokens.runner import RefreshState, Send

logger = logging.getLogger("wxcv")

_TRIES = 3
_BACKOFF = 0.5
_LONGEST_MARGIN = 300.0  # the stable endpoint returns a new token only in the old one's last 300 s
_LONGEST_PAUSE = 30.0


class CachedToken(NamedTuple):
    """A token, when to refresh it and when it expires.

    Attributes:
        value: the access_token; secret.
        kind: the kind of its credential.
        refresh_at, ends_at: monotonic time.
        ends_at_wall: Unix time.
        pause: seconds between two background refreshes.
    """

    value: str
    kind: str
    refresh_at: float
    ends_at: float
    ends_at_wall: float
    pause: float

    @classmethod
    def of(
        cls, value: str, kind: str, life: float, requested_at: tuple[float, float], jitter: float
    ) -> CachedToken:
        """Make one from a token that was valid for ``life`` seconds at ``requested_at`` (monotonic, wall)."""
        margin = min(_LONGEST_MARGIN, life / 2)
        margin -= min(jitter, margin / 5)
        monotonic, wall = requested_at
        pause = min(_LONGEST_PAUSE, life / 4)
        return cls(value, kind, monotonic + life - margin, monotonic + life, wall + life, pause)

    def __repr__(self) -> str:
        return f"<CachedToken {self.kind} token>"


class TokenRefresh:
    """One refresh of a token.

    Args:
        shared_state: the state that the refreshes of one manager share.
        credential: the credential whose token is refreshed.
        send: sends a request to WeChat.
        refused: the token that WeChat refused last, with its error, or None.
        current: the value of the valid token that is to be replaced, or None.
    """

    def __init__(
        self,
        shared_state: RefreshState,
        credential: Credential,
        send: Send,
        refused: tuple[str, WxcvError] | None,
        current: str | None,
    ) -> None:
        self.shared_state = shared_state
        self.credential = credential
        self.send = send
        self.refused = refused
        self.current = current

    async def run(self) -> CachedToken:
        """Return a valid token other than the refused one.

        Raises:
            WxcvError: no such token could be fetched.
        """
        store = self.shared_state.store if self.credential.is_shared else None
        began_at = self.shared_state.clock.monotonic()
        try:
            return await self._run(store)
        except TimeoutError:
            seconds = self.shared_state.clock.monotonic() - began_at
        raise ConnectError(f"no token within {seconds:.3g} s", reason="TimeoutError")

    async def _run(self, store: TokenStore | None) -> CachedToken:
        if store is None:
            return await self._fetch_new(None)
        try:
            return (
                await self._refresh_under_lease(store)
                if self.credential.supersedes_previous
                else await self._refresh_shared(store)
            )
        except StoreError as error:
            if self.credential.supersedes_previous:
                raise
            self._warn(error, "; fetching the token without the shared store")
        return await self._fetch_new(None)

    async def _refresh_shared(self, store: TokenStore) -> CachedToken:
        """Use or fetch a token that is the same for every process, so that any may fetch it at any time."""
        cached, generation = await self._load_from_store(store)
        return cached or await self._save_to_store(store, await self._fetch_new(store), generation, "")

    async def _refresh_under_lease(self, store: TokenStore) -> CachedToken:
        """Fetch a token as the holder of the lease, or wait until another process has stored one."""
        key, owner = self.credential.key, secrets.token_hex(8)
        async with self.shared_state.clock.timeout(store.lease + REFRESH_DEADLINE):
            while not await store.acquire(key, owner):
                await self.shared_state.clock.sleep(random.uniform(0.05, 0.15))
                cached, _ = await self._load_from_store(store)
                if cached is not None:
                    return cached
            try:
                cached, generation = await self._load_from_store(store)
                return cached or await self._save_to_store(
                    store, await self._fetch_new(store), generation, owner
                )
            finally:
                await self._release_lease(store.release(key, owner))

    async def _load_from_store(self, store: TokenStore) -> tuple[CachedToken | None, int]:
        """Return the stored token (None if it is expired, refused or the current one) and its generation."""
        clock, key = self.shared_state.clock, self.credential.key
        requested_at = clock.monotonic(), clock.wall()
        stored = await store.load(key)
        if stored is None:
            return None, 0
        if self.refused is not None and stored.value == self.refused[0]:
            await store.invalidate(key, stored.value)
            return None, stored.generation
        life = min(stored.ends_at - requested_at[1], stored.left)
        if life <= 0 or stored.value == self.current:
            return None, stored.generation
        cached = CachedToken.of(
            stored.value, self.credential.kind, life, requested_at, self.shared_state.jitter
        )
        return cached, stored.generation

    async def _save_to_store(
        self, store: TokenStore, cached: CachedToken, generation: int, owner: str
    ) -> CachedToken:
        """Store the token and return it, or the newer one that another process has stored meanwhile."""
        left = cached.ends_at - self.shared_state.clock.monotonic()
        token = StoredToken(cached.value, generation + 1, cached.ends_at_wall, left)
        try:
            if await store.save(self.credential.key, token, owner):
                return cached
            newer, _ = await self._load_from_store(store)
        except StoreError as error:
            self._warn(error, "; the new token was not stored")
            newer = None
        return newer or cached

    async def _release_lease(self, work: Awaitable[None]) -> None:
        try:
            await work
        except StoreError as error:
            self._warn(error)

    def _warn(self, error: StoreError, consequence: str = "") -> None:
        logger.warning("%s: %s%s", short_name(self.credential.key), error, consequence)

    async def _fetch_new(self, store: TokenStore | None) -> CachedToken:
        """Fetch a token within the deadline; force a new one if WeChat returns the refused one again."""
        async with self.shared_state.clock.timeout(REFRESH_DEADLINE):
            cached = await self._force_if_refused(store, await self._fetch_with_retries(store))
        if self.refused is not None and self._is_refused(cached):
            raise copy.copy(self.refused[1])
        return cached

    async def _force_if_refused(self, store: TokenStore | None, cached: CachedToken) -> CachedToken:
        if self._is_refused(cached) and await self._may_force(store):
            return await self._fetch_once(store, force=True)
        return cached

    def _is_refused(self, cached: CachedToken) -> bool:
        return self.refused is not None and cached.value == self.refused[0]

    async def _may_force(self, store: TokenStore | None) -> bool:
        key, clock = self.credential.key, self.shared_state.clock
        if not self.credential.can_force or not self.shared_state.claim_forced_refresh(key):
            return False
        try:
            return store is None or await store.count_forced_refresh(key, clock.wall())
        except StoreError:
            self.shared_state.undo_forced_refresh(key)
            raise

    async def _fetch_with_retries(self, store: TokenStore | None) -> CachedToken:
        for attempt in range(_TRIES - 1):
            try:
                return await self._fetch_once(store, force=False)
            except StoreError:
                raise
            except WxcvError as error:
                if not error.retryable or isinstance(error, RateLimitedError):
                    raise
            await self.shared_state.clock.sleep(random.uniform(0, _BACKOFF * 2**attempt))
        return await self._fetch_once(store, force=False)

    async def _fetch_once(self, store: TokenStore | None, *, force: bool) -> CachedToken:
        """Fetch a token with one request. Its lifetime counts from before the request."""
        clock = self.shared_state.clock
        requested_at = clock.monotonic(), clock.wall()
        request = RefreshRequest(force=force, refused=self.refused[0] if self.refused else None)
        token = await RefreshRunner(self.shared_state, self.credential, self.send, store).run(request)
        if requested_at[0] + token.expires_in <= clock.monotonic():
            raise ProtocolError("the token expired before the token endpoint's response arrived", status=200)
        return CachedToken.of(
            token.value, token.kind, token.expires_in, requested_at, self.shared_state.jitter
        )
