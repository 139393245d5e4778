"""Stores errors as JSON, and loads them again."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from wxcv import errors
from wxcv.errors import WxcvError

_LONGEST = 4096
"""The longest text that is kept, in characters; the rest is cut off."""

_OF_ONE_IMAGE = {"image", "sends", "elapsed"}
"""Attributes that belong to the image and the run in which the error was raised."""


def dump_error(error: WxcvError) -> str:
    """Return an error as JSON: its class, its arguments, and those of its attributes that JSON can hold."""
    attributes = {name: value for name, value in vars(error).items() if name not in _OF_ONE_IMAGE}
    return json.dumps(
        {
            "type": type(error).__name__,
            "args": [_dump(value) for value in error.args if _is_plain(value)],
            "attributes": {name: _dump(value) for name, value in attributes.items() if _is_plain(value)},
        }
    )


def load_error(text: str | None, image: str) -> WxcvError:
    """Return the error with the name of another image; a class that is not known becomes WxcvError."""
    stored = parse_error(text)
    cls = find_class(stored["type"])
    error = cls.__new__(cls)
    error.args = tuple(_load(value) for value in stored["args"]) or ("the text of this error was not kept",)
    error.__dict__.update({name: _load(value) for name, value in stored["attributes"].items()})
    error.sends, error.elapsed, error.image = 0, 0.0, image
    return error


def parse_error(text: str | None) -> dict[str, Any]:
    """Return the class's name, arguments and attributes, without what ``dump_error`` cannot have written."""
    try:
        stored = json.loads(text or "{}")
    except (ValueError, RecursionError):
        stored = {}
    stored = stored if isinstance(stored, dict) else {}
    name, args, attributes = (stored.get(key) for key in ("type", "args", "attributes"))
    attributes = attributes if isinstance(attributes, dict) else {}
    return {
        "type": name if isinstance(name, str) else "WxcvError",
        "args": [value for value in args if _is_stored(value)] if isinstance(args, list) else [],
        "attributes": {key: value for key, value in attributes.items() if _is_stored(value)},
    }


def find_class(name: str) -> type[WxcvError]:
    """Return the public class of errors with this name, or WxcvError."""
    found = getattr(errors, name, None) if name in errors.__all__ else None
    return found if isinstance(found, type) and issubclass(found, WxcvError) else WxcvError


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, datetime))


def _dump(value: Any) -> Any:  # noqa: ANN401 - what JSON has
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    return value[:_LONGEST] if isinstance(value, str) else value


def _is_stored(value: object) -> bool:
    if isinstance(value, dict):
        try:
            datetime.fromisoformat(value["time"])
        except (KeyError, TypeError, ValueError):
            return False
        return True
    return value is None or isinstance(value, (str, int, float, bool))


def _load(value: Any) -> Any:  # noqa: ANN401 - what JSON has
    return datetime.fromisoformat(value["time"]) if isinstance(value, dict) else value
