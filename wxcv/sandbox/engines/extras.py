"""What the engines need beside wxcv itself."""

from importlib.util import find_spec

_PACKAGES = {
    "sandbox": {"zxingcpp": "zxing-cpp", "PIL": "pillow"},
    "sandbox-ocr": {"rapidocr": "rapidocr", "onnxruntime": "onnxruntime"},
}


class MissingExtraError(ImportError):
    """An extra is not installed, or not all of it; the text has the command that installs it."""


def require_extra(extra: str) -> None:
    """Look for the packages of an extra without importing them, which can take seconds.

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
