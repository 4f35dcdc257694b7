"""The body of a call of the two APIs: no larger than allowed, said to be JSON (S63), and JSON that can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from onefold.http.problems import Answered

if TYPE_CHECKING:
    from fastapi import Request

MOST_BYTES: Final = 1_000_000
_TAKEN: Final = frozenset({"application/json", "application/merge-patch+json"})


async def read_json(request: Request, most_bytes: int = MOST_BYTES) -> None:
    """Read the body, if there is one, and keep it for the route. Raises Answered."""
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most_bytes:
        raise _too_large(most_bytes)
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > most_bytes:
            raise _too_large(most_bytes)
    request._body = bytes(read)  # noqa: SLF001 -- as `Request.body` keeps it, which has no bound
    if not read:
        return
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _TAKEN:
        raise Answered(415, "json_only", "Send JSON, and say so: Content-Type: application/json.")
    try:
        msgspec.json.decode(request._body)  # noqa: SLF001
    except (msgspec.DecodeError, RecursionError) as error:
        raise Answered(400, "malformed_json", f"The body is no JSON that can be read: {error}") from error


def _too_large(most_bytes: int) -> Answered:
    larger = "; larger data goes through imports" if most_bytes == MOST_BYTES else ""
    return Answered(413, "too_large", f"A body has at most {most_bytes:,} bytes{larger}.")
