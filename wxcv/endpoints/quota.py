"""What WeChat says of an endpoint's quota, as ``/cgi-bin/openapi/quota/get`` answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wxcv.endpoints.answers import Answer
from wxcv.endpoints.base import Endpoint
from wxcv.endpoints.readers import read_optional_number

if TYPE_CHECKING:
    from collections.abc import Mapping


def _read_count(fields: Mapping[str, Any], name: str) -> int:
    number = read_optional_number(fields, name)
    if number is None or number != int(number):
        raise TypeError(f"{name} is not a whole number")
    return int(number)


@attrs.frozen(repr=False)
class RateLimit(Answer):
    """How many calls WeChat accepts in a period.

    Attributes:
        call_count: the calls.
        refresh_second: the length of the period in seconds.
    """

    call_count: int
    refresh_second: int

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any] | None) -> RateLimit | None:
        """Read WeChat's JSON; return None where it is missing, null or empty."""
        if fields is None or fields == {}:
            return None
        return cls(_read_count(fields, "call_count"), _read_count(fields, "refresh_second"))

    def to_dict(self) -> dict[str, int]:
        """Return WeChat's JSON shape."""
        return {"call_count": self.call_count, "refresh_second": self.refresh_second}


@attrs.frozen(repr=False)
class Quota(Answer):
    """What WeChat says of an endpoint's quota of the day; the answer of ``Session.quota``.

    Attributes:
        daily_limit: the calls of a day.
        used: the calls that WeChat has counted in this day, whoever made them.
        remain: the calls that are left.
        rate_limit: how many calls WeChat accepts in a short period, or None if it names no such limit.
        component_rate_limit: the same for calls by a third-party platform, or None.
    """

    daily_limit: int
    used: int
    remain: int
    rate_limit: RateLimit | None = None
    component_rate_limit: RateLimit | None = None

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Quota:
        """Read WeChat's JSON."""
        quota = fields["quota"]
        return cls(
            _read_count(quota, "daily_limit"),
            _read_count(quota, "used"),
            _read_count(quota, "remain"),
            RateLimit.from_dict(fields.get("rate_limit")),
            RateLimit.from_dict(fields.get("component_rate_limit")),
        )

    @classmethod
    def json_types(cls) -> dict[str, Any]:
        """Return the types of the members of WeChat's JSON, where the counts are a nested object."""
        types = super().json_types()
        return {"quota": {name: types.pop(name) for name in ("daily_limit", "used", "remain")}} | types

    def to_dict(self) -> dict[str, Any]:
        """Return WeChat's JSON shape, without errcode and errmsg."""
        fields: dict[str, Any] = {
            "quota": {"daily_limit": self.daily_limit, "used": self.used, "remain": self.remain}
        }
        limits = {"rate_limit": self.rate_limit, "component_rate_limit": self.component_rate_limit}
        return fields | {name: limit.to_dict() for name, limit in limits.items() if limit is not None}


QUOTA_GET = Endpoint("quota/get", "/cgi-bin/openapi/quota/get", Quota.from_dict)
"""Not an image endpoint: its request is JSON, so that it works in ``Session.quota`` only."""
