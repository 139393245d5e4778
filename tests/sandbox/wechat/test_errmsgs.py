"""What the sandbox says with each of WeChat's codes."""

from __future__ import annotations

from support.pages import QRCODE
from support.sandbox_calls import calling, said

from wxcv.sandbox import Fault

WORD_FOR_WORD = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40013: "invalid appid",
    40066: "invalid url",
    40125: "invalid appsecret",
    40164: "invalid ip, not in whitelist",
    41001: "access_token missing",
    41005: "media data missing",
    42001: "access_token expired",
    43002: "require POST method",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit mustslower retry next minute",
    48001: "api unauthorized",
    61004: "access clientip is not registered",
    61007: "api is unauthorized to component",
    61014: "must use component token for component api",
    61023: "refresh_token is invalid",
    85105: "not authorized",
    85112: "cloudbase_secret not found",
    85113: "cloudbase_token is not ready yet, please try again later",
    101000: "invalid image url",
    101002: "invalid image data",
    101003: "not enough market quota",
    9301010: "consumption failure",
    -604101: "function has no permission to call this API",
}
"""Texts that a page of WeChat or a report of its answers shows."""

CODES = [
    *(-604101, -604100, -1, 0),
    *(40001, 40002, *range(40004, 40015), 40033, 40035, 40066, 40091, 40094, 40097),
    *(40101, 40113, 40125, 40137, 40141, 40160, 40164, 40234, 40243),
    *(41001, 41002, 41004, 41005, 41011, 41018, 41021, 42001, 42006, 42007),
    *(43001, 43002, 43003, 43016, 44001, 44002, 44006, 44997),
    *(45001, 45009, 45011, 45035, 45040, 45068, 45102, 45103, 45501),
    *(47001, 47002, 48001, 48004, 48006, 48009, 48012, 50001, 50002, 50003, 50004, 50007),
    *(*range(61003, 61008), *range(61009, 61012), *range(61014, 61018), 61023, 61024, 61028),
    *(76001, 76002, 76003, 76004, 76021, 76022, 85105, 85107, 85112, 85113, 87009),
    *range(89501, 89508),
    *range(101000, 101004),
    *(9301010, 9301011, 9301012, 268487001, 268487002),
]
"""The codes of the image pages, of the calls for tokens, of the platform, of cloud hosting and of quotas."""


async def test_every_code_has_a_text_of_its_own() -> None:
    """A refusal with any code says what it means, and where WeChat's text is known, in its very words."""
    async with calling() as caller:
        caller.box.fail_next(QRCODE, *(Fault(errcode=code) for code in CODES))
        answers = dict([said(await caller.call("POST", QRCODE)) for _ in CODES])

    assert list(answers) == CODES
    assert not [text for text in answers.values() if not text or "errcode" in text]
    assert {code: answers[code] for code in WORD_FOR_WORD} == WORD_FOR_WORD
