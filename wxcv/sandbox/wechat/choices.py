"""Choices: switches for what WeChat's documentation leaves open."""

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin

from wxcv.sandbox.checks import check_integer


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Switches for questions that WeChat's documentation does not answer.

    Every default is a guess. Set a switch to see what a program does with the other answer.

    Args:
        nothing_found: for an image without codes or text, the list is "empty" or its key is "missing".
            WeChat's behaviour is unknown; this is the default because the documentation lists the key without
            a condition.
        img_size_when_nothing: whether such an answer has `img_size`. WeChat's behaviour is unknown; this is
            the default because the documentation lists the key without a condition.
        code_text: how `data` is made. "plain" is the content of the code: its characters in the character set
            that it names (ECI), else in the one that zxing-cpp guesses. The separator of GS1 (FNC1) is
            U+001D, and bytes that are not text become one character each, from U+0000 to U+00FF. "utf-8"
            decodes the bytes as UTF-8 whatever the code says, with U+FFFD for invalid ones. "hri" is
            zxing-cpp's human readable interpretation: GS1 identifiers in brackets, names for control
            characters. WeChat's behaviour is unknown; this is the default because it adds nothing to the
            content.
        code_order: the order of `code_results`: the decoder's, by the position of each code's own first
            corner ("engine"), or by the top and then the left edge ("reading"). WeChat's behaviour is
            unknown; this is the default because the official sample with four codes is not in reading order.
        oversize: `(errcode, errmsg)` for an image of the size limit or more; None is 101002 with the
            endpoint's own text. WeChat's behaviour is unknown; this is the default because the documentation
            of ocr/comm explains 101002 with "Image size over limit".
        url_not_image: the errcode, 101000 or 101002, for an `img_url` that can be fetched but is not an
            image. WeChat's behaviour is unknown; this is the default because an upload of the same bytes gets
            101002.
        both_inputs: which of `img` and `img_url` is read if a request has both. WeChat's behaviour is
            unknown; this is the default because the uploaded bytes are already there.
        accept_get: whether the URL form may be a GET. WeChat's behaviour is unknown; this is the default
            because the documentation says POST while its curl sample is a GET, and a widely used client sends
            a GET.
        accept_chunked: whether a body without Content-Length (chunked) is read; if not, the response is HTTP
            status 412 and nothing else is checked. A POST without a body needs the header too, a GET does
            not. WeChat's behaviour is unknown for these endpoints; this is the default because its gateway is
            reported to refuse such requests on every path.
        any_part_name: whether an image may have a part name other than `img`: in a body without a file part
            of that name, the first file part is read. WeChat's behaviour is unknown; this is the default
            because a widely used client sends `file`.
        content_type: the Content-Type of every JSON answer. WeChat's behaviour is unknown; this is the
            default because other endpoints of the platform use it, with `encoding` instead of `charset`.
        exif: "ignore" an EXIF orientation, so that coordinates are those of the stored pixels, or "apply" it
            first. WeChat's behaviour is unknown; this is the default because the documentation refers to the
            image as it was sent.
        refresh_token_rotates: whether api_authorizer_token returns a new refresh token each time, or the one
            that was sent. WeChat's behaviour is unknown; this is the default because the platform's FAQ says
            that a refresh token stays valid until the authorizer revokes the authorisation.
        old_refresh_token_works: whether earlier refresh tokens remain valid after a rotation. WeChat's
            behaviour is unknown; this is the default because otherwise the loss of one answer would lock the
            platform out.
        component_token_expired: the errcode for an expired component token. WeChat's behaviour is unknown;
            this is the default because the platform's documentation lists 42001, and only the table of all
            codes has 42006.
        failed_call_spends: whether a call with a valid token that gets an errcode counts against the daily
            and the market quota. WeChat's behaviour is unknown; this is the default because programs must not
            depend on the opposite.
        quota_reset_hour: the hour in Beijing, 0 to 23, at which the daily quota resets. WeChat's behaviour is
            unknown; this is the default because a day begins at midnight.
        quota_get_knows_cv: whether /cgi-bin/openapi/quota/get knows the paths of the cv endpoints, or answers
            76021. WeChat's behaviour is unknown; this is the default because its documentation names no paths
            that are left out.

    Raises:
        ValueError: a switch has an invalid value; the message names the switch.
    """

    nothing_found: Literal["empty", "missing"] = "empty"
    img_size_when_nothing: bool = True
    code_text: Literal["plain", "utf-8", "hri"] = "plain"
    code_order: Literal["engine", "reading"] = "engine"
    oversize: tuple[int, str] | None = None
    url_not_image: Literal[101000, 101002] = 101002
    both_inputs: Literal["img", "img_url"] = "img"
    accept_get: bool = True
    accept_chunked: bool = False
    any_part_name: bool = True
    content_type: str = "application/json; encoding=utf-8"
    exif: Literal["ignore", "apply"] = "ignore"
    refresh_token_rotates: bool = False
    old_refresh_token_works: bool = True
    component_token_expired: Literal[42001, 42006] = 42001
    failed_call_spends: bool = True
    quota_reset_hour: int = 0
    quota_get_knows_cv: bool = True

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if get_origin(field.type) is Literal and value not in get_args(field.type):
                raise ValueError(f"{field.name} must be one of {get_args(field.type)}, not {value!r}")
            if field.type is bool and not isinstance(value, bool):
                raise ValueError(f"{field.name} must be True or False, not {value!r}")
        check_integer("quota_reset_hour", self.quota_reset_hour, least=0, most=23)
        if self.oversize is not None and not _is_refusal_pair(self.oversize):
            raise ValueError(f"oversize must be None or a pair (errcode, errmsg), not {self.oversize!r}")
        if not isinstance(self.content_type, str) or not _is_header_value(self.content_type):
            raise ValueError(f"content_type must be one line of visible ASCII, not {self.content_type!r}")


def _is_refusal_pair(pair: object) -> bool:
    match pair:
        case (int(), str()):
            return True
    return False


def _is_header_value(text: str) -> bool:
    return bool(text.strip()) and text.isascii() and text.isprintable()
