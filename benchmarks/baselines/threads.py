"""Who uploads from threads: requests and wechatpy, each with one client for all threads.

Both get a pool with a connection for each thread; with their default of 10 they would connect anew most of
the time, and lose by more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness.answerer import DATA, TOKEN
from benchmarks.harness.core import require

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor

    Send = Callable[[bytes], str]

_PATH = "/cv/img/qrcode"


def with_requests(base_url: str, threads: int) -> Send:
    """Send with a requests.Session."""
    import requests
    from requests.adapters import HTTPAdapter

    http = requests.Session()
    http.mount(base_url, HTTPAdapter(pool_maxsize=threads))
    url = base_url + _PATH

    def send(data: bytes) -> str:
        file = {"img": ("image.jpg", data, "image/jpeg")}
        response = http.post(url, params={"access_token": TOKEN}, files=file, timeout=300)
        text: str = response.json()["code_results"][0]["data"]
        return text

    return send


def with_wechatpy(base_url: str, threads: int) -> Send:
    """Send with a wechatpy.WeChatClient: it knows no image calls, so its own `post` gets the whole URL."""
    from requests.adapters import HTTPAdapter
    from wechatpy import WeChatClient  # type: ignore[import-untyped]

    client = WeChatClient("wx0000000000000000", "secret", access_token=TOKEN)
    client._http.mount(base_url, HTTPAdapter(pool_maxsize=threads))  # noqa: SLF001 - to its advantage
    url = base_url + _PATH

    def send(data: bytes) -> str:
        text: str = client.post(url, files={"img": ("image.jpg", data, "image/jpeg")})["code_results"][0][
            "data"
        ]
        return text

    return send


CLIENTS = {"requests, threads": with_requests, "wechatpy, threads": with_wechatpy}


def send_all(pool: ThreadPoolExecutor, send: Send, data: bytes, calls: int) -> None:
    """Send a picture so many times from the threads of a pool; fail on a wrong answer."""
    answers = list(pool.map(send, [data] * calls))
    require(is_true=answers == [DATA] * calls, otherwise="an answer says something else than the picture")
