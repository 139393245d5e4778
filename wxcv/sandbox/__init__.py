"""Testing with the sandbox: a local stand-in for WeChat that decodes real images.

`Sandbox` serves WeChat's token endpoints and the cv endpoints on an address of this machine: it reads codes
and text and finds crops itself, and answers for the others what `box.answer` sets. It needs no account. A
session connects to it like to WeChat:

```python
async with Sandbox() as box:
    credential = wxcv.AppCredential(box.appid, box.secret)
    async with wxcv.Session(credential, base_url=box.base_url) as session:
        scan = await session.scan_qrcode("parcel.png")
    assert box.requests["/cv/img/qrcode"] == 1
    assert box.received[0].content_type == "image/png"
```

It needs the extra `sandbox` to read codes, and `sandbox-ocr`, which is large, to read text: `python -m pip
install "wxcv[sandbox-ocr]"` installs both. `wxcv sandbox --port 8080` serves it for programs in any
language.

## A fixture

Start one sandbox per test; it takes milliseconds. With pytest and pytest-asyncio:

```python
@pytest_asyncio.fixture
async def session():
    async with Sandbox() as box:
        credential = wxcv.AppCredential(box.appid, box.secret)
        async with wxcv.Session(credential, base_url=box.base_url) as session:
            yield session
```

## Faults

Any path can be made to fail. `box.fail_next` queues faults for the next requests, one each;
`box.fail_always` applies one to all of them; `box.clear_faults` removes them:

```python
box.fail_next("/cv/img/qrcode", Fault(status=503), None)  # the first request fails, the second does not
box.fail_always("/cv/ocr/comm", Fault(errcode=45009))  # the daily quota is used up
box.fail_next("/cgi-bin/stable_token", Fault(drop="after"))  # a token is issued, but its response is lost
```

## Endpoints that it cannot read

`box.answer` sets what an endpoint answers to any image, here for cards and for an endpoint of your own;
until then WeChat's endpoints answer 101001:

```python
box.answer("/cv/ocr/idcard", {"type": "Front", "name": "...", "id": "..."})
box.answer("/cv/img/logo", {"name": "wxcv"})
```

## Time and quotas

Tokens, tickets and quotas follow the function that is passed as `clock`, so that a test need not wait two
hours for a token to expire. `box.revoke(token)` makes a token invalid at once.
`Sandbox(quota=Quota(per_day=100))` limits calls, and `box.usage(path)` returns how many counted.

## Third-party platforms and cloud hosting

The sandbox also acts as a third-party platform (`box.component_appid`, `box.component_appsecret`,
`box.ticket`, `box.authorize`) and as cloud hosting (`box.cloud_token`, `Sandbox(relay=True)`).

## How true it is

The sandbox follows WeChat's documentation. What the documentation leaves open is a switch of `Choices`,
whose docstring explains each default. It shares no code with the client, so that the two cannot share a
mistake. Its decoders are not WeChat's: they may read more, or less, than WeChat would.
"""

from wxcv.sandbox.faults import Fault
from wxcv.sandbox.pages.uploads import Received
from wxcv.sandbox.server import Sandbox
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.quotas import Quota, Usage

__all__ = ["Choices", "Fault", "Quota", "Received", "Sandbox", "Usage"]
