"""Checks of the arguments of Session and its methods."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.calls.limits import DailyLimits
from wxcv.calls.retries import RetryPolicy
from wxcv.calls.slots import Slots
from wxcv.endpoints.base import Endpoint
from wxcv.images.pictures import require_packages
from wxcv.masking import class_name
from wxcv.protocol.requests import check_fields
from wxcv.tokens.cache import TokenCache
from wxcv.tokens.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_endpoint(endpoint: object, fields: Mapping[str, str] | None) -> None:
    """Raise TypeError or ValueError unless it is an Endpoint that accepts the fields."""
    if not isinstance(endpoint, Endpoint):
        raise TypeError(f"endpoint must be an Endpoint such as wxcv.SCAN_QRCODE, not {class_name(endpoint)}")
    check_fields(endpoint, fields)


def check_batch(images: object, key: object, *, ordered: object) -> None:
    """Raise TypeError for a single image instead of an iterable, and for a key that is not a function."""
    if isinstance(images, (str, bytes, bytearray, memoryview)):
        raise TypeError(
            f"images must be an iterable of images, not one {type(images).__name__}; put it into a list"
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


def check_objects(*, on_attempt: object, retries: object, tokens: object, clock: object) -> None:
    """Raise TypeError for an object of the wrong class; None is always accepted."""
    if on_attempt is not None and (not callable(on_attempt) or inspect.iscoroutinefunction(on_attempt)):
        raise TypeError("on_attempt must be a function that is not async")
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
    check_account(credential, is_limited=daily_limits is not None)
    if isinstance(answer_sources, str) or not isinstance(answer_sources, Sequence):
        raise TypeError(f"answer_sources must be a list of AnswerSources, not {class_name(answer_sources)}")
    for source in answer_sources:
        checks.check_optional("answer_sources", source, "list of AnswerSources", "find")
        if source is None:
            raise TypeError("answer_sources must be a list of AnswerSources, without None")
    if checks.check_bool("fit", fit):
        require_packages("Session(fit=True)", "fit", PIL="pillow")


def check_account(credential: Credential, *, is_limited: bool) -> None:
    """Refuse a credential whose calls cannot be counted."""
    if is_limited:
        require_account("daily_limits", credential)


def require_account(method: str, credential: Credential) -> str:
    """Return the account, or refuse a credential whose calls cannot be counted."""
    if credential.account is None:
        raise ValueError(f"{method} needs to know the account: {class_name(credential)}(..., account=...)")
    return credential.account


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
