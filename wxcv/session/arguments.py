"""Checks of the arguments of Session and its methods."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from wxcv import checks
from wxcv.calls.retries import RetryPolicy
from wxcv.endpoints.base import Endpoint
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
