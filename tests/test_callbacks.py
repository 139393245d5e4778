"""What is kept of a call of the caller's own function that failed."""

from __future__ import annotations

import gc
import weakref

import pytest

from wxcv.callbacks import CallbackError, call_back


class Argument:
    """Stands for an image or a secret that a function of the caller's is given."""


async def test_a_function_that_failed_leaves_its_arguments_to_nobody() -> None:
    """After its error was handled the arguments are free at once, without a run of the garbage collector."""

    def fail(_argument: Argument) -> None:
        raise KeyError("MARKED")

    argument = Argument()
    reference = weakref.ref(argument)
    gc.disable()
    try:
        with pytest.raises(CallbackError, match="KeyError at ") as caught:
            await call_back(fail, argument)
        assert caught.value.__context__ is None
        del caught, argument
        assert reference() is None
    finally:
        gc.enable()
