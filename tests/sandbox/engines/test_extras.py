"""The sandbox with the small extra only, and without any."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys

import pytest
from PIL import Image
from support import pictures
from support.places import ROOT

README = ROOT / "README.md"

HIDE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""

READ = """
import asyncio, sys, aiohttp
from wxcv.sandbox import Sandbox

async def main():
    async with Sandbox() as box, aiohttp.ClientSession(box.base_url) as http:
        fields = {"grant_type": "client_credential", "appid": box.appid, "secret": box.secret}
        async with http.post("/cgi-bin/stable_token", json=fields) as answer:
            token = (await answer.json(content_type=None))["access_token"]
        for path in ("/cv/img/qrcode", "/cv/ocr/comm", "/cv/img/qrcode"):
            form = aiohttp.FormData()
            form.add_field("img", bytes.fromhex(sys.argv[1]), filename="a.png")
            async with http.post(path, params={"access_token": token}, data=form) as answer:
                print(await answer.text())

asyncio.run(main())
"""

OCR = {"rapidocr", "onnxruntime", "numpy", "cv2"}


def run(hidden: set[str], image: bytes) -> subprocess.CompletedProcess[str]:
    """Read an image in a new interpreter that cannot import the hidden packages."""
    return subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-W", "error", "-c", HIDE.format(hidden=hidden) + READ, image.hex()],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _with_16_bits() -> bytes:
    qr = pictures.opened(pictures.qr_png("hi"))
    pixels = b"".join((60_000 if value > 127 else 20_000).to_bytes(2, "little") for value in qr.tobytes())
    return pictures.to_bytes(Image.frombytes("I;16", qr.size, pixels))


IMAGES = {"one bit": lambda: pictures.qr_png("hi"), "16 bits": _with_16_bits}


@pytest.mark.parametrize("name", IMAGES)
def test_codes_are_read_without_the_extra_for_text(name: str) -> None:
    """Without `sandbox-ocr`, and without numpy, a code is read; text is -1 and says what to install."""
    done = run(OCR, IMAGES[name]())
    first, text, last = done.stdout.splitlines()

    assert (done.returncode, done.stderr) == (0, "")
    assert '"type_name":"QR_CODE","data":"hi"' in first
    assert first == last
    assert text.startswith(
        '{"errcode":-1,"errmsg":"the sandbox needs rapidocr and onnxruntime from the extra sandbox-ocr: '
        r"python -m pip install \"wxcv[sandbox-ocr]\" rid: "
    )


def test_the_missing_package_alone_is_named() -> None:
    """With a part of the extra, the text names the package that is not there."""
    text = run({"onnxruntime"}, pictures.blank_png()).stdout.splitlines()[1]

    assert '"errcode":-1,"errmsg":"the sandbox needs onnxruntime from the extra sandbox-ocr: ' in text


@pytest.mark.parametrize(("module", "package"), [("zxingcpp", "zxing-cpp"), ("PIL", "pillow")])
def test_without_the_small_extra_it_does_not_start(module: str, package: str) -> None:
    """Without a package of `sandbox`, start raises ImportError with the install command."""
    done = run({module}, b"")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        f'the sandbox needs {package} from the extra sandbox: python -m pip install "wxcv[sandbox]"\n'
    )


def _extra(name: str) -> set[str]:
    """Return the packages that an extra of wxcv installs."""
    requirements = importlib.metadata.requires("wxcv") or []
    return {re.split("[<>=;]", each)[0] for each in requirements if f"extra == '{name}'" in each}


def test_readme_installs_what_its_first_command_needs() -> None:
    """The first command of README.md reads codes and text, and installs the extras for both."""
    command = re.search(r"pip install \"(.*?)\" && wxcv (.*?) --sandbox", README.read_text(encoding="utf-8"))

    assert command is not None
    assert command.groups() == (".[cli,sandbox-ocr]", "read")


def test_what_the_extras_install() -> None:
    """`sandbox` is small, `sandbox-ocr` adds text to it, and `all` and `dev` have both."""
    codes, text = {"zxing-cpp", "pillow"}, {"rapidocr", "onnxruntime"}

    assert _extra("sandbox") == codes
    assert _extra("sandbox-ocr") == codes | text
    assert _extra("all") >= codes | text
    assert _extra("dev") >= codes | text
