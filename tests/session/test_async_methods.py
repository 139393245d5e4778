"""What a Session awaits, and what a mock of it does."""

from __future__ import annotations

import inspect
from unittest import mock

import pytest
from support.accounts import TOKEN

import wxcv

QUOTAS = ["quota", "usage", "clear_quota_marks"]
AWAITED = ["call", "scan_qrcode", "printed_text", "token", "aclose", *QUOTAS]


@pytest.mark.parametrize("name", AWAITED)
async def test_a_mock_of_the_session_can_be_awaited(name: str) -> None:
    """``mock.create_autospec(wxcv.Session)`` gives methods to await, which return what a test says."""
    session = mock.create_autospec(wxcv.Session, instance=True)
    method = getattr(session, name)
    method.return_value = "said"
    endpoints = dict.fromkeys(QUOTAS, (wxcv.SCAN_QRCODE,))
    known = {"call": (wxcv.SCAN_QRCODE, b""), "token": (), "aclose": (), **endpoints}
    arguments = known.get(name, (b"",))

    assert await method(*arguments) == "said"
    method.assert_awaited_once_with(*arguments)
    with pytest.raises(TypeError, match=r"too many|unexpected"):
        method(*arguments, nothing=1)


async def test_a_mock_of_the_class_makes_mocks_that_can_be_awaited() -> None:
    """A program that makes its own session in ``async with`` runs with a mock in place of the class."""
    make = mock.create_autospec(wxcv.Session)
    make.return_value.__aenter__.return_value.scan_qrcode.return_value = wxcv.QrcodeScan()

    async with make(wxcv.StaticTokenCredential(TOKEN), concurrency=2) as session:
        assert await session.scan_qrcode(b"") == wxcv.QrcodeScan()
    with pytest.raises(TypeError):
        make(wxcv.StaticTokenCredential(TOKEN), concurency=2)


def test_what_is_awaited_is_a_coroutine_function() -> None:
    """Every public method that is awaited is an ``async def``, and no other one is."""
    endpoints = [value for value in map(wxcv.__getattr__, wxcv.__all__) if isinstance(value, wxcv.Endpoint)]
    awaited = {*AWAITED, *(endpoint.name for endpoint in endpoints), "__aenter__", "__aexit__"}
    for cls, names in ((wxcv.Session, awaited), (wxcv.Batch, {"aclose"})):
        is_public = [name for name in dir(cls) if not name.startswith("_") or name in names]
        asynchronous = {name for name in is_public if inspect.iscoroutinefunction(getattr(cls, name))}
        assert asynchronous == names


async def test_an_error_is_raised_when_awaited() -> None:
    """A closed session raises when the call is awaited, not when it is made."""
    session = wxcv.Session(wxcv.StaticTokenCredential(TOKEN))
    await session.aclose()
    for pending in (session.token(), session.scan_qrcode(b"x"), session.call(wxcv.PRINTED_TEXT, b"x")):
        with pytest.raises(wxcv.SessionClosedError):
            await pending
