"""Checks of the arguments of Session and its methods."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wxcv import checks
from wxcv.calls.answer_cache import AnswerCache
from wxcv.calls.limits import DailyLimiter, DailyLimits
from wxcv.calls.retries import RetryPolicy
from wxcv.calls.slots import Slots
from wxcv.calls.state import AnswerSources
from wxcv.endpoints.base import Endpoint
from wxcv.images.pictures import require_packages
from wxcv.masking import class_name, short_name
from wxcv.protocol.requests import check_fields
from wxcv.tokens.cache import TokenCache
from wxcv.tokens.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wxcv.answer_sources.base import AnswerSource
    from wxcv.clock import Clock
    from wxcv.stores.base import CounterStore


def check_endpoint(endpoint: object, fields: Mapping[str, str] | None) -> None:
    """Raise TypeError or ValueError unless it is an Endpoint that accepts the fields."""
    if not isinstance(endpoint, Endpoint):
        raise TypeError(f"endpoint must be an Endpoint such as wxcv.SCAN_QRCODE, not {class_name(endpoint)}")
    check_fields(endpoint, fields)


def check_batch(images: object, key: object, *, ordered: object) -> None:
    """Raise TypeError for a single image instead of an iterable, and for a key that is not a function.

    A file object is an image too, although it can be iterated over. With a key its lines may be the items.
    """
    if isinstance(images, (str, bytes, bytearray, memoryview)):
        raise TypeError(
            f"images must be an iterable of images, not one {type(images).__name__}; put it into a list"
        )
    if key is None and hasattr(images, "read"):
        raise TypeError(
            f"images must be an iterable of images, not one file object ({class_name(images)}); put it into "
            "a list, or pass key if its lines name the images"
        )
    if not hasattr(images, "__aiter__") and not hasattr(images, "__iter__"):
        raise TypeError(f"images must be an iterable or async iterable, not {type(images).__name__}")
    if key is not None and not callable(key):
        raise TypeError("key must be a function that returns the image of an item")
    checks.check_bool("ordered", ordered)


def check_credential(credential: object) -> None:
    """Raise TypeError for anything but a Credential. It may be a secret and is never shown."""
    if not isinstance(credential, Credential):
        raise TypeError(f"credential must be one of wxcv's credentials, not {type(credential).__name__}")


def check_functions(**functions: object) -> None:
    """Raise TypeError for what is no function, or async; None is accepted."""
    for name, function in functions.items():
        if function is not None and (not callable(function) or inspect.iscoroutinefunction(function)):
            raise TypeError(f"{name} must be a function that is not async")


def check_objects(*, retries: object, tokens: object, clock: object) -> None:
    """Raise TypeError for an object of the wrong class; None is always accepted."""
    if retries is not None and not isinstance(retries, RetryPolicy):
        raise TypeError(f"retries must be a RetryPolicy, not {type(retries).__name__}")
    if tokens is not None and not isinstance(tokens, TokenCache):
        raise TypeError(f"tokens must be a TokenCache, not {type(tokens).__name__}")
    checks.check_optional("clock", clock, "Clock", "monotonic", "wall", "sleep", "timeout")


def check_together(*, tokens: object, store: object, http: object, trust_env: bool) -> None:
    """Raise ValueError for an argument that would have no effect together with another one."""
    if tokens is not None and store is not None:
        raise ValueError("store has no effect with tokens; pass it to the TokenCache instead")
    if http is not None and trust_env:
        raise ValueError("trust_env has no effect with http; set it on the ClientSession instead")


def check_costs(daily_limits: object, answer_sources: object, *, fit: object, credential: Credential) -> None:
    """Refuse limits that cannot be counted, what is no answer source, and ``fit`` without its extra."""
    if daily_limits is not None and not isinstance(daily_limits, DailyLimits):
        raise TypeError(f"daily_limits must be a DailyLimits, not {class_name(daily_limits)}")
    if isinstance(answer_sources, str) or not isinstance(answer_sources, Sequence):
        raise TypeError(f"answer_sources must be a list of AnswerSources, not {class_name(answer_sources)}")
    for source in answer_sources:
        _check_source(source)
    is_sharing = any(isinstance(source, AnswerCache) and source.share for source in answer_sources)
    check_account(credential, is_limited=daily_limits is not None, is_sharing=is_sharing)
    if checks.check_bool("fit", fit):
        require_packages("Session(fit=True)", "fit", PIL="pillow")


def _check_source(source: object) -> None:
    if inspect.isclass(source):
        raise TypeError(f"answer_sources must hold objects, not the class {short_name(source.__name__)}")
    if not inspect.iscoroutinefunction(getattr(source, "find", None)):
        raise TypeError(
            "answer_sources must hold objects with `async def find(endpoint, image, fields)`, not "
            f"{class_name(source)}"
        )


def get_counters(store: Any) -> CounterStore | None:  # noqa: ANN401 - of a caller's
    """Return the store for daily limits, or raise TypeError if it cannot count."""
    if store is not None and not hasattr(store, "take"):
        raise TypeError(f"store must be a CounterStore too, to count sends, not {class_name(store)}")
    counters: CounterStore | None = store
    return counters


def make_limiter(limits: DailyLimits | None, store: object, clock: Clock) -> DailyLimiter | None:
    """Return what takes sends from the limits; None without any."""
    return None if limits is None else DailyLimiter(limits, get_counters(store), clock)


def make_answer_sources(sources: Sequence[AnswerSource], store: object) -> AnswerSources | None:
    """Return checked answer sources in their parts; None without any.

    Raises:
        ValueError: there is more than one AnswerCache, or one without the store that it is to share.
        TypeError: the store cannot keep answers.
    """
    caches = [source for source in sources if isinstance(source, AnswerCache)]
    if len(caches) > 1:
        raise ValueError("answer_sources may hold one AnswerCache; the second would never be asked")
    if not caches:
        return AnswerSources(tuple(sources), None, (), None) if sources else None
    answers: Any = store if caches[0].share else None
    if caches[0].share and store is None:
        raise ValueError("AnswerCache(share=...) needs a store: Session(..., store=...)")
    if answers is not None and not hasattr(answers, "find_answer"):
        raise TypeError(f"store must be an AnswerStore too, for share, not {class_name(store)}")
    position = list(sources).index(caches[0])
    return AnswerSources(tuple(sources[:position]), caches[0], tuple(sources[position + 1 :]), answers)


def check_account(credential: Credential, *, is_limited: bool, is_sharing: bool) -> None:
    """Refuse a credential whose calls cannot be counted, or whose answers cannot be shared."""
    if is_limited:
        require_account("daily_limits", credential)
    if is_sharing:
        require_account("AnswerCache(share=...)", credential)


def require_account(what: str, credential: Credential) -> str:
    """Return the account, or refuse a credential with which it is unknown to what needs it."""
    if credential.account is None:
        raise ValueError(f"{what} needs to know the account: {class_name(credential)}(..., account=...)")
    return credential.account


def check_urls(
    base_url: object, fallback_urls: object, credential: Credential, *, allow_http: object
) -> list[str]:
    """Return the base URLs of all hosts, the main one first, each of them once."""
    may_use_http = checks.check_bool("allow_http", allow_http) or credential.may_use_http
    is_text = isinstance(fallback_urls, (str, bytes, bytearray, memoryview))
    if is_text or not isinstance(fallback_urls, Sequence):
        raise TypeError(
            "fallback_urls must be a list of URLs such as wxcv.FALLBACK_URLS, not "
            f"{class_name(fallback_urls)}"
        )
    given = [("base_url", credential.base_url if base_url is None else base_url)]
    given += [(f"fallback_urls[{number}]", url) for number, url in enumerate(fallback_urls)]
    urls, names = [], dict[tuple[str, int], str]()
    for name, value in given:
        url = checks.check_base_url(value, allow_http=may_use_http, name=name)
        other = names.setdefault(checks.host_and_port(url), name)
        if other != name:
            raise ValueError(f"{name} has the host and port of {other}; list each host once")
        urls.append(url)
    check_fallbacks_allowed(credential, has_fallbacks=len(urls) > 1)
    return urls


def check_fallbacks_allowed(credential: Credential, *, has_fallbacks: bool) -> None:
    """Refuse a credential whose calls only its own host can authorise."""
    if has_fallbacks and not credential.may_use_fallbacks:
        raise ValueError(
            f"fallback_urls cannot be used with {class_name(credential)}: cloud hosting relays calls to "
            "api.weixin.qq.com only"
        )


def make_slots(
    concurrency: int, call_timeout: float, slot_timeout: float | None, max_waiting: int | None
) -> Slots:
    """Make the slots of a session, or refuse a setting of them."""
    if max_waiting is not None:
        checks.check_integer("max_waiting", max_waiting, least=0)
    return Slots(
        checks.check_integer("concurrency", concurrency),
        checks.check_seconds("call_timeout", call_timeout),
        slot_timeout=None if slot_timeout is None else checks.check_seconds("slot_timeout", slot_timeout),
        max_waiting=max_waiting,
    )
