"""Reads the bodies of requests in chunks, so that the event loop is not blocked."""

import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from aiohttp import BodyPartReader, web

from wxcv.sandbox.faults import Fault

_CHUNK = 64 * 1024
_JSON_LIMIT = 64 * 1024
_FIELD_LIMIT = 1024
_MOST_FIELDS = 20
_WITH_BODY = {"POST", "PUT", "PATCH"}


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request to a cv endpoint as it arrived, with the HTTP status and errcode of its response.

    `filename`, `content_type` and `part_length` come from the headers of the image part and are None if it
    has none; `part_length` and `size` are in bytes. Without an image part, `size` is 0 and `sha256` None;
    else `size` and `sha256` (hex) are those of the whole part, even above the size limit. `fault` is the
    fault that was applied, or None.
    """

    path: str
    method: str
    filename: str | None = None
    content_type: str | None = None
    size: int = 0
    sha256: str | None = None
    part_length: int | None = None
    status: int = 200
    errcode: int = 0
    fault: Fault | None = None


class PartFacts(TypedDict):
    """The fields of `Received` about an image part."""

    filename: str | None
    content_type: str | None
    size: int
    sha256: str
    part_length: int | None


@dataclass(frozen=True)
class Upload:
    """An image part, and the text fields beside it.

    `data` is None when it reached the size limit, and its bytes were not kept.
    """

    data: bytes | None
    facts: PartFacts
    fields: Mapping[str, str] = field(default_factory=dict)


async def read_upload(request: web.Request, *, limit: int, any_part_name: bool) -> Upload | None:
    """Read the body to its end and return the image part, or None if the body does not hold one.

    The image is the first part with a filename and the name `img`. With `any_part_name`, if there is none, it
    is the first part with a filename. A part of `limit` bytes or more is counted and hashed, but
    not kept.

    Raises:
        ConnectionError: the client disconnected.
    """
    try:
        upload = await _find_image(request, limit=limit, any_part_name=any_part_name)
    except ConnectionError:
        raise
    except Exception:  # noqa: BLE001 - aiohttp's reader raises many kinds for a malformed body, few declared
        upload = None
    await drain(request)
    return upload


def tells_length(request: web.Request) -> bool:
    """Return whether the request has a Content-Length, or needs none, like a GET without a body."""
    if "Content-Length" in request.headers:
        return True
    return request.method not in _WITH_BODY and "Transfer-Encoding" not in request.headers


async def drain(request: web.Request) -> None:
    """Read and discard the rest of the body; a client that is cut off may never read its response."""
    async for _ in _chunks(request):
        pass


async def read_json_object(request: web.Request) -> dict[str, object] | None:
    """Return the JSON object in the body, or None if the body is anything else or is over 64 KiB."""
    body = bytearray()
    async for chunk in _chunks(request):
        body += chunk[: _JSON_LIMIT + 1 - len(body)]
    if len(body) > _JSON_LIMIT:
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """Yield the body in chunks, up to where its Content-Encoding is broken."""
    with contextlib.suppress(web.RequestPayloadError):
        async for chunk in request.content.iter_chunked(_CHUNK):
            yield chunk


async def _find_image(request: web.Request, *, limit: int, any_part_name: bool) -> Upload | None:
    if not request.content_type.startswith("multipart/"):
        return None
    reader = await request.multipart()
    image: Upload | None = None
    other: Upload | None = None
    fields: dict[str, str] = {}
    while (part := await reader.next()) is not None:
        if not isinstance(part, BodyPartReader):
            # A nested form: aiohttp would descend any number of levels.
            return None
        if part.filename is None:
            if part.name and len(fields) < _MOST_FIELDS:
                fields[part.name] = await _read_field(part)
        elif part.name == "img" and image is None:
            image = await _read_part(part, limit)
        elif any_part_name and image is None and other is None:
            other = await _read_part(part, limit)
    found = image or other
    return None if found is None else replace(found, fields=fields)


async def _read_field(part: BodyPartReader) -> str:
    kept = bytearray()
    while len(kept) < _FIELD_LIMIT and not part.at_eof():
        kept += await part.read_chunk(_FIELD_LIMIT)
    return kept[:_FIELD_LIMIT].decode("utf-8", "replace")


async def _read_part(part: BodyPartReader, limit: int) -> Upload:
    kept = bytearray()
    size = 0
    digest = hashlib.sha256()
    while not part.at_eof():
        chunk = await part.read_chunk(_CHUNK)
        size += len(chunk)
        digest.update(chunk)
        if size < limit:
            kept += chunk
    length = part.headers.get("Content-Length", "")
    facts = PartFacts(
        filename=part.filename,
        content_type=part.headers.get("Content-Type"),
        size=size,
        sha256=digest.hexdigest(),
        part_length=int(length) if length.isascii() and length.isdecimal() else None,
    )
    return Upload(bytes(kept) if size < limit else None, facts)
