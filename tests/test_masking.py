"""No foreign text reaches a message with a secret in it, or at full length."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from wxcv.errors import WxcvError
from wxcv.masking import MASK_LIMIT, class_name, function_name, mask, one_line, short_name, where_raised


@pytest.mark.parametrize(
    "text",
    [
        "access_token=MARKED&x=1",
        "ACCESS_TOKEN=MARKED",
        "cloudbase_access_token=MARKED",
        "?component_access_token%3DMARKED",
        '{"access_token":"MARKED","expires_in":7200}',
        '{"access_token" : "MARKED',
        '{\\"secret\\":\\"MARKED\\"}',
        "secret=MARKED",
        "authorizer_refresh_token=MARKED",
        "img_url=MARKED",
        "access_token\\u003dMARKED",
        "&#97;ccess_token=MARKED",
        "Proxy-Authorization: Basic MARKED==",
        "authorization: bearer MARKED",
        "http://user:MARKED@proxy:8080/",
    ],
)
def test_values_named_like_a_secret_are_masked(text: str) -> None:
    """Whatever stands behind a secret's name is masked, in a query and in JSON."""
    assert "MARKED" not in mask(text)


@pytest.mark.parametrize("secret", ["a/b+c=d", "x&y<z>'\"", "图 1", "h/a?Signature=S%2F1"])
def test_a_known_secret_is_masked_in_every_encoding(secret: str) -> None:
    """The token in hand is masked plain, percent-encoded (twice too), and escaped for HTML and for JSON."""
    percent = [quote(secret), quote(secret, safe=""), quote(quote(secret, safe=""), safe="")]
    lower = [re.sub("%..", lambda found: found[0].lower(), form) for form in percent]
    escaped = [json.dumps(secret)[1:-1], secret.replace("/", "\\/"), secret.replace("&", "\\u0026")]
    escaped += [html.escape(secret).replace("&#x27;", "&apos;"), html.escape(html.escape(secret))]
    for form in (secret, *percent, *lower, *escaped, html.escape(secret)):
        assert mask(f"before {form} after", [secret, ""]) == "before *** after"


KEY = "88_Ab-cdEFghIJ.klMNop_qrSTuv-wxYZ0123456789TOPSECRETtail"


def percent(character: str, times: int) -> str:
    """Percent-encode a character so many times."""
    return "%" + "25" * (times - 1) + f"{ord(character):02X}"


def longest_shown(text: str, secret: str = KEY) -> int:
    """Return the length of the longest part of a secret in a text."""
    parts = ((start, stop) for start in range(len(secret)) for stop in range(start + 1, len(secret) + 1))
    return max((stop - start for start, stop in parts if secret[start:stop] in text), default=0)


@pytest.mark.parametrize(
    "form",
    [
        *(percent("E", 7), percent("E", 300), "%u0045", r"\x45", r"\u0045", r"\\u0045", r"%5C%5Cu0045"),
        *("&#69;", "&#69", "&#x45;", "&#0000000069;", "&amp;amp;amp;#69;", "%26%2369%3B", r"\u0026#69;"),
        *(
            "e",
            "E\0",
            "E\n",
            "E \t",
            "E\u200b",
            "\u00adE",
            "E\ufeff",
            "E\ufffd",
            "&#8203;E",
            "%00E",
            "E%0D%0A",
        ),
    ],
)
def test_one_character_in_another_form_hides_no_secret(form: str) -> None:
    """A secret is masked as a whole, whatever encoding, case or invisible character one place of it has."""
    assert mask(f"key: {KEY.replace('E', form, 1)}.", [KEY]) == "key: ***."


@pytest.mark.parametrize(("character", "form"), [("_", "&lowbar;"), (".", "&period;"), ("-", "&#45")])
def test_a_named_character_hides_no_secret(character: str, form: str) -> None:
    """The names of HTML, and codes that lack their semicolon, are read."""
    assert mask(f"key: {KEY.replace(character, form)}.", [KEY]) == "key: ***."


def test_a_part_of_a_secret_is_masked() -> None:
    """Eight characters of a secret are masked wherever they stand, and seven are not."""
    assert mask(f"ends in {KEY[-8:]}", [KEY]) == "ends in ***"
    assert mask(f"{KEY[:30]}hint: [x]{KEY[30:]}", [KEY]) == "***hint: [x]***"
    assert mask(f"ends in {KEY[-7:]}", [KEY]) == f"ends in {KEY[-7:]}"


@pytest.mark.parametrize("start", [0, 300, 3000, 4096 - 100])
def test_a_part_of_a_long_secret_is_masked(start: int) -> None:
    """A long secret is found by any part of some length, and that part is masked to its ends."""
    secret = "".join(f"{number:x}," for number in range(2000))[:4096]

    assert mask(f"key: {secret[start : start + 100]}.", ["x" * 2000, secret]) == "key: ***."


def test_what_is_encoded_too_often_is_masked_as_a_whole() -> None:
    """Nothing is shown of a text of which encodings are left when all rounds are over."""
    form = "&#37;26" + "#37;26" * 12 + "#69;"

    assert mask(f"key: {KEY.replace('E', form[:7] + '#69;', 1)}.", [KEY]) == "key: ***."
    assert mask(f"key: {KEY.replace('E', form, 1)}.", [KEY]) == "***"


def test_masking_again_undoes_nothing() -> None:
    """What was masked with a secret in hand is decoded already, so that an error shows no more of it."""
    name = percent("s", 7) + "ecret"
    text = f"access_token=a&{name}=x&{KEY.replace('E', percent('E', 7), 1)}"

    assert str(WxcvError(mask(text, [KEY]))) == "access_token=***&secret=***&***"
    assert str(WxcvError(mask(text, ["another"]))) == f"access_token=***&secret=***&{KEY}"


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize(
    "outer", ["&amp;#{};", "%26%23{}%3B", r"\u0026#{};", "&#37;{:02X}", r"\u0025{:02X}", "{:c}"]
)
def test_a_secret_in_two_encodings_that_is_cut_is_masked(outer: str, times: int) -> None:
    """Where the examined part ends within a nested encoding, what is there of the secret is masked."""
    told = "".join(outer.format(ord(character)) for character in KEY)
    padding = ("access_token=x&" + percent("p", 6) * 200)[: MASK_LIMIT - len(told) * times // 4]
    for offset in range(14):
        assert longest_shown(mask(padding[offset:] + told + "z" * 900, [KEY])) < 8


def test_a_secret_that_is_cut_within_a_character_is_masked() -> None:
    """A cut in the middle of a character's UTF-8 leaves nothing of the secret before it."""
    url = "h/a?sig=0123456789SECRETé" + "tail" * 5
    told = quote(url, safe="")
    for shown in range(told.index("%C3"), told.index("%C3") + 7):
        text = "access_token=x&".ljust(MASK_LIMIT - shown, "B") + told + "x" * 300
        assert (
            mask(text, [url]).rstrip("\ufffd")
            == "access_token=***&".ljust(MASK_LIMIT - shown + 2, "B") + "***"
        )


@pytest.mark.parametrize("length", [1, 500, MASK_LIMIT - 100, MASK_LIMIT - 40])
@pytest.mark.parametrize("form", ["plain", "percent", "JSON", "HTML", "twice"])
def test_a_secret_that_is_cut_at_the_edge_is_masked(length: int, form: str) -> None:
    """Where the examined part of a text ends in the middle of a secret, what is there of it is masked."""
    secret = "-a+b/" * 400
    told = {
        "plain": secret,
        "percent": quote(secret, safe="").replace("-", "%2D"),
        "JSON": secret.replace("-", r"\u002d").replace("/", r"\/"),
        "HTML": secret.replace("-", "&#45;").replace("+", "&#x2b;"),
        "twice": quote(quote(secret, safe=""), safe=""),
    }[form]

    assert mask("x" * length + told, [secret]) == "x" * length + "***"


def test_a_text_that_is_the_beginning_of_a_secret_is_masked() -> None:
    """A text that is longer than what is examined, and all of it one secret, shows nothing of it."""
    secret = "".join(chr(ord("A") + n % 26) + str(n) for n in range(600))
    assert len(secret) > MASK_LIMIT

    assert mask(secret, [secret]) == "***"


def test_only_the_last_of_several_beginnings_may_be_the_secret() -> None:
    """What only looks like the beginning of a secret, near the edge, is not masked, and what is one is."""
    text = "abcdY-" * 3 + "abcdX12" + "z" * 5000
    edge = MASK_LIMIT - len("abcdY-" * 3 + "abcdX12")

    assert mask("." * edge + text, ["abcdX12345"]) == "." * edge + "abcdY-" * 3 + "***"
    assert mask("." * edge + text, ["abcdZ12345"]) == "." * edge + "abcdY-" * 3 + "abcdX12"


def test_a_text_without_a_secret_stays_as_it_is() -> None:
    """Escapes that hide nothing are not undone, and only the length is bounded."""
    text = r"50%25 of \u0041 &amp; b"

    assert mask(text, ["MARKED"]) == text
    assert (text * 1000).startswith(mask(text * 1000, ["MARKED"]))
    assert MASK_LIMIT - 16 <= len(mask(text * 1000, ["MARKED"])) <= MASK_LIMIT


def test_a_false_start_of_a_secret_at_the_edge_is_passed_over() -> None:
    """Where a text is cut, the true beginning of a secret is masked, though it seemed to begin before."""
    secret = "abcdX" + "abcdY" * 600
    text = "abcd" * 100 + secret

    assert mask(text.rjust(MASK_LIMIT + 500, "."), [secret]).endswith("abcd" * 100 + "***")


def test_of_two_secrets_the_longer_goes_first() -> None:
    """A secret that holds another one is masked as a whole."""
    assert mask("key abcdef.", ["cd", "abcdef"]) == "key ***."


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("\\" * 5_000_000, "-" + "a%41b\\" * 400),
        ("%25" * 2_000_000, "%" + "25" * 1000),
        ("&" * 5_000_000, "&" * 2048),
        ("a" * 5_000_000, "a" * 2047 + "b"),
        ('secret"' + " " * 5_000_000, "x"),
        ("//" * 2_500_000, "x"),
    ],
    ids=["backslashes", "percents", "ampersands", "a's", "blanks", "slashes"],
)
def test_a_hostile_text_is_masked_in_a_moment(text: str, secret: str) -> None:
    """Texts of megabytes, made to be slow to search, are done with at once, and not after hours."""
    assert len(mask(text, [secret] * 4)) <= MASK_LIMIT


def test_names_are_short_and_on_one_line() -> None:
    """Names of classes and functions that a caller chose are bounded, and so is any line."""
    hostile = type("X" * 500 + "\n", (), {})
    hostile.__call__ = lambda _self: None  # type: ignore[operator]

    assert class_name(hostile()) == "X" * 100
    assert function_name(hostile()) == "X" * 100
    assert function_name(test_names_are_short_and_on_one_line) == "test_names_are_short_and_on_one_line"
    assert one_line("a\nb\x1bc" * 100, 5) == "a b c"
    assert short_name("a/" * 500 + "end\n") == "…" + ("a/" * 50 + r"end\n")[-99:]
    assert [len(short_name("a" * size)) for size in (99, 100, 101, 1000)] == [99, 100, 100, 100]


def test_the_line_of_the_callers_code_is_found() -> None:
    """Of an error that went through the standard library, file and line in the caller's code are told."""
    try:
        json.loads("{")
    except ValueError as error:
        location = where_raised(error)
    source, line = location.rsplit(":", 1)

    assert source.endswith("test_masking.py")
    assert Path(__file__).read_text().splitlines()[int(line) - 1].strip() == 'json.loads("{")'
    assert where_raised(ValueError("never raised")) == ""


class Unreadable:
    """A path that cannot be told."""

    def __fspath__(self) -> str:
        """Raise."""
        raise ValueError("MARKED")


def line_of(text: str) -> int:
    """Return the number of the line of this file that is the text."""
    return [line.strip() for line in Path(__file__).read_text().splitlines()].index(text) + 1


def test_the_last_line_of_the_callers_code_is_told() -> None:
    """Where an error came through frozen modules and several lines of the caller's, the last line is told."""
    with pytest.raises(ValueError, match="MARKED") as caught:
        os.fspath(Unreadable())
    with pytest.raises(ValueError, match="MARKED") as frozen:
        os.fsencode(Unreadable())  # type: ignore[arg-type] # fails on purpose

    assert {where_raised(error.value).rsplit(":", 1)[1] for error in (caught, frozen)} == {
        str(line_of('raise ValueError("MARKED")'))
    }


async def test_a_stop_iteration_in_a_coroutine_has_its_line() -> None:
    """A StopIteration leaves a coroutine as a RuntimeError, and its line is told all the same."""

    async def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError) as caught:
        await stop()

    assert where_raised(caught.value.with_traceback(None)).endswith(
        f"test_masking.py:{line_of('raise StopIteration')}"
    )
