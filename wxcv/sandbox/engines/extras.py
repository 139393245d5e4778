"""Checks that the packages of the extras are installed."""

from importlib.util import find_spec

_PACKAGES = {
    "sandbox": {"zxingcpp": "zxing-cpp", "PIL": "pillow"},
    "sandbox-ocr": {"rapidocr": "rapidocr", "onnxruntime": "onnxruntime"},
}


class MissingExtraError(ImportError):
    """A package of an extra is missing; the message has the command that installs the extra."""


def require_extra(extra: str) -> None:
    """Check that the packages of an extra are installed, without importing them, which can take seconds.

    Raises:
        MissingExtraError: some are not installed.
    """
    packages = _PACKAGES[extra]
    missing = [package for module, package in packages.items() if not _is_installed(module)]
    if missing:
        raise MissingExtraError(
            f"the sandbox needs {' and '.join(missing)} from the extra {extra}: "
            f'python -m pip install "wxcv[{extra}]"'
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:
        return False
