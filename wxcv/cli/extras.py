"""Finds which extras of wxcv are installed, from the metadata of the installed packages."""

from __future__ import annotations

import re
from importlib import metadata

import attrs

USERS = {
    "cli": "the command wxcv",
    "fit": "--fit and --annotate",
    "local": "wxcv.LocalCodeReader in programs",
    "redis": "--store redis://... and wxcv.RedisStore",
    "sandbox": "--sandbox and wxcv sandbox",
    "sandbox-ocr": "text in the sandbox",
}
"""What each of the extras is needed for."""

_REQUIREMENT = re.compile(r"""([\w.-]+)\s*\(?(?:>=\s*([\w.]+))?[^;]*;.*\bextra\s*==\s*['"]([\w-]+)['"]""")


@attrs.frozen
class Package:
    """A package that an extra requires.

    Attributes:
        name: its name.
        least: the oldest version that can be used, or "" for any.
        version: the installed version, or None.
    """

    name: str
    least: str
    version: str | None

    @property
    def is_outdated(self) -> bool:
        """Whether the installed version is too old."""
        return self.version is not None and _numbers(self.version) < _numbers(self.least)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def find_extras() -> dict[str, list[Package]]:
    """Return the packages of each extra in `USERS`, by its name; {} if wxcv itself is not installed."""
    extras: dict[str, list[Package]] = {}
    try:
        requirements = metadata.requires("wxcv") or []
    except metadata.PackageNotFoundError:
        return {}
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if found is not None and found[3] in USERS:
            extras.setdefault(found[3], []).append(Package(found[1], found[2] or "", find_version(found[1])))
    return {name: extras[name] for name in USERS if name in extras}


def find_version(package: str) -> str | None:
    """Return the installed version of a package, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
