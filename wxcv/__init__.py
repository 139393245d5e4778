"""Asyncio client for WeChat's image endpoints: QR codes, barcodes and printed text."""

__docformat__ = "google"  # for pdoc

TYPE_CHECKING = False
# The only list of the public names. Type checkers read it; at run time each name is imported on first use.
if TYPE_CHECKING:
    from wxcv.batch.batch import Batch as Batch
    from wxcv.batch.outcomes import Answered as Answered
    from wxcv.batch.outcomes import Outcome as Outcome
    from wxcv.batch.outcomes import Unanswered as Unanswered
    from wxcv.calls.events import AttemptEvent as AttemptEvent
    from wxcv.calls.retries import RetryPolicy as RetryPolicy
    from wxcv.calls.state import SessionStats as SessionStats
    from wxcv.clock import Clock as Clock
    from wxcv.clock import ManualClock as ManualClock
    from wxcv.endpoints.base import Endpoint as Endpoint
    from wxcv.endpoints.geometry import ImgSize as ImgSize
    from wxcv.endpoints.geometry import Point as Point
    from wxcv.endpoints.geometry import Pos as Pos
    from wxcv.endpoints.printed_text import PRINTED_TEXT as PRINTED_TEXT
    from wxcv.endpoints.printed_text import PrintedText as PrintedText
    from wxcv.endpoints.printed_text import TextItem as TextItem
    from wxcv.endpoints.qrcode import SCAN_QRCODE as SCAN_QRCODE
    from wxcv.endpoints.qrcode import CodeResult as CodeResult
    from wxcv.endpoints.qrcode import QrcodeScan as QrcodeScan
    from wxcv.errors import AnswerLostError as AnswerLostError
    from wxcv.errors import APIError as APIError
    from wxcv.errors import CallTimeoutError as CallTimeoutError
    from wxcv.errors import ConnectError as ConnectError
    from wxcv.errors import CredentialRejectedError as CredentialRejectedError
    from wxcv.errors import EmptyImageError as EmptyImageError
    from wxcv.errors import ImageError as ImageError
    from wxcv.errors import ImageRejectedError as ImageRejectedError
    from wxcv.errors import ImageTooLargeError as ImageTooLargeError
    from wxcv.errors import ImageUrlRejectedError as ImageUrlRejectedError
    from wxcv.errors import InvalidImageUrlError as InvalidImageUrlError
    from wxcv.errors import PermissionDeniedError as PermissionDeniedError
    from wxcv.errors import ProtocolError as ProtocolError
    from wxcv.errors import QuotaExhaustedError as QuotaExhaustedError
    from wxcv.errors import RateLimitedError as RateLimitedError
    from wxcv.errors import SessionClosedError as SessionClosedError
    from wxcv.errors import SlotTimeoutError as SlotTimeoutError
    from wxcv.errors import StoreError as StoreError
    from wxcv.errors import SystemBusyError as SystemBusyError
    from wxcv.errors import TokenRejectedError as TokenRejectedError
    from wxcv.errors import TokenSourceError as TokenSourceError
    from wxcv.errors import TransportError as TransportError
    from wxcv.errors import UnreadableImageError as UnreadableImageError
    from wxcv.errors import UnsupportedImageError as UnsupportedImageError
    from wxcv.errors import WxcvError as WxcvError
    from wxcv.images.sources import Image as Image
    from wxcv.images.sources import ImageBytes as ImageBytes
    from wxcv.images.sources import ImageUrl as ImageUrl
    from wxcv.session.session import Session as Session
    from wxcv.stores.base import Store as Store
    from wxcv.stores.base import StoredToken as StoredToken
    from wxcv.stores.redis import RedisStore as RedisStore
    from wxcv.tokens.access_token import AccessToken as AccessToken
    from wxcv.tokens.app import AppCredential as AppCredential
    from wxcv.tokens.cache import TokenCache as TokenCache
    from wxcv.tokens.callback import CallbackCredential as CallbackCredential
    from wxcv.tokens.cloud import CloudCredential as CloudCredential
    from wxcv.tokens.cloud import CloudRelayCredential as CloudRelayCredential
    from wxcv.tokens.component import AuthorizerCredential as AuthorizerCredential
    from wxcv.tokens.component import ComponentCredential as ComponentCredential
    from wxcv.tokens.credential import Credential as Credential
    from wxcv.tokens.static import StaticTokenCredential as StaticTokenCredential

    __version__: str


def _find_modules() -> dict[str, str]:
    """Return the module of every public name, as found in the compiled imports of this file."""
    from dis import get_instructions

    modules, module = {}, ""
    for instruction in get_instructions(__spec__.loader.get_code(__name__)):  # type: ignore[union-attr]
        if instruction.opname == "IMPORT_NAME":
            module = instruction.argval
        elif instruction.opname == "IMPORT_FROM" and module.startswith("wxcv."):
            modules[instruction.argval] = module
    return modules


def __dir__() -> list[str]:
    return sorted({*globals(), *_find_modules(), "__version__"} - {"TYPE_CHECKING"})


if not TYPE_CHECKING:  # with __getattr__, type checkers would accept names that do not exist

    def __getattr__(name: str) -> object:
        from importlib import import_module

        modules = _find_modules()
        if name == "__version__":
            from importlib.metadata import version

            value = version("wxcv")
        elif name == "__all__":
            value = sorted(modules)
        elif name in modules:
            value = getattr(import_module(modules[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value
