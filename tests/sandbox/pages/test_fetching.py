"""How the sandbox fetches an img_url."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web
from support import pictures
from support.pages import COMM, QRCODE
from support.sandbox_calls import calling, serving

from wxcv.sandbox.pages.fetching import Fetcher, FetchError, may_connect


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_image_behind_a_url_is_read(method: str) -> None:
    """An img_url in the query is fetched once, and the image is read as an upload is."""
    image = pictures.qr_png("by url")
    async with serving(image) as (url, asked), calling(allow_loopback=True) as caller:
        answer = await caller.by_url(f"{url}/a%20b.png?size=1", method=method)
        uploaded = await caller.upload(QRCODE, image)

    assert answer == uploaded
    assert asked == ["/a b.png"]


async def test_text_behind_a_url_is_read() -> None:
    """The text page takes an img_url as well."""
    async with serving(pictures.text_png(["by url"])) as (url, _), calling(allow_loopback=True) as caller:
        answer = await caller.by_url(url, path=COMM)

    assert [item["text"] for item in answer["items"]] == ["by url"]


async def test_loopback_needs_the_switch() -> None:
    """Without `allow_loopback` no spelling of this machine is connected to, and the answer is 101000."""
    async with serving(pictures.qr_png("hi")) as (url, asked), calling() as caller:
        port = url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1", "0x7f000001", "0.0.0.0"):
            answer = await caller.by_url(f"http://{host}:{port}/")
            assert answer["errcode"] == 101000, host
            assert answer["errmsg"].startswith("invalid image url rid: ")

    assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/a.png",
        "file:///etc/hostname",
        "a.png",
        "https%3A%2F%2Fexample.com%2Fa.png",
        "http://",
        "http:///a.png",
        "http://[::1/",
        "http://example.com:99999/",
        "http://" + "é" * 80 + "/",
    ],
)
async def test_what_is_not_a_url_to_fetch_is_101000(url: str) -> None:
    """Another scheme, no host, or a URL that was percent-encoded twice is 101000."""
    async with calling(allow_loopback=True) as caller:
        assert (await caller.by_url(url))["errcode"] == 101000


@pytest.mark.parametrize(
    "change", [" {}", "{}/ ", "{}/\n", "{}/a\tb", "{}/\x00", "http://me:pw@{}", "http://@{}"]
)
async def test_blanks_and_user_parts_are_101000(change: str) -> None:
    """A URL with a blank, a control character or a user part is not fetched, wherever it leads."""
    async with serving(pictures.qr_png("hi")) as (url, asked), calling(allow_loopback=True) as caller:
        bad = change.format(url.removeprefix("http://") if "@" in change else url)
        assert (await caller.by_url(bad))["errcode"] == 101000

    assert asked == []


@pytest.mark.parametrize("answer", [{"status": 404}, {"status": 500}, {"status": 204}])
async def test_anything_but_200_is_101000(answer: dict[str, Any]) -> None:
    """An image that comes with another HTTP status is 101000."""
    async with serving(b"", **answer) as (url, _), calling(allow_loopback=True) as caller:
        assert (await caller.by_url(url))["errcode"] == 101000


async def test_redirects_are_not_followed() -> None:
    """A redirect is 101000, and its target is not asked."""
    async with serving(pictures.qr_png("hi")) as (target, asked):
        move = {"status": 302, "headers": {"Location": target + "/there"}}
        async with serving(b"", **move) as (url, _), calling(allow_loopback=True) as caller:
            assert (await caller.by_url(url))["errcode"] == 101000

    assert asked == []


async def test_nobody_at_the_address_is_101000() -> None:
    """A refused connection is 101000."""
    async with serving(b"") as (url, _):
        pass
    async with calling(allow_loopback=True) as caller:
        assert (await caller.by_url(url))["errcode"] == 101000


async def test_fetched_image_must_be_smaller_than_the_limit() -> None:
    """Behind a URL, 5,000 bytes are refused by a limit of 5,000 as too large, and 4,999 are read."""
    async with calling(allow_loopback=True, size_limit=5000) as caller:
        for size, errcode in ((4999, 0), (5000, 101002), (3_000_000, 101002)):
            async with serving(pictures.padded_png(size)) as (url, _):
                assert (await caller.by_url(url))["errcode"] == errcode


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment does not see the request."""
    async with serving(b"", status=502) as (proxy, asked), serving(pictures.qr_png("hi")) as (url, _):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
        async with calling(allow_loopback=True) as caller:
            assert (await caller.by_url(url))["errcode"] == 0

    assert asked == []


async def test_slow_answer_is_given_up() -> None:
    """A fetch that takes longer than it may raises FetchError."""
    fetcher = Fetcher(limit=100, allow_loopback=True, seconds=0.05)

    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"x")
        await gone.wait()
        return answer

    gone = asyncio.Event()
    server = web.ServerRunner(web.Server(drip))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    try:
        with pytest.raises(FetchError, match="TimeoutError"):
            await fetcher.fetch(f"http://127.0.0.1:{server.addresses[0][1]}/")
    finally:
        gone.set()
        await fetcher.aclose()
        await server.cleanup()


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("1.1.1.1", True),
        ("2606:4700:4700::1111", True),
        ("::ffff:1.1.1.1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("fc00::1", False),
        ("fe80::1%eth0", False),
        ("ff0e::1", False),
    ],
)
def test_only_public_addresses_are_connected_to(address: str, *, allowed: bool) -> None:
    """Private, shared, link-local, multicast and unspecified addresses are refused, mapped or not."""
    assert may_connect(address, allow_loopback=False) == allowed


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
    ],
)
def test_the_switch_allows_loopback_and_nothing_else(address: str, *, allowed: bool) -> None:
    """With `allow_loopback` this machine is allowed, and a private network still is not."""
    assert may_connect(address, allow_loopback=True) == allowed
