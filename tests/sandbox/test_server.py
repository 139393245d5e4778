"""The sandbox as a server: how it starts, counts and ends."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import subprocess
import sys
import threading
import types

import aiohttp
import pytest
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import Now, calling, said

from wxcv.sandbox import Received, Sandbox

RID = re.compile(r" rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$")


async def test_listens_on_a_free_port_of_this_machine_and_has_an_account_like_wechats() -> None:
    """A started sandbox has a base URL with a port of its own, an appid and a secret of WeChat's shape."""
    async with Sandbox() as one, Sandbox() as two:
        assert re.fullmatch(r"http://127\.0\.0\.1:[1-9][0-9]*", one.base_url)
        assert one.base_url != two.base_url
        assert re.fullmatch("wx[0-9a-f]{16}", one.appid)
        assert re.fullmatch("[0-9a-f]{32}", one.secret)
        assert (one.appid, one.secret) != (two.appid, two.secret)


async def test_account_can_be_given() -> None:
    """Tokens are given out for the appid and the secret that were passed in."""
    async with calling(appid="wxaccount", secret="given") as caller:
        assert (caller.box.appid, caller.box.secret) == ("wxaccount", "given")
        assert "access_token" in await caller.stable()


async def test_who_listens_everywhere_is_reached_on_this_machine() -> None:
    """A sandbox on all addresses gives one of this machine as its base URL, and answers there."""
    async with Sandbox(host="0.0.0.0") as box, aiohttp.ClientSession() as http:
        assert box.base_url.startswith("http://127.0.0.1:")
        async with http.get(box.base_url + "/nothing") as answer:
            assert answer.status == 200


async def test_answers_on_ipv6() -> None:
    """An IPv6 address stands in brackets in the base URL."""
    async with calling(host="::1") as caller:
        assert caller.box.base_url.startswith("http://[::1]:")
        assert "access_token" in await caller.stable()


def test_base_url_before_the_start_is_an_error() -> None:
    """A sandbox that is not started has no base URL."""
    with pytest.raises(RuntimeError, match="not started"):
        _ = Sandbox().base_url


async def test_cannot_be_started_twice() -> None:
    """Starting a started sandbox raises and leaves it running."""
    async with calling() as caller:
        with pytest.raises(RuntimeError, match="already started"):
            await caller.box.start()
        assert "access_token" in await caller.stable()


async def test_can_be_closed_twice_and_started_again() -> None:
    """After closing, a second close does nothing, and a new start answers with the tokens of before."""
    box = Sandbox()
    await box.start()
    await box.aclose()
    await box.aclose()

    async with aiohttp.ClientSession() as http, box, http.get(box.base_url) as answer:
        assert answer.status == 200


async def test_two_starts_at_once_start_one_server() -> None:
    """Of two tasks that start a sandbox, the second is told that it is started already."""
    box = Sandbox()
    results = await asyncio.gather(box.start(), box.start(), return_exceptions=True)
    await box.aclose()

    assert [str(result) for result in results] == ["None", "the sandbox is already started"]


async def test_port_in_use_is_told_and_leaves_nothing_open() -> None:
    """When the port is taken, start raises OSError, and the sandbox can still be started elsewhere."""
    async with Sandbox() as first:
        second = Sandbox(port=int(first.base_url.rpartition(":")[2]))
        with pytest.raises(OSError, match="address already in use"):
            await second.start()

    async with second:
        assert second.base_url == f"http://127.0.0.1:{second.base_url.rpartition(':')[2]}"


async def test_closing_ends_its_threads() -> None:
    """No thread of a sandbox is left when it is closed."""
    async with calling() as caller:
        await caller.upload(QRCODE, pictures.qr_png("hi"))
        assert _threads()

    assert not _threads()


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("wxcv-sandbox")]


async def test_repr_does_not_show_the_secret() -> None:
    """The repr shows the address and the appid, and not the secret."""
    box = Sandbox(secret="hush-hush")

    assert repr(box) == f"<Sandbox not started appid={box.appid}>"
    async with box:
        assert repr(box) == f"<Sandbox {box.base_url} appid={box.appid}>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("host", ""),
        ("host", 127),
        ("host", "a..b"),
        ("host", f"{'a' * 64}.example"),
        ("port", -1),
        ("port", 65_536),
        ("port", "80"),
        ("appid", ""),
        ("appid", "wx 1"),
        ("secret", "hush\n"),
        ("secret", "hüsh"),
        ("clock", 12.5),
        ("size_limit", 0),
        ("size_limit", True),
        ("token_life", 0),
        ("token_life", 1.5),
        ("allow_loopback", 1),
        ("relay", None),
        ("choices", {"exif": "apply"}),
    ],
)
def test_bad_argument_is_named(name: str, value: object) -> None:
    """An argument that cannot be used is named in the error."""
    with pytest.raises((TypeError, ValueError), match=f"^{name} must be"):
        Sandbox(**{name: value})


def test_bad_secret_is_not_shown() -> None:
    """The error about a secret does not hold the secret."""
    with pytest.raises(ValueError, match="secret") as caught:
        Sandbox(secret="hush hush")

    assert "hush" not in str(caught.value)


async def test_missing_package_is_told_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a package of the extra, start raises ImportError with the install command."""
    monkeypatch.setitem(sys.modules, "zxingcpp", None)

    with pytest.raises(ImportError, match=r'needs zxing-cpp .*pip install "wxcv\[sandbox\]"'):
        await Sandbox().start()


@pytest.mark.parametrize("path", ["/", "/cv/img/unknown", "/cv/img/qrcode/", "/cv/img/qrcode%0A", "//x"])
async def test_unknown_path_is_an_invalid_url(path: str) -> None:
    """A path that is not served is 40066 in HTTP status 200, by any method, with and without a token."""
    async with calling() as caller:
        assert said(await caller.call("GET", path)) == (40066, "invalid url")
        assert said(await caller.call("DELETE", path)) == (40066, "invalid url")
        assert said(await caller.upload(path, pictures.blank_png())) == (40066, "invalid url")


async def test_large_body_to_an_unknown_path_is_answered() -> None:
    """A sender of 8 MiB to a path that is not served gets to read its JSON answer."""
    async with calling() as caller:
        answer = await caller.call("POST", "/cv/img/unknown", data=io.BytesIO(bytes(8 * 1024 * 1024)))

    assert answer["errcode"] == 40066


async def test_errors_end_with_a_request_id_that_starts_with_the_time() -> None:
    """A refusal has the text, then a rid of three groups, the first of which is the Unix time in hex."""
    now = Now()
    async with calling(clock=now) as caller:
        answer = await caller.call("GET", QRCODE)

    assert answer.keys() == {"errcode", "errmsg"}
    assert RID.sub("", answer["errmsg"]) == "access_token missing"
    assert f" rid: {int(now.seconds):08x}-" in answer["errmsg"]


async def test_requests_are_counted_by_path_as_they_arrive() -> None:
    """The counter has each path that was asked for, served or not."""
    async with calling() as caller:
        await caller.upload(QRCODE, pictures.blank_png())
        await caller.upload(QRCODE, pictures.blank_png())
        async with caller.http.get(caller.box.base_url + "/else"):
            pass

        assert caller.box.requests == {QRCODE: 2, "/cgi-bin/stable_token": 1, "/else": 1}


async def test_received_tells_of_each_cv_request_and_its_errcode() -> None:
    """Requests to the cv pages are kept in order, with what their image part said of itself."""
    image = pictures.blank_png()
    head = (
        b'--b\r\nContent-Disposition: form-data; name="img"; filename="p.png"\r\n'
        b"Content-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    )
    async with calling() as caller:
        await caller.call("GET", COMM)
        await caller.call(
            "POST",
            QRCODE,
            params=await caller.token(),
            data=head % len(image) + image + b"\r\n--b--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )

        first, second = caller.box.received
    assert first == Received(path=COMM, method="GET", errcode=41001)
    assert (second.path, second.method, second.errcode) == (QRCODE, "POST", 0)
    assert (second.filename, second.content_type) == ("p.png", "image/png")
    assert (second.size, second.part_length) == (len(image), len(image))


async def test_received_tells_of_an_upload_whose_token_was_refused() -> None:
    """An image that came with a bad token is recorded, with its digest and the errcode 40001."""
    async with calling() as caller:
        form = aiohttp.FormData()
        form.add_field("img", b"abc", filename="a.png")
        await caller.call("POST", QRCODE, params={"access_token": "no"}, data=form)

        (only,) = caller.box.received
    assert (only.errcode, only.size, only.part_length) == (40001, 3, None)
    assert only.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


async def test_sender_that_goes_away_is_not_recorded(caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends in the middle of an upload leaves no record and no line in the log."""
    async with calling() as caller:
        host, port = caller.box.base_url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"POST /cv/img/qrcode HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        )
        await writer.drain()
        while not caller.box.requests:
            await asyncio.sleep(0)
        writer.close()
        await writer.wait_closed()

    assert not caller.box.received
    assert not caplog.records


async def test_engine_that_breaks_is_answered_with_system_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the sandbox itself is errcode -1, is logged, and the log does not hold the token."""
    broken = types.ModuleType("zxingcpp")
    async with calling() as caller:
        token = (await caller.token())["access_token"]
        monkeypatch.setitem(sys.modules, "zxingcpp", broken)
        answer = await caller.upload(QRCODE, pictures.blank_png())

    assert (answer["errcode"], RID.sub("", answer["errmsg"])) == (-1, "system error")
    assert [record.levelno for record in caplog.records if record.name == "wxcv.sandbox"] == [logging.ERROR]
    assert token not in caplog.text


QUIET = """
import asyncio, sys, aiohttp
from wxcv.sandbox import Sandbox

async def main():
    async with Sandbox() as box, aiohttp.ClientSession(box.base_url) as http:
        fields = {"grant_type": "client_credential", "appid": box.appid, "secret": box.secret}
        async with http.post("/cgi-bin/stable_token", json=fields) as answer:
            token = (await answer.json(content_type=None))["access_token"]
        form = aiohttp.FormData()
        form.add_field("img", bytes.fromhex(sys.argv[1]), filename="a.png")
        async with http.post("/cv/ocr/comm", params={"access_token": token}, data=form) as answer:
            print(await answer.text())

asyncio.run(main())
"""


def test_says_nothing_by_itself() -> None:
    """Loading the engines and reading a picture without text prints and logs nothing."""
    run = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", QUIET, pictures.blank_png().hex()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert run.stdout == '{"errcode":0,"errmsg":"ok","items":[],"img_size":{"w":64,"h":64}}\n'
    assert run.stderr == ""
