"""A local WeChat: the token calls and the two cv calls, with real decoders, on an address of this machine.

For tests and for trying things out without an account:

    async with Sandbox() as box:
        ...  # talk to box.base_url with box.appid and box.secret

It is also a third-party platform (`box.component_appid`, `box.ticket`, `box.authorize`) and cloud hosting
(`box.cloud_token`, `Sandbox(relay=True)`). All tokens age on the clock that a test passes in.
Any path can be made to fail (`Fault`, `box.fail_next`, `box.fail_always`), and calls be limited (`Quota`).

It shares no code with the client, so that the two cannot share a mistake. What WeChat's pages leave open is
a switch of `Choices`. It needs the extra `sandbox` to read codes, and `sandbox-ocr`, which is large, to read
text: `pip install 'wxcv[sandbox-ocr]'` installs both.
"""

from wxcv.sandbox.faults import Fault
from wxcv.sandbox.pages.uploads import Received
from wxcv.sandbox.server import Sandbox
from wxcv.sandbox.wechat.choices import Choices
from wxcv.sandbox.wechat.quotas import Quota, Usage

__all__ = ["Choices", "Fault", "Quota", "Received", "Sandbox", "Usage"]
