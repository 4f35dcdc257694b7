"""Reads a request's body within limits, decompressing while it streams, so that a zip bomb costs no more than an honest body (S37).

What is too large is read on and thrown away for a while before it is refused: a client that is cut off while it still sends sees a
broken connection, not the 413, and sends again. Slow senders are cut off by `server`.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from onefold.errors import InvalidMessage
from onefold.http.collector.answers import BodyTooLarge

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Receive = Callable[[], Awaitable[Any]]

MOST_DISCARDED: Final = 16 * 1024 * 1024
_RATIO: Final = 250
"""Decompressed to compressed: a hundred near-identical events stay below 100, a bomb of zeros reaches 1,000."""
_RATIO_MATTERS_FROM: Final = 64 * 1024
_GZIP: Final = zlib.MAX_WBITS | 16


class ClientGone(Exception):
    """The caller closed the connection before the body was complete."""


async def read_body(receive: Receive, encoding: bytes | None, most_bytes: int) -> bytes:
    """The body, decompressed. Raises BodyTooLarge, InvalidMessage for damaged gzip or another encoding, ClientGone."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    if encoding is None and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > most_bytes:
            raise _too_large(most_bytes)
        return body
    return await _streamed(receive, message, encoding, most_bytes)


async def _streamed(receive: Receive, message: Any, encoding: bytes | None, most_bytes: int) -> bytes:
    sink = _sink(encoding, most_bytes)
    failure: InvalidMessage | None = None
    discarded = 0
    while True:
        chunk = message.get("body", b"")
        if failure is not None:
            discarded += len(chunk)
        else:
            try:
                sink.feed(chunk)
            except InvalidMessage as error:
                failure = error
        if not message.get("more_body", False) or discarded > MOST_DISCARDED:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
    if failure is not None:
        raise failure
    return sink.close()


def _sink(encoding: bytes | None, most_bytes: int) -> _Plain | _Gunzip:
    encoding = encoding.strip().lower() if encoding else b"identity"
    if encoding in {b"identity", b""}:
        return _Plain(most_bytes)
    if encoding in {b"gzip", b"x-gzip"}:
        return _Gunzip(most_bytes)
    raise InvalidMessage("Send the body plain or with Content-Encoding: gzip.", code="unsupported_encoding")


class _Plain:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._body = bytearray()

    def feed(self, chunk: bytes) -> None:
        if len(self._body) + len(chunk) > self._most_bytes:
            raise _too_large(self._most_bytes)
        self._body += chunk

    def close(self) -> bytes:
        return bytes(self._body)


class _Gunzip:
    """Never inflates more than one byte beyond the limit."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._body = bytearray()
        self._taken = 0
        self._inflate = zlib.decompressobj(_GZIP)

    def feed(self, chunk: bytes) -> None:
        self._taken += len(chunk)
        room = self._most_bytes + 1 - len(self._body)
        try:
            self._body += self._inflate.decompress(chunk, room)
        except zlib.error:
            raise _damaged() from None
        if len(self._body) > self._most_bytes:
            raise _too_large(self._most_bytes)
        if len(self._body) > _RATIO_MATTERS_FROM and len(self._body) > _RATIO * self._taken:
            raise BodyTooLarge("The body inflates to more than 250 times its size.", code="body_inflates")
        if self._inflate.unused_data:
            raise _damaged()

    def close(self) -> bytes:
        if not self._inflate.eof:
            raise _damaged()
        return bytes(self._body)


def _too_large(most_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {most_bytes} bytes. Send smaller batches.")


def _damaged() -> InvalidMessage:
    return InvalidMessage("Content-Encoding says gzip, but the body is not one whole gzip member.", code="damaged_gzip")
