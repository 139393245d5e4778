"""What WeChat's pages leave open, as switches."""

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin

from wxcv.sandbox.checks import whole


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Answers to questions that no page of WeChat answers.

    Every default is a guess; switch it to see what a program does with the other answer.

    Args:
        nothing_found: an image without codes or text gives an "empty" list, or the key of the list is
            "missing". Unknown of WeChat; default chosen because the page lists the key without a condition.
        img_size_when_nothing: such an answer still has `img_size`. Unknown of WeChat; default chosen because
            the page lists the key without a condition.
        code_text: what `data` is made of. "plain" is the content of the code: its characters by the character
            set that it names (ECI), else by the one that zxing-cpp guesses. The separator of GS1 (FNC1) is
            U+001D, and bytes that are no text are one character each, from U+0000 to U+00FF. "utf-8" reads
            the bytes as UTF-8 whatever the code says, with U+FFFD for those that are not. "hri" is
            zxing-cpp's rendering for people: GS1 identifiers in brackets, names for control characters.
            Unknown of WeChat; default chosen because it adds nothing to what the code holds.
        code_order: order of `code_results`: the decoder's, by the place of each code's own first corner
            ("engine"), or by the upper and then the left edge ("reading"). Unknown of WeChat; default chosen
            because the official sample with four codes is not in reading order.
        oversize: `(errcode, errmsg)` for an image of the limit or more; None means 101002 with the text of
            the page that was called. Unknown of WeChat; default chosen because the page of ocr/comm explains
            101002 with "Image size over limit".
        url_not_image: errcode, 101000 or 101002, for an `img_url` that can be fetched and holds no image.
            Unknown of WeChat; default chosen because 101002 is what the same bytes give as an upload.
        both_inputs: which of the two is read when `img` and `img_url` both arrive. Unknown of WeChat;
            default chosen because the uploaded bytes are already there.
        accept_get: the URL form may be a GET. Unknown of WeChat; default chosen because the pages say POST
            while their curl sample is a GET, and a widely used client sends one.
        accept_chunked: a request whose body comes without a Content-Length (chunked) is read, else it is
            answered with HTTP status 412 and looked at no further. A POST without a body needs the header
            too, a GET does not. Unknown of WeChat for these pages; default chosen because its gateway is
            reported to do so, whatever the page.
        any_part_name: an image need not be called `img`: in a body without a file part of that name it is the
            first file part, whatever its name. Unknown of WeChat; default chosen because a widely used client
            calls it `file`.
        content_type: the Content-Type of every answer. Unknown of WeChat; default chosen because other calls
            of the platform answer so, with `encoding` in place of `charset`.
        exif: an EXIF orientation is ignored, coordinates are those of the stored pixels ("ignore"), or the
            image is turned first ("apply"). Unknown of WeChat; default chosen because the pages speak of the
            image as it was sent.
        refresh_token_rotates: api_authorizer_token answers with a new refresh token each time, else with the
            one that was sent. Unknown of WeChat; default chosen because the platform's FAQ says that it
            stays valid until the merchant revokes.
        old_refresh_token_works: after a rotation those before it still work. Unknown of WeChat; default
            chosen because the loss of one answer would else lock the platform out.
        component_token_expired: errcode for a component token whose life is over. Unknown of WeChat; default
            chosen because the platform's pages list 42001, while 42006 is in the table of all codes only.
        failed_call_spends: a call that is answered with an errcode after its token was found good counts for
            the day and for the market, if the quota let it through. Unknown of WeChat; default chosen
            because a program must not count on the other.
        quota_reset_hour: the hour in Beijing, 0 to 23, when a new day of quota begins. Unknown of WeChat;
            default chosen because midnight is when a day begins.

    Raises:
        ValueError: a switch has a value that is not one of its own; the message names the switch.
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

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if get_origin(field.type) is Literal and value not in get_args(field.type):
                raise ValueError(f"{field.name} must be one of {get_args(field.type)}, not {value!r}")
            if field.type is bool and not isinstance(value, bool):
                raise ValueError(f"{field.name} must be True or False, not {value!r}")
        whole("quota_reset_hour", self.quota_reset_hour, least=0, most=23)
        if self.oversize is not None and not _is_fault(self.oversize):
            raise ValueError(f"oversize must be None or a pair (errcode, errmsg), not {self.oversize!r}")
        if not isinstance(self.content_type, str) or not _is_header_value(self.content_type):
            raise ValueError(f"content_type must be one line of visible ASCII, not {self.content_type!r}")


def _is_fault(pair: object) -> bool:
    match pair:
        case (int(), str()):
            return True
    return False


def _is_header_value(text: str) -> bool:
    return bool(text.strip()) and text.isascii() and text.isprintable()
