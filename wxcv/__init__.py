"""Asyncio client for WeChat's image endpoints: codes, printed text, documents, menus and picture tools."""

__docformat__ = "google"  # for pdoc

TYPE_CHECKING = False
# The only list of the public names. Type checkers read it; at run time each name is imported on first use.
if TYPE_CHECKING:
    from wxcv.answer_sources.base import AnswerSource as AnswerSource
    from wxcv.answer_sources.local import LocalCodeReader as LocalCodeReader
    from wxcv.batch.batch import Batch as Batch
    from wxcv.batch.outcomes import Answered as Answered, Outcome as Outcome, Unanswered as Unanswered
    from wxcv.calls.answer_cache import AnswerCache as AnswerCache
    from wxcv.calls.events import (
        AttemptEvent as AttemptEvent,
        CallEvent as CallEvent,
        CallStart as CallStart,
    )
    from wxcv.calls.hosts import FALLBACK_URLS as FALLBACK_URLS
    from wxcv.calls.limits import DailyLimits as DailyLimits
    from wxcv.calls.retries import RetryPolicy as RetryPolicy
    from wxcv.calls.state import SessionStats as SessionStats
    from wxcv.clock import Clock as Clock, ManualClock as ManualClock
    from wxcv.endpoints.ai_crop import AI_CROP as AI_CROP, CropResult as CropResult, Crops as Crops
    from wxcv.endpoints.bankcard import BANKCARD as BANKCARD, Bankcard as Bankcard
    from wxcv.endpoints.base import Endpoint as Endpoint
    from wxcv.endpoints.business_license import (
        BUSINESS_LICENSE as BUSINESS_LICENSE,
        BusinessLicense as BusinessLicense,
    )
    from wxcv.endpoints.driver_license import DRIVER_LICENSE as DRIVER_LICENSE, DriverLicense as DriverLicense
    from wxcv.endpoints.geometry import ImgSize as ImgSize, Point as Point, Pos as Pos
    from wxcv.endpoints.idcard import IDCARD as IDCARD, Idcard as Idcard
    from wxcv.endpoints.menu import MENU as MENU, Menu as Menu, MenuItem as MenuItem
    from wxcv.endpoints.plate_number import PLATE_NUMBER as PLATE_NUMBER, PlateNumber as PlateNumber
    from wxcv.endpoints.printed_text import (
        PRINTED_TEXT as PRINTED_TEXT,
        PrintedText as PrintedText,
        TextItem as TextItem,
    )
    from wxcv.endpoints.qrcode import (
        SCAN_QRCODE as SCAN_QRCODE,
        CodeResult as CodeResult,
        QrcodeScan as QrcodeScan,
    )
    from wxcv.endpoints.quota import Quota as Quota, RateLimit as RateLimit
    from wxcv.endpoints.superresolution import (
        SUPERRESOLUTION as SUPERRESOLUTION,
        Superresolution as Superresolution,
    )
    from wxcv.endpoints.vehicle_license import (
        VEHICLE_LICENSE as VEHICLE_LICENSE,
        VehicleLicense as VehicleLicense,
    )
    from wxcv.errors import (
        AnswerLostError as AnswerLostError,
        APIError as APIError,
        CallTimeoutError as CallTimeoutError,
        ConnectError as ConnectError,
        CredentialRejectedError as CredentialRejectedError,
        DailyLimitError as DailyLimitError,
        DocumentNotFoundError as DocumentNotFoundError,
        EmptyImageError as EmptyImageError,
        ImageError as ImageError,
        ImageRejectedError as ImageRejectedError,
        ImageTooLargeError as ImageTooLargeError,
        ImageUrlRejectedError as ImageUrlRejectedError,
        InvalidImageUrlError as InvalidImageUrlError,
        JournalError as JournalError,
        PermissionDeniedError as PermissionDeniedError,
        ProtocolError as ProtocolError,
        QuotaExhaustedError as QuotaExhaustedError,
        RateLimitedError as RateLimitedError,
        SessionClosedError as SessionClosedError,
        SlotTimeoutError as SlotTimeoutError,
        StoreError as StoreError,
        SystemBusyError as SystemBusyError,
        TokenRejectedError as TokenRejectedError,
        TokenSourceError as TokenSourceError,
        TransportError as TransportError,
        UnreadableImageError as UnreadableImageError,
        UnsupportedImageError as UnsupportedImageError,
        WxcvError as WxcvError,
    )
    from wxcv.images.fitting import FittedImage as FittedImage, fit as fit
    from wxcv.images.sources import (
        Image as Image,
        ImageBytes as ImageBytes,
        ImageUrl as ImageUrl,
        LocalImage as LocalImage,
    )
    from wxcv.journal.journal import Journal as Journal
    from wxcv.journal.reader import JournalEntry as JournalEntry, JournalReader as JournalReader
    from wxcv.journal.statements import Forgotten as Forgotten
    from wxcv.session.session import Session as Session
    from wxcv.stores.base import (
        AnswerStore as AnswerStore,
        CounterStore as CounterStore,
        Store as Store,
        StoredToken as StoredToken,
        Taken as Taken,
        TokenStore as TokenStore,
        Usage as Usage,
    )
    from wxcv.stores.redis import RedisStore as RedisStore
    from wxcv.stores.sqlite import SQLiteStore as SQLiteStore
    from wxcv.tokens.access_token import AccessToken as AccessToken
    from wxcv.tokens.app import AppCredential as AppCredential
    from wxcv.tokens.cache import TokenCache as TokenCache
    from wxcv.tokens.callback import CallbackCredential as CallbackCredential
    from wxcv.tokens.cloud import (
        CloudCredential as CloudCredential,
        CloudRelayCredential as CloudRelayCredential,
    )
    from wxcv.tokens.component import (
        AuthorizerCredential as AuthorizerCredential,
        ComponentCredential as ComponentCredential,
    )
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
