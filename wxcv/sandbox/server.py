"""Sandbox: its settings, its lifecycle, and what tests can read of it."""

import asyncio
import contextlib
import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from aiohttp import web

from wxcv.sandbox.app import App
from wxcv.sandbox.checks import check_bool, check_host, check_integer, check_text
from wxcv.sandbox.engines.extras import require_extra
from wxcv.sandbox.engines.threads import Engines
from wxcv.sandbox.fault_injection import FaultInjector
from wxcv.sandbox.faults import Fault, FaultPlan
from wxcv.sandbox.pages.cv import ImageReader
from wxcv.sandbox.pages.fetching import Fetcher
from wxcv.sandbox.wechat.accounts import Account
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.paths import READ_HERE
from wxcv.sandbox.wechat.platform import Platform
from wxcv.sandbox.wechat.quotas import Quota, Usage, make_meters
from wxcv.sandbox.wechat.tokens import TokenIssuer

if TYPE_CHECKING:
    from wxcv.sandbox.pages.uploads import Received
    from wxcv.sandbox.wechat.answers import Fields

_CLOSING_SECONDS = 2.0
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - all interfaces include loopback
_DEFAULTS = Choices()
_UNLIMITED = Quota()
_RECEIVED_KEPT = 10_000


class Sandbox:
    """A local stand-in for WeChat, at `base_url`, with one account and one third-party platform.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 selects a free one.
        appid: the account's appid; None generates one.
        secret: the account's AppSecret; None generates one.
        clock: a function that returns the Unix time in seconds, by which tokens and tickets expire and quotas
            reset. Unlike a Session's clock, it is not an object.
        size_limit: size in bytes from which on an image is refused.
        token_life: lifetime of a new token in seconds; cloud tokens are always valid for 1,800.
        relay: act as the relay of cloud hosting: cv calls need no token (a token that is sent is checked),
            and every JSON answer of the sandbox itself has the header `x-openapi-seqid`.
        allow_loopback: allow `img_url` to point to this machine. Other private networks are never allowed.
        quota: the calls allowed for each cv endpoint: one Quota that applies to each, or a mapping from path
            to Quota; unlimited by default.
        choices: switches for what WeChat's documentation leaves open.

    Attributes:
        requests: the number of requests to each path, counted on arrival.
        received: the last 10,000 requests to the cv endpoints that were processed, oldest first.

    Raises:
        TypeError, ValueError: an argument is unusable; the message names it and never shows the secret.
    """

    def __init__(  # noqa: PLR0913 - keywords, each a setting of its own
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        appid: str | None = None,
        secret: str | None = None,
        clock: Callable[[], float] = time.time,
        size_limit: int = 2_097_152,
        token_life: int = 7200,
        relay: bool = False,
        allow_loopback: bool = False,
        quota: Quota | Mapping[str, Quota] = _UNLIMITED,
        choices: Choices = _DEFAULTS,
    ) -> None:
        self._host = check_host("host", host)
        self._port = check_integer("port", port, least=0, most=65_535)
        appid = f"wx{secrets.token_hex(8)}" if appid is None else appid
        secret = secrets.token_hex(16) if secret is None else secret
        self._account = Account(appid=check_text("appid", appid), secret=check_text("secret", secret))
        if not callable(clock):
            raise TypeError("clock must be callable")
        if not isinstance(choices, Choices):
            raise TypeError("choices must be a Choices")
        self._clock = clock
        self._size_limit = check_integer("size_limit", size_limit, least=1)
        self._tokens = TokenIssuer(
            clock=clock,
            life=check_integer("token_life", token_life, least=1),
            reset_hour=choices.quota_reset_hour,
        )
        self._meters = make_meters(quota, clock=clock, choices=choices)
        self._faults = FaultPlan()
        self._canned: dict[str, Fields] = {}
        self._platform = Platform(account=self.appid, issuer=self._tokens, clock=clock, choices=choices)
        self._relay = check_bool("relay", relay)
        self._allow_loopback = check_bool("allow_loopback", allow_loopback)
        self._choices = choices
        self.requests: Counter[str] = Counter()
        self.received: deque[Received] = deque(maxlen=_RECEIVED_KEPT)
        self._base_url: str | None = None
        self._running: contextlib.AsyncExitStack | None = None
        self._starting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<Sandbox {self._base_url or 'not started'} appid={self.appid}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def appid(self) -> str:
        """The account's appid."""
        return self._account.appid

    @property
    def secret(self) -> str:
        """The account's secret."""
        return self._account.secret

    @property
    def tokens_issued(self) -> Counter[str]:
        """How many tokens were issued, by kind: "stable", "classic", "component", "authorizer", "cloud"."""
        return self._tokens.issued_by_kind

    @property
    def component_appid(self) -> str:
        """The platform's appid."""
        return self._platform.appid

    @property
    def component_appsecret(self) -> str:
        """The platform's secret."""
        return self._platform.secret

    @property
    def ticket(self) -> str:
        """The newest component_verify_ticket; set it to push one of your own. Each is valid for 12 hours."""
        return self._platform.ticket

    @ticket.setter
    def ticket(self, value: str) -> None:
        self._platform.ticket = check_text("ticket", value)

    def push_ticket(self) -> str:
        """Push a new component_verify_ticket, as WeChat does every 10 minutes, and return it."""
        return self._platform.push_ticket()

    def authorize(self, authorizer_appid: str) -> str:
        """Make an account an authorizer of the platform, and return its authorizer_refresh_token.

        If it had authorised before, its earlier refresh tokens are refused from now on, as at WeChat.
        """
        return self._platform.authorize(check_text("authorizer_appid", authorizer_appid))

    def cloud_token(self) -> str:
        """Issue a cloudbase_access_token, valid for 30 minutes, as cloud hosting does every 10 minutes."""
        return self._tokens.cloud()

    def revoke(self, token: str) -> None:
        """Refuse a token of any kind with 40001 from now on.

        A revoked stable token is still returned until a forced refresh or its last minutes bring a new one.

        Raises:
            ValueError: the token was not issued by this sandbox.
        """
        self._tokens.revoke(token)

    @property
    def base_url(self) -> str:
        """The URL to use as a Session's base_url, such as `http://127.0.0.1:8080`.

        Raises:
            RuntimeError: the sandbox is not started.
        """
        if self._base_url is None:
            raise RuntimeError("the sandbox is not started")
        return self._base_url

    def fail_next(self, path: str, *faults: Fault | None) -> None:
        """Apply these faults to the next requests to a path, one each, after faults already queued.

        None is a request without a fault. A request gets its fault on arrival.
        """
        self._faults.fail_next(path, *faults)

    def fail_always(self, path: str, fault: Fault) -> None:
        """Apply this fault to every request to a path, after those of `fail_next`."""
        self._faults.fail_always(path, fault)

    def clear_faults(self, path: str) -> None:
        """Remove all faults of a path; requests that have arrived keep theirs."""
        self._faults.clear(path)

    def answer(self, path: str, fields: Mapping[str, object] | None) -> None:
        """Set the answer of an endpoint whose images the sandbox cannot read, or of one of your own.

        `fields` is WeChat's JSON without errcode and errmsg: `box.answer("/cv/ocr/idcard", {"type": "Front",
        "name": "..."})`. Until it is set, and after None, WeChat's endpoints answer 101001. Such answers have
        the header `x-wxcv-sandbox: canned`.

        Raises:
            ValueError: the path does not begin with "/cv/", or the sandbox reads the images of that endpoint.
            TypeError: fields is not a mapping, or not JSON.
        """
        if not isinstance(path, str) or not path.startswith("/cv/") or path in READ_HERE:
            raise ValueError(f'path must begin with "/cv/" and not be one of {", ".join(READ_HERE)}')
        if fields is None:
            self._canned.pop(path, None)
            return
        if not isinstance(fields, Mapping):
            raise TypeError("fields must be a mapping, or None")
        try:
            self._canned[path] = json.loads(json.dumps(dict(fields), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"fields must be JSON ({type(error).__name__})") from None

    def usage(self, path: str) -> Usage:
        """Return the calls to a cv endpoint that counted against its quota today, in this minute and in all.

        Raises:
            KeyError: the path is not that of a cv endpoint.
        """
        return self._meters[path].usage

    async def start(self) -> None:
        """Start listening.

        Raises:
            RuntimeError: it is already started.
            ImportError: a package of the extra `sandbox` is missing. Without the extra `sandbox-ocr` it does
                start, and /cv/ocr/comm returns errcode -1 and the command that installs the extra.
            OSError: it cannot listen on the address. Nothing is left open.
        """
        async with self._starting, contextlib.AsyncExitStack() as stack:
            if self._running is not None:
                raise RuntimeError("the sandbox is already started")
            await asyncio.to_thread(require_extra, "sandbox")
            engines = Engines()
            stack.push_async_callback(engines.aclose)
            fetcher = Fetcher(limit=self._size_limit, allow_loopback=self._allow_loopback)
            stack.push_async_callback(fetcher.aclose)
            runner = web.AppRunner(
                self._application(engines, fetcher), access_log=None, shutdown_timeout=_CLOSING_SECONDS
            )
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, self._host, self._port).start()
            self._base_url = f"http://{self._authority(runner.addresses[0][1])}"
            self._running = stack.pop_all()

    async def aclose(self) -> None:
        """Stop; running requests have two seconds to finish, requests held by a fault are reset at once.

        Tokens, counters and faults are kept.
        """
        running, self._running, self._base_url = self._running, None, None
        if running is not None:
            await running.aclose()

    def _application(self, engines: Engines, fetcher: Fetcher) -> web.Application:
        fault_injector = FaultInjector()
        app = App(
            account=self._account,
            tokens=self._tokens,
            platform=self._platform,
            reader=ImageReader(engines=engines, fetcher=fetcher, choices=self._choices, canned=self._canned),
            meters=self._meters,
            faults=self._faults,
            fault_injector=fault_injector,
            choices=self._choices,
            size_limit=self._size_limit,
            relay=self._relay,
            clock=self._clock,
            requests=self.requests,
            received=self.received,
        )
        application = web.Application()
        application.on_shutdown.append(fault_injector.close)
        application.router.add_route("*", r"/{path:[\s\S]*}", app.answer)
        return application

    def _authority(self, port: int) -> str:
        host = _REACHED_AT.get(self._host, self._host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
