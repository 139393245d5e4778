"""``wxcv quota``, and the store and the daily limit that commands share."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from support import pictures
from support.commands import command, environment, run
from support.pages import COMM, QRCODE
from support.redis_server import RedisServer
from support.servers import api_server

import wxcv
from wxcv.sandbox import Choices, Fault, Quota, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

GET = "/cgi-bin/openapi/quota/get"
LIMITS = wxcv.DailyLimits({wxcv.PRINTED_TEXT: 9})


@pytest.fixture
def image(tmp_path: Path) -> str:
    """The name of a picture, in a folder of its own."""
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "a.png"
    path.write_bytes(pictures.qr_png("x"))
    return str(path)


@pytest.fixture
async def redis_server() -> AsyncIterator[RedisServer]:
    """A Redis of this test alone."""
    server = RedisServer()
    await server.start()
    yield server
    await server.aclose()


def account(box: Sandbox, **more: str) -> dict[str, str]:
    """Return an environment with the sandbox's account, in which nothing may be left unclosed."""
    own = {
        "WXCV_APPID": box.appid,
        "WXCV_SECRET": box.secret,
        "PYTHONWARNINGS": "error::ResourceWarning",
        **more,
    }
    return environment(box.base_url, **own)


async def spend(box: Sandbox, store: wxcv.Store, *errcodes: int) -> None:
    """Make a call for each errcode, which WeChat answers with it."""
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url, store=store, daily_limits=LIMITS) as session:
        for errcode in errcodes:
            box.fail_next(COMM, Fault(errcode=errcode))
            with pytest.raises(wxcv.QuotaExhaustedError):
                await session.printed_text(pictures.blank_png())


def objects(out: str) -> list[dict[str, Any]]:
    """Read lines of JSON."""
    return [json.loads(line) for line in out.splitlines()]


async def test_a_table_has_what_wechat_says() -> None:
    """Each endpoint has a row with WeChat's numbers; without a store nothing else is told."""
    async with Sandbox(quota=Quota(per_day=100, per_minute=9)) as box:
        code, out, err = await run("quota", "scan_qrcode", "printed-text", env=account(box))

    head, *rows = (line.split() for line in out.splitlines())
    assert (code, err) == (0, "")
    assert head == ["endpoint", "WeChat's", "daily_limit", "used", "remain", "rate", "limit"]
    assert rows == [
        [name, "100", "0", "100", "9", "in", "60", "s"] for name in ("scan_qrcode", "printed_text")
    ]


async def test_all_of_wechats_pages_are_asked_for_by_default(box: Sandbox) -> None:
    """Without a name every endpoint has a row."""
    code, out, _ = await run("quota", "--json", env=account(box))
    rows = objects(out)

    assert code == 0
    assert [row["path"] for row in rows if row["answer"]["quota"]["used"] == 0] == [
        row["path"] for row in rows
    ]
    assert {row["endpoint"] for row in rows} > {"scan_qrcode", "printed_text", "idcard", "ai_crop"}
    assert box.requests[GET] == len(rows)


async def test_with_a_store_it_tells_what_was_counted(tmp_path: Path, box: Sandbox) -> None:
    """The count, the end of the day and the marks in the store stand beside WeChat's numbers."""
    place = str(tmp_path / "store.db")
    async with wxcv.SQLiteStore(place) as store:
        await spend(box, store, 101003)
    code, out, err = await run("quota", "printed-text", "--store", place, env=account(box))
    _, said, _ = await run("quota", "printed-text", "--json", "--store", place, env=account(box))

    assert (code, err) == (0, "")
    assert out.splitlines()[0].endswith("counted in the store  day ends                marks")
    assert " 00:00+08:00  market (101003)" in out
    (row,) = objects(said)
    assert row["usage"].pop("resets_at") % 86_400 == 16 * 3600
    assert row["usage"] == {"count": 1, "is_day_spent": False, "is_market_spent": True}
    assert (row["endpoint"], row["path"], row["error"], row["cleared"]) == ("printed_text", COMM, None, None)
    assert row["answer"]["quota"]["used"] == 0


async def test_reset_clears_both_marks_and_says_which_there_were(tmp_path: Path, box: Sandbox) -> None:
    """--reset clears what there is, asks WeChat nothing, and calls go on."""
    place = str(tmp_path / "store.db")
    words = ("quota", "--reset", "printed_text", "scan_qrcode")
    async with wxcv.SQLiteStore(place) as store:
        await spend(box, store, 45009)
        code, out, _ = await run(*words, env=account(box, WXCV_STORE=place))
        assert (code, out.splitlines()[0]) == (0, "printed_text: cleared day (45009) (the count stays)")
        await spend(box, store, 101003)
        _, out, _ = await run("--store", place, *words, "--json", env=account(box))
        assert [row["cleared"] for row in objects(out)] == [["is_market_spent"], []]
        assert not any(row["usage"]["is_market_spent"] for row in objects(out))
        _, out, _ = await run(*words, "--store", place, env=account(box))
        assert out.splitlines() == [f"{name}: there was no mark" for name in words[2:]]
        await spend(box, store, 45009)  # is sent
    assert box.requests[GET] == 0


async def test_reset_needs_a_store_and_an_account(tmp_path: Path, box: Sandbox) -> None:
    """Without a store --reset is wrong usage; without an account the variables to set are told."""
    code, _, err = await run("quota", "--reset", env=account(box))
    assert (code, "WXCV_STORE" in err, "Traceback" in err) == (2, True, False)

    async with wxcv.Session(wxcv.AppCredential(box.appid, box.secret), base_url=box.base_url) as session:
        token = (await session.token()).value
    bare = {"WXCV_ACCESS_TOKEN": token, "WXCV_BASE_URL": box.base_url, "WXCV_STORE": str(tmp_path / "s.db")}
    for words, expected in ((("--reset",), 3), ((), 0)):
        code, out, err = await run("quota", "scan-qrcode", *words, env=bare)
        assert (code, "set WXCV_APPID and WXCV_SECRET instead" in err) == (expected, True)
        assert out.count("scan_qrcode") == (0 if words else 1)


async def test_the_store_of_wxcv_batch_is_used_without_another(
    tmp_path: Path, box: Sandbox, image: str
) -> None:
    """Without --store, the count and the marks are those of wxcv batch --daily-limit, which stderr says."""
    env = account(box, XDG_STATE_HOME=str(tmp_path))
    words = ("batch", "scan-qrcode", image, "--daily-limit", "9", "--journal", str(tmp_path / "run.sqlite"))
    refused = await run("quota", "scan-qrcode", "--reset", env=env)
    await run(*words, env=env)
    code, out, err = await run("quota", "scan-qrcode", "--json", env=env)
    reset = await run("quota", "scan-qrcode", "--reset", env=env)

    assert refused[0] == 2
    assert (code, objects(out)[0]["usage"]["count"]) == (0, 1)
    assert str(tmp_path / "wxcv" / "store.sqlite") in err
    assert (reset[0], reset[1]) == (0, "scan_qrcode: there was no mark\n")


async def test_a_daily_limit_needs_an_account(box: Sandbox, image: str) -> None:
    """With a token alone, the variables to set are told instead of names of Python, and nothing is sent."""
    env = {"WXCV_ACCESS_TOKEN": "MARKED", "WXCV_BASE_URL": box.base_url}
    code, out, err = await run("scan-qrcode", image, "--daily-limit", "5", env=env)

    assert (code, out, len(err.splitlines())) == (3, "", 1)
    assert "--daily-limit needs to know the account" in err
    assert "set WXCV_APPID and WXCV_SECRET instead" in err
    assert not sum(box.requests.values())


async def test_a_path_that_wechat_does_not_know_is_a_row(tmp_path: Path) -> None:
    """If quota/get knows no cv paths, each row says so, what was counted is told, and nothing has failed."""
    place = str(tmp_path / "store.db")
    async with Sandbox(choices=Choices(quota_get_knows_cv=False)) as box:
        code, out, err = await run("quota", "menu", "--store", place, env=account(box))
        _, said, _ = await run("quota", "menu", "--json", env=account(box))

    assert (code, err) == (0, "")
    cells = out.splitlines()[1].split(maxsplit=5)
    assert cells[:5] == ["menu", "-", "-", "-", "-"]
    assert cells[5].endswith("WeChat does not tell the quota of this path")
    (row,) = objects(said)
    assert (row["answer"], row["error"]["errcode"], row["error"]["type"]) == (None, 76021, "APIError")


@pytest.mark.parametrize(
    ("path", "fault", "expected", "said"),
    [
        (GET, Fault(status=502, body=b"<html>"), 6, "HTTP status 502"),
        (GET, Fault(errcode=48001), 3, "errcode 48001"),
        (GET, Fault(errcode=45009), 4, "errcode 45009"),
        (GET, Fault(errcode=-1), 1, "errcode -1"),
        ("/cgi-bin/stable_token", Fault(errcode=40125), 3, "errcode 40125"),
    ],
    ids=["page", "permission", "quota", "busy", "secret"],
)
async def test_the_exit_code_tells_why_wechat_told_nothing(
    box: Sandbox, path: str, fault: Fault, expected: int, said: str
) -> None:
    """A failure is one line on stderr with all its endpoints, and an exit code as that of other commands."""
    box.fail_always(path, fault)
    code, out, err = await run("quota", "menu", "idcard", env=account(box))

    assert code == expected
    (line,) = err.splitlines()
    assert line.startswith("wxcv: menu, idcard: ")
    assert said in line
    assert [row.split() for row in out.splitlines()[1:]] == [[name, *"----"] for name in ("menu", "idcard")]


async def test_unknown_names_are_refused() -> None:
    """A name that is no endpoint's is wrong usage, as for ``wxcv call``."""
    code, _, err = await run("quota", "nothing", "--sandbox")

    assert (code, "no endpoint 'nothing'" in err) == (2, True)


async def test_commands_share_tokens_and_limits_in_a_file(tmp_path: Path, box: Sandbox, image: str) -> None:
    """Runs with one file fetch one token and together stay within the limit; the file is closed properly."""
    folder = tmp_path / "store"
    folder.mkdir()
    words = ("scan-qrcode", image, "--store", str(folder / "s.db"), "--daily-limit", "1")
    first = await run(*words, env=account(box))
    second = await run(*words, env=account(box))
    third = await run(*words, "--json", env=account(box))

    assert (first[0], first[2]) == (0, "")
    assert (second[0], second[1]) == (4, "")
    assert "the limit of 1 send a day is used up; it begins anew at " in second[2]
    assert objects(third[1])[0]["error"]["resets_at"].endswith("T16:00:00+00:00")
    assert (box.requests[QRCODE], box.requests["/cgi-bin/stable_token"]) == (1, 1)
    assert [path.name for path in folder.iterdir()] == ["s.db"]


async def test_a_limit_without_a_store_is_for_one_run(tmp_path: Path, box: Sandbox, image: str) -> None:
    """--daily-limit alone stops the command after so many sends, and the next one begins anew."""
    for _ in range(2):
        code, out, _ = await run("scan-qrcode", image, image, image, "--daily-limit", "2", env=account(box))
        assert (code, out.count("QR_CODE")) == (4, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


async def test_commands_share_a_redis(box: Sandbox, image: str, redis_server: RedisServer) -> None:
    """A unix:// URL is a Redis, in which tokens and counts are kept, and whose connections are closed."""
    place = f"unix://{redis_server.path}"
    for _ in range(2):
        code, _, err = await run(
            "scan-qrcode", image, "--daily-limit", "5", env=account(box, WXCV_STORE=place)
        )
        assert (code, err) == (0, "")
    _, out, _ = await run("quota", "scan-qrcode", "--json", env=account(box, WXCV_STORE=place))

    assert objects(out)[0]["usage"]["count"] == 2
    assert box.requests["/cgi-bin/stable_token"] == 1


@pytest.mark.parametrize(
    "place",
    [
        *("http://u:MARKED@h", "redis://u:MARKED@h:x", "redis://u:MARKED@h?no=1", "sqlite:///MARKED", ""),
        *(
            ":memory:",
            "unix://MARKED",
            "redis:/:MARKED@h/0",
            "redis:u:MARKED@127.0.0.1:6379",
            "REDISS:MARKED",
        ),
        *(
            "unix:/MARKED",
            "file:MARKED.db",
            " redis://:MARKED@h",
            "u:MARKED@h:6379",
            ":MARKED@h",
            "redis//:MARKED@h",
        ),
        *("//u:MARKED@h:6379/0", "://MARKED"),
    ],
)
async def test_a_place_that_is_no_store_is_refused_and_not_shown(
    box: Sandbox, image: str, place: str
) -> None:
    """What is neither a path nor a Redis URL is wrong usage, in one line without the password."""
    code, out, err = await run("scan-qrcode", image, "--store", place, env=account(box))

    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("wxcv: cannot open the store of --store or WXCV_STORE: ")
    assert "MARKED" not in err
    assert not sum(box.requests.values())


async def test_an_absolute_path_may_look_like_a_url(tmp_path: Path, box: Sandbox, image: str) -> None:
    """The remedy for a file whose name looks like a URL: its absolute path is that of a store."""
    place = tmp_path / "redis:u:p@h.db"
    code, _, err = await run("scan-qrcode", image, "--store", str(place), env=account(box))

    assert (code, err, place.exists()) == (0, "", True)


async def test_a_password_is_never_shown(box: Sandbox, image: str) -> None:
    """Neither help nor the failures of a Redis that is down show the URL; the command that needs it fails."""
    env = account(box, WXCV_STORE="redis://u:MARKED@127.0.0.1:1/0")
    runs = [
        await run("scan-qrcode", image, env=env),
        await run("scan-qrcode", image, "--daily-limit", "5", env=env),
        await run("quota", "menu", env=env),
        await run("quota", "menu", "--reset", env=env),
        await run("--help", env=env),
        await run("quota", "--help", env=env),
    ]

    assert [code for code, _, _ in runs] == [0, 1, 1, 1, 0, 0]
    assert "MARKED" not in str(runs)
    assert "Traceback" not in str(runs)
    assert "menu: not cleared" in runs[3][1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stopped_command_closes_its_store(
    tmp_path: Path, redis_server: RedisServer, number: signal.Signals
) -> None:
    """Ctrl-C ends a query at once, with its exit code, and leaves neither file nor connection open."""
    arrived = asyncio.Event()

    async def hold(_request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    for place in (str(tmp_path / "s.db"), f"unix://{redis_server.path}"):
        arrived.clear()
        async with api_server(hold, hold) as url:
            env = environment(url, WXCV_STORE=place, PYTHONWARNINGS="error::ResourceWarning")
            async with command("quota", "menu", env=env) as process:
                await asyncio.wait_for(arrived.wait(), 20)
                process.send_signal(number)
                out, err = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["s.db"]
