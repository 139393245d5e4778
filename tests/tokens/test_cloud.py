"""Cloud hosting, and tokens that someone else fetched, from end to end against a sandbox."""

from __future__ import annotations

import asyncio
import functools
import os
from typing import TYPE_CHECKING

import pytest
from support.pictures import PICTURE
from support.steps import ASKED, run

import wxcv
from wxcv.sandbox import Fault, Sandbox

if TYPE_CHECKING:
    from pathlib import Path


from typing import TYPE_CHECKING

from wxcv.protocol.answers import Response
from wxcv.tokens.credential import (
    ReadFile,
)


async def test_the_mounted_token_is_used_and_read_again(box: Sandbox, tmp_path: Path) -> None:
    """The file's token is sent by its own name, and after a refusal the file is read again."""
    path = tmp_path / "token"
    path.write_text(box.cloud_token() + "\n")
    async with wxcv.Session(wxcv.CloudCredential(str(path)), base_url=box.base_url) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results
        box.revoke((await session.token()).value)
        path.write_text(box.cloud_token())

        assert (await session.scan_qrcode(PICTURE)).code_results
        assert (await session.token()).kind == "cloud"


async def test_a_missing_token_file_is_told(box: Sandbox, tmp_path: Path) -> None:
    """Without the mounted file a call ends in a ConnectError that names it and asks about cloud hosting."""
    async with wxcv.Session(wxcv.CloudCredential(str(tmp_path / "none")), base_url=box.base_url) as session:
        with pytest.raises(wxcv.ConnectError, match=r"none cannot be read .*cloud hosting") as caught:
            await session.scan_qrcode(PICTURE)

    assert caught.value.errno == 2
    assert not box.requests


@pytest.mark.parametrize("kind", ["a FIFO", "a directory", "an endless file"])
async def test_what_is_no_token_file_is_told(box: Sandbox, tmp_path: Path, kind: str) -> None:
    """What is no regular file of a token's size ends in a ConnectError at once, and nothing waits on it."""
    path = tmp_path / "token"
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a directory":
        path.mkdir()
    elif kind == "an endless file":
        path.write_bytes(b"x" * 100_000)
    async with wxcv.Session(wxcv.CloudCredential(str(path)), base_url=box.base_url) as session:
        with pytest.raises(wxcv.ConnectError, match=r"cannot be read \("):
            await session.token()


async def test_a_token_file_that_is_being_written_costs_no_call(box: Sandbox, tmp_path: Path) -> None:
    """A file that is empty for a moment is read again after a few seconds, and no call fails."""
    clock, path = wxcv.ManualClock(), tmp_path / "token"
    path.write_text(box.cloud_token())
    async with wxcv.Session(wxcv.CloudCredential(str(path)), base_url=box.base_url, clock=clock) as session:
        await session.scan_qrcode(PICTURE)
        path.write_text("")
        clock.advance(50)
        await session.scan_qrcode(PICTURE)  # which has the file read behind its back
        reading = session._state.tokens._refreshing[session._credential.key].task
        assert reading is not None
        while not reading.done():
            clock.advance(0.5)  # through the waits between tries
            await asyncio.sleep(0.001)
        path.write_text(box.cloud_token())
        clock.advance(5)
        await session.scan_qrcode(PICTURE)
        clock.advance(5)

        assert (await session.scan_qrcode(PICTURE)).code_results


async def test_relayed_calls_need_no_token() -> None:
    """Behind the sidecar a call carries no token and asks for none."""
    async with Sandbox(relay=True) as box:
        async with wxcv.Session(wxcv.CloudRelayCredential(), base_url=box.base_url) as session:
            assert (await session.scan_qrcode(PICTURE)).code_results

        assert not box.tokens_issued
        assert set(box.requests) == {"/cv/img/qrcode"}


async def test_a_relay_outlives_a_refusal() -> None:
    """Calls of a relay go on after WeChat has refused one for its token, and after invalidate_token()."""
    async with Sandbox(relay=True) as box:
        async with wxcv.Session(wxcv.CloudRelayCredential(), base_url=box.base_url) as session:
            box.fail_next("/cv/img/qrcode", Fault(errcode=40001), Fault(errcode=40001))
            with pytest.raises(wxcv.TokenRejectedError):
                await session.scan_qrcode(PICTURE)
            session.invalidate_token()

            assert (await session.scan_qrcode(PICTURE)).code_results


async def test_a_call_that_was_not_relayed_is_told(box: Sandbox) -> None:
    """An answer without the sidecar's header is a ProtocolError with the remedy."""
    async with wxcv.Session(wxcv.CloudRelayCredential(), base_url=box.base_url) as session:
        with pytest.raises(wxcv.ProtocolError, match="not relayed"):
            await session.scan_qrcode(PICTURE)


def test_the_relay_goes_by_plain_http_to_wechat() -> None:
    """Without base_url relayed calls go by plain http to WeChat's name; no other kind may."""
    session = wxcv.Session(wxcv.CloudRelayCredential())

    assert session._state.transport._main.url == "http://api.weixin.qq.com"
    with pytest.raises(ValueError, match="plain http"):
        wxcv.Session(wxcv.CloudCredential(), base_url="http://api.weixin.qq.com")


def test_a_secret_does_not_go_by_the_plain_http_of_the_relay() -> None:
    """Another account of a relay's session is refused if its secret would be sent over plain HTTP."""
    relay, app = wxcv.CloudRelayCredential(), wxcv.AppCredential("wx1", "s")
    with pytest.raises(ValueError, match="the session's base_url is plain http"):
        wxcv.Session(relay).on_behalf_of(app)

    for session in (wxcv.Session(relay, allow_http=True), wxcv.Session(relay, base_url="https://h")):
        assert session.on_behalf_of(app).on_behalf_of(app) is not session
    with pytest.raises(ValueError, match="plain http"):
        wxcv.Session(relay).on_behalf_of(relay).on_behalf_of(app)


async def test_a_static_token_is_used_until_it_is_refused(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A static token serves calls; once refused, calls end with its refusal and nothing is sent any more."""
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        value = (await session.token()).value
    async with wxcv.Session(wxcv.StaticTokenCredential(value), base_url=box.base_url) as session:
        assert (await session.scan_qrcode(PICTURE)).code_results
        box.revoke(value)
        for sent in (2, 2, 2):
            with pytest.raises(wxcv.TokenRejectedError, match="40001"):
                await session.scan_qrcode(PICTURE)
            assert box.requests["/cv/img/qrcode"] == sent


async def test_a_central_token_service_is_asked_again_after_a_refusal(
    box: Sandbox, credential: wxcv.AppCredential
) -> None:
    """A token function is called with None first and with the refused token after a refusal."""
    asked: list[str | None] = []
    async with wxcv.Session(credential, base_url=box.base_url) as central:

        async def function(refused: str | None) -> wxcv.AccessToken:
            asked.append(refused)
            if refused:
                central.invalidate_token()
            return await central.token()

        async with wxcv.Session(wxcv.CallbackCredential(function), base_url=box.base_url) as session:
            await session.scan_qrcode(PICTURE)
            old = (await session.token()).value
            box.revoke(old)
            assert (await session.scan_qrcode(PICTURE)).code_results

    assert asked == [None, old]


async def test_closing_ends_a_token_function() -> None:
    """Closing cancels a token function, tells its caller, and it is never called again."""
    calls, begun, ended = [], asyncio.Event(), asyncio.Event()

    async def function(_refused: str | None) -> wxcv.AccessToken:
        calls.append(1)
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        raise AssertionError

    session = wxcv.Session(wxcv.CallbackCredential(function), base_url="http://127.0.0.1:1")
    waiting = asyncio.create_task(session.token())
    await begun.wait()
    await session.aclose(grace=0)

    assert ended.is_set()
    with pytest.raises(wxcv.SessionClosedError):
        await waiting
    with pytest.raises(wxcv.SessionClosedError):
        await session.token()
    assert len(calls) == 1


def test_the_repr_of_a_session_hides_what_its_function_holds() -> None:
    """Arguments bound to a token function, which may be secrets, are not shown."""

    async def function(_secret: str, _refused: str | None) -> wxcv.AccessToken:
        raise AssertionError

    credential = wxcv.CallbackCredential(functools.partial(function, "MARKED-SECRET"))

    assert "MARKED" not in repr(wxcv.Session(credential))


async def test_an_error_of_ours_from_a_token_function_is_passed_on(box: Sandbox) -> None:
    """A WxcvError that a token function raises reaches the caller as it is."""

    async def function(_refused: str | None) -> wxcv.AccessToken:
        raise wxcv.QuotaExhaustedError(45009, "central service out of quota")

    async with wxcv.Session(wxcv.CallbackCredential(function), base_url=box.base_url) as session:
        with pytest.raises(wxcv.QuotaExhaustedError, match="central service"):
            await session.scan_qrcode(PICTURE)


async def test_from_env_takes_a_token(
    box: Sandbox, credential: wxcv.AppCredential, monkeypatch: pytest.MonkeyPatch
) -> None:
    """from_env takes WXCV_ACCESS_TOKEN by itself, and refuses it beside an appid."""
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        monkeypatch.setenv("WXCV_ACCESS_TOKEN", (await session.token()).value)
    monkeypatch.setenv("WXCV_BASE_URL", box.base_url)
    async with wxcv.Session.from_env() as session:
        assert (await session.scan_qrcode(PICTURE)).code_results

    monkeypatch.setenv("WXCV_APPID", "wx1")
    with pytest.raises(ValueError, match="not both"):
        wxcv.Session.from_env()


def test_a_cloud_token_is_read_and_stripped() -> None:
    """The mounted file's token loses its white space and is sent as cloudbase_access_token."""
    credential = wxcv.CloudCredential("/mnt/token")
    steps, token = run(credential.refresh(ASKED), b" MARKED-T\n")

    assert steps == [ReadFile("/mnt/token")]
    assert (token.value, token.kind, credential.token_parameter) == (
        "MARKED-T",
        "cloud",
        "cloudbase_access_token",
    )
    assert token.expires_in == 60.0
    with pytest.raises(wxcv.ConnectError, match=r"/mnt/token cannot be read .*cloud hosting"):
        run(credential.refresh(ASKED), FileNotFoundError(2, "No such file or directory"))
    for content in (b"\n", b"two words", b"\xff"):
        with pytest.raises(wxcv.ConnectError, match=r"/mnt/token holds no token"):
            run(credential.refresh(ASKED), content)


def test_the_relay_has_no_token() -> None:
    """Relayed calls carry no token, and go by plain http to WeChat's name."""
    credential = wxcv.CloudRelayCredential()
    _, token = run(credential.refresh(ASKED))

    assert (token.value, credential.token_parameter, credential.base_url) == (
        "",
        "",
        "http://api.weixin.qq.com",
    )


@pytest.mark.parametrize(
    ("status", "headers", "message"),
    [
        (200, {}, "was not relayed.*build a new version"),
        (404, {}, r"was not relayed.*HTTP status 404"),
        (502, {"x-openapi-seqid": "1"}, "allow-list"),
    ],
)
def test_the_relay_tells_what_is_not_set_up(status: int, headers: dict[str, str], message: str) -> None:
    """An answer not relayed, or relayed nowhere, is a ProtocolError with the remedy, not retryable."""
    with pytest.raises(wxcv.ProtocolError, match=message) as caught:
        wxcv.CloudRelayCredential().check(Response(status, headers, b""))

    assert not caught.value.retryable


def test_a_relayed_answer_passes() -> None:
    """An answer with the sidecar's header is left to be decoded."""
    wxcv.CloudRelayCredential().check(Response(200, {"x-openapi-seqid": "1"}, b""))
