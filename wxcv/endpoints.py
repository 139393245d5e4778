"""One value for each official page: path, extra fields, answer class."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from wxcv import checks
from wxcv.models import PrintedText, QrcodeScan
from wxcv.values import Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

AnswerT = TypeVar("AnswerT")

_PATH = r"(?a)(/[\w.~-]+)+"


def _usable_path(_endpoint: object, _field: object, value: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(_PATH, value):
        raise ValueError("path must look like /cv/ocr/comm, in ASCII and without query")


def _word(_endpoint: object, field: attrs.Attribute[str], value: object) -> None:
    checks.text(field.name, value)


def _function(_endpoint: object, field: attrs.Attribute[Any], value: object) -> None:
    checks.function(field.name, value)


def _field_names(_endpoint: object, _field: object, value: object) -> None:
    if not isinstance(value, tuple) or not all(
        isinstance(name, str) and name.isidentifier() for name in value
    ):
        raise TypeError('fields must be a tuple of names, such as ("ratios",)')


@attrs.frozen(repr=False)
class Endpoint(Value, Generic[AnswerT]):
    """A page of WeChat's image API.

    Attributes:
        name: the word used for it here and on the command line.
        path: the path below the host.
        read: makes the answer of WeChat's JSON object; raises one of ``models.SHAPE_ERRORS`` if it cannot.
        fields: the names of extra fields that the page knows; sent as form fields beside an uploaded
            image and in the query beside an ``img_url``.
    """

    name: str = attrs.field(validator=_word)
    path: str = attrs.field(validator=_usable_path)
    read: Callable[[Mapping[str, Any]], AnswerT] = attrs.field(repr=False, validator=_function)
    fields: tuple[str, ...] = attrs.field(default=(), validator=_field_names)


# https://developers.weixin.qq.com/doc/service/en/api/openpoc/image/api_imgqrcode
SCAN_QRCODE = Endpoint("scan_qrcode", "/cv/img/qrcode", QrcodeScan.from_dict)

# https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr
PRINTED_TEXT = Endpoint("printed_text", "/cv/ocr/comm", PrintedText.from_dict)
