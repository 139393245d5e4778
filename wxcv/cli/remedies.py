"""What a person can do about an error in a bulk run."""

from __future__ import annotations

import wxcv

_REMEDIES: tuple[tuple[type[wxcv.WxcvError], str], ...] = (
    (wxcv.ImageTooLargeError, "--fit makes large pictures smaller (extra: fit)"),
    (wxcv.EmptyImageError, "copy these files again: they have no bytes"),
    (wxcv.UnsupportedImageError, "convert them to JPEG or PNG; --include leaves out what is no image"),
    (wxcv.UnreadableImageError, "check that these files exist and that you may read them"),
    (wxcv.InvalidImageUrlError, "correct the addresses, or give files instead"),
    (wxcv.ImageUrlRejectedError, "download the images and give the files"),
    (wxcv.DocumentNotFoundError, "take clearer pictures; --retry failed sends them again"),
    (wxcv.DailyLimitError, "run the same command when the day ends, or give a higher --daily-limit"),
    (wxcv.QuotaExhaustedError, "run the same command when there is quota again; --wait does so"),
    (wxcv.AnswerLostError, "--retry unknown sends them again; WeChat may count them twice"),
    (wxcv.CallTimeoutError, "--retry unknown,failed sends them again; --timeout gives them more time"),
    (wxcv.TransportError, "check the network and the proxy, then run the same command"),
    (wxcv.ProtocolError, "check what is between this machine and WeChat, then use --retry failed"),
    (wxcv.StoreError, "check the store, then run the same command"),
)


def find_remedy(error: wxcv.WxcvError) -> str:
    """Return what to do about an error, or "" if nothing is known."""
    own = getattr(error, "remedy", "")
    if isinstance(own, str) and own:
        return own
    return next((text for kind, text in _REMEDIES if isinstance(error, kind)), "")
