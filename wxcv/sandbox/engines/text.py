"""Reads text with RapidOCR.

Source: https://developers.weixin.qq.com/doc/service/en/api/openpoc/ocr/api_commocr
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

from wxcv.sandbox.engines.detection import Detection, pos
from wxcv.sandbox.engines.extras import require_extra
from wxcv.sandbox.engines.pictures import open_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from wxcv.sandbox.wechat.choices import Choices

# RapidOCR scales up the short side of a picture. Without bounds, a picture of 2000 x 1 pixels, which is a
# file of 100 bytes, would exhaust the memory.
_LONG_SIDE = 2000
_WIDEST = 32
_TALLEST = 8

# The models are loaded once for the process, and RapidOCR keeps state while it reads.
_LOCK = threading.Lock()


def read_text(data: bytes, choices: Choices) -> Detection:
    """Read all lines of text of a picture, in RapidOCR's order.

    The first call in a process loads the models, which takes seconds. Calls run one at a time.

    Raises:
        UnreadableError: the bytes are not a picture that can be read.
        MissingExtraError: the extra `sandbox-ocr` is not installed.
    """
    picture = open_picture(data, turn=choices.exif == "apply")
    with _LOCK:
        engine = _engine()
        pixels, across, down = _limit_size(picture)
        output = engine(pixels)
    if output.boxes is None:
        return Detection(found=[], size=picture.size)
    found: list[dict[str, object]] = [
        {"text": text, "pos": pos(((x * across, y * down) for x, y in box.tolist()), picture.size)}
        for box, text in zip(output.boxes, output.txts, strict=True)
    ]
    return Detection(found=found, size=picture.size)


@functools.cache
def _engine() -> Any:  # noqa: ANN401 - rapidocr has no types
    require_extra("sandbox-ocr")
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical"})


def _limit_size(picture: Image.Image) -> tuple[NDArray[np.uint8], float, float]:
    """Return BGR pixels of bounded size and shape, and the factors back to the picture's x and y."""
    import numpy as np

    scale = min(1.0, _LONG_SIDE / max(picture.size))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height)))[:, :, ::-1]
    below = max(0, -(-width // _WIDEST) - height)
    beside = max(0, -(-height // _TALLEST) - width)
    padded = np.pad(pixels, ((0, below), (0, beside), (0, 0)), mode="edge")
    return np.ascontiguousarray(padded), picture.width / width, picture.height / height
