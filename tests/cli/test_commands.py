"""The command line, run as a person would run it."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest
from support import pictures
from support.commands import environment, refusing, run, run_against
from support.places import PARCEL
from support.servers import answer, api_server

import wxcv

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from aiohttp import web

    from wxcv.sandbox import Sandbox

LIMIT = 2 * 1024 * 1024
VERSION = wxcv.__version__


async def test_the_parcel_is_read_in_a_sandbox() -> None:
    """``read --sandbox`` prints the three codes and the lines of the label, without an account."""
    code, out, err = await run("read", "--sandbox", str(PARCEL))

    assert (code, err) == (0, "")
    for said in (
        "https://example.com/track/WXCV-2026-0000042",
        "6901234567892",
        "四川省成都市样例区测试路42号",
    ):
        assert said in out
    for said in (r"EAN_13 +6901234567892", r"DATA_MATRIX +WXCV-2026-0000042", r"text +EXAMPLE EXPRESS"):
        assert re.search(said, out)


async def test_json_is_one_object_a_line(tmp_path: Path) -> None:
    """``--json`` prints one object an image, in the order of the command line, in WeChat's shape."""
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for number, path in enumerate(paths):
        path.write_bytes(pictures.qr_png(f"code {number} 码"))
    code, out, _ = await run("scan-qrcode", "--json", "--sandbox", *map(str, paths))
    rows = [json.loads(line) for line in out.splitlines()]

    assert code == 0
    assert [row["image"] for row in rows] == [str(path) for path in paths]
    assert [row["answers"]["scan_qrcode"]["code_results"][0]["data"] for row in rows] == [
        f"code {n} 码" for n in range(3)
    ]
    assert {(row["status"], row["error"]) for row in rows} == {("ok", None)}


async def test_one_bad_image_among_ten_costs_one_line(tmp_path: Path) -> None:
    """Of ten images one is no image: an object for each, one line on stderr that names it, exit code 1."""
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for path in paths:
        path.write_bytes(pictures.qr_png("x"))
    paths[4].write_text("not an image")
    code, out, err = await run("scan-qrcode", "--json", "--sandbox", *map(str, paths))

    assert code == 1
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["status"] for row in rows] == ["ok"] * 4 + ["failed"] + ["ok"] * 5
    assert rows[4]["answers"] == {}
    assert rows[4]["error"].pop("message").startswith(f"{paths[4]}: not a supported image")
    assert rows[4]["error"] == {
        "endpoint": "scan_qrcode",
        "type": "UnsupportedImageError",
        "errcode": None,
        "sends": 0,
        "retryable": False,
        "account_wide": False,
        "resets_at": None,
    }
    (line,) = err.splitlines()
    assert str(paths[4]) in line
    assert "not a supported image" in line


async def test_an_image_without_codes_says_so(tmp_path: Path) -> None:
    """A table for an image with nothing in it says that nothing was found."""
    path = tmp_path / "blank.png"
    path.write_bytes(pictures.padded_png(2000))
    code, out, _ = await run("read", "--sandbox", str(path))

    assert code == 0
    assert re.findall(r"(\w+) +\(none found\)", out) == ["scan_qrcode", "printed_text"]


@pytest.mark.parametrize("words", [("scan-qrcode",), ("call", "scan-qrcode"), ("read",)], ids=" ".join)
async def test_fit_makes_a_large_picture_smaller(
    tmp_path: Path, box: Sandbox, words: tuple[str, ...]
) -> None:
    """With --fit a photo of more than 2 MB is sent with less and read; without it, it is not sent."""
    path = tmp_path / "photo.png"
    photo = pictures.noise(900, 900)
    photo.paste(pictures.opened(pictures.qr_png("corner", scale=9)), (300, 300))
    path.write_bytes(pictures.to_bytes(photo))
    env = environment(box.base_url, WXCV_APPID=box.appid, WXCV_SECRET=box.secret)
    refused = await run(*words, str(path), env=env)
    code, out, err = await run(*words, "--fit", str(path), env=env)

    assert path.stat().st_size > LIMIT
    assert (refused[0], "it has " in refused[2]) == (1, True)
    assert (code, err, "corner" in out) == (0, "", True)
    assert {0 < it.size < LIMIT for it in box.received} == {True}


async def test_without_credentials_both_ways_are_told() -> None:
    """Without an account the command names the variables and the sandbox, and exits with 3."""
    code, out, err = await run("read", str(PARCEL))

    assert (code, out) == (3, "")
    assert "WXCV_APPID and WXCV_SECRET" in err
    assert "--sandbox" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("handler", "token_page", "expected"),
    [
        (refusing(45009, "reach max api daily quota limit"), None, 4),
        (refusing(101003, "not enough market quota"), None, 4),
        (refusing(48001, "api unauthorized"), None, 3),
        (refusing(40001), None, 3),
        (refusing(0), refusing(40125, "invalid appsecret"), 3),
        (refusing(101002, "invalid image data"), None, 1),
    ],
    ids=["day", "pack", "permission", "token", "secret", "image"],
)
async def test_the_exit_code_tells_the_kind(
    tmp_path: Path,
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    token_page: Callable[[web.Request], Awaitable[web.StreamResponse]] | None,
    expected: int,
) -> None:
    """The exit code is 1 for a failed image, 3 for the account and 4 for the quota, after which it stops.

    What was in flight at the first refusal is refused too; all that was not sent is one line.
    """
    path = tmp_path / "a.png"
    path.write_bytes(pictures.qr_png("x"))
    code, out, err = await run_against(
        handler, "printed-text", "--json", *[str(path)] * 40, token_page=token_page
    )
    rows = [json.loads(line) for line in out.splitlines()]

    assert (code, len(rows)) == (expected, 40)
    assert {row["status"] for row in rows} <= {"failed", "not_sent"}
    assert {row["error"]["account_wide"] for row in rows} == {expected != 1}
    assert len(err.splitlines()) == 40 if expected == 1 else len(err.splitlines()) <= 9
    assert "MARKED" not in err + out


async def test_bad_usage_exits_with_two() -> None:
    """A missing image and an unknown option exit with 2."""
    assert [(await run(*words))[0] for words in (["read"], ["read", "--nothing", "x"])] == [2, 2]


async def test_settings_that_cannot_be_used_exit_with_two() -> None:
    """A time of nothing, and a host that is none, are told in one line and exit with 2."""
    code, _, err = await run("read", "--timeout", "0", "x.png", env={"COLUMNS": "200"})
    assert (code, "must be a number of seconds above 0" in err) == (2, True)
    for host in ("a b", "a..b"):
        code, out, err = await run("sandbox", "--host", host)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "host must be" in err


async def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A code that holds an escape sequence is printed harmlessly."""
    path = tmp_path / "evil.png"
    path.write_bytes(pictures.qr_png("x"))

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(code_results=[{"type_name": "QR_CODE", "data": "\x1b[31mred\nnext [bold]b[/bold]"}])

    code, out, _ = await run_against(call, "scan-qrcode", str(path))

    assert code == 0
    assert "\x1b" not in out
    assert r"\x1b[31mred\nnext [bold]b[/bold]" in out


async def test_what_cannot_be_encoded_is_escaped(tmp_path: Path) -> None:
    """A file name that is not UTF-8 and an ASCII terminal do not stop the printing."""
    path = tmp_path / os.fsdecode(b"bad\xff.png")
    path.write_bytes(pictures.qr_png("x"))

    async def call(request: web.Request) -> web.StreamResponse:
        await request.read()
        return answer(code_results=[{"type_name": "QR_CODE", "data": "码 \ud800"}])

    for words in (["--json"], []):
        async with api_server(call) as url:
            env = {"WXCV_APPID": "wx1", "WXCV_SECRET": "s", "WXCV_BASE_URL": url, "PYTHONIOENCODING": "ascii"}
            code, out, err = await run("scan-qrcode", *words, str(path), env=env)
        assert (code, err) == (0, "")
        assert r"\u7801 \ud800" in out


async def test_the_query_of_a_url_is_not_printed() -> None:
    """The query of an image's URL, which may hold a signature, stands in no message."""
    url = "https://example.com/a.png?sign=MARKED"
    _, _, err = await run_against(refusing(101000, "invalid image url"), "scan-qrcode", url)

    assert "https://example.com/a.png: scan_qrcode: errcode 101000" in err
    assert "MARKED" not in err


async def test_the_version_is_printed() -> None:
    """``--version`` prints the installed version."""
    assert await run("--version") == (0, f"wxcv {VERSION}\n", "")


@pytest.mark.parametrize(
    ("missing", "words", "line"),
    [
        ("typer", ["--version"], 'python -m pip install "wxcv[cli]"'),
        ("rich", ["--version"], 'python -m pip install "wxcv[cli]"'),
        ("zxingcpp", ["read", "--sandbox", "x.png"], 'python -m pip install "wxcv[sandbox]"'),
        ("PIL", ["sandbox", "--port", "0"], 'python -m pip install "wxcv[sandbox]"'),
        ("PIL", ["scan-qrcode", "--fit", "x.png"], 'python -m pip install "wxcv[fit]"'),
        ("PIL", ["scan-qrcode", "--annotate", "o.png", "x.png"], 'python -m pip install "wxcv[fit]"'),
    ],
)
async def test_a_missing_extra_is_one_line(tmp_path: Path, missing: str, words: list[str], line: str) -> None:
    """Without an extra, one line says exactly what to install, and the exit code is 2."""
    hide = (
        "import sys\n"
        "class Hide:\n"
        "    def __init__(self, finder):\n"
        "        self.finder = finder\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        hidden = name.split('.')[0] == {missing!r}\n"
        "        return None if hidden else self.finder.find_spec(name, path, target)\n"
        "sys.meta_path[:] = [Hide(finder) for finder in sys.meta_path]\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hide)
    code, out, err = await run(*words, env={"PYTHONPATH": str(tmp_path), "WXCV_ACCESS_TOKEN": "t"})

    assert (code, out) == (2, "")
    assert line in err
    assert len(err.splitlines()) == 1


async def test_a_port_in_use_is_told() -> None:
    """A port that is taken is one line, with the remedy, and exit code 2."""
    async with api_server(refusing(0)) as url:
        code, _, err = await run("sandbox", "--port", url.rsplit(":", 1)[1])

    assert code == 2
    assert "try another --host or --port" in err
