"""Converts the positions in an answer to the pixels of another size of the same picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.geometry import ImgSize

if TYPE_CHECKING:
    from wxcv.endpoints.base import AnswerT


def scale_answer(answer: AnswerT, sent: tuple[int, int], original: tuple[int, int]) -> AnswerT:
    """Return an answer about a scaled picture in the pixels of the original.

    Every value with a method ``scaled`` is replaced: ``Pos``, ``ImgSize``, ``CropResult``; whole numbers stay
    whole. An answer that is not of an attrs class, such as a dict, is returned unchanged.

    Args:
        answer: the answer of any endpoint.
        sent: width and height in pixels of the picture that was sent.
        original: width and height in pixels of its original.
    """
    if sent == original:
        return answer
    x, y = original[0] / sent[0], original[1] / sent[1]
    size = getattr(answer, "img_size", None)
    if isinstance(size, ImgSize) and (size.w, size.h) == sent[::-1]:
        x, y = y, x  # the picture was turned by its orientation tag before it was looked at
    scaled: AnswerT = _scale(answer, x, y)
    return scaled


def _scale(value: Any, x: float, y: float) -> Any:  # noqa: ANN401 - an answer, or what is in one
    if type(value) is tuple:
        return tuple(_scale(row, x, y) for row in value)
    if not attrs.has(type(value)):
        return value
    scaled = getattr(value, "scaled", None)
    if callable(scaled):
        return scaled(x, y)
    fields = [field for field in attrs.fields(type(value)) if field.init]
    return attrs.evolve(
        value, **{field.alias: _scale(getattr(value, field.name), x, y) for field in fields if field.alias}
    )
