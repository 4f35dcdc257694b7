"""One document of an OpenID provider, by HTTP: within a time and a size, without redirects, cookies, or a cache.

TLS is always verified (S115), and plain HTTP is spoken to this machine only. So little is needed that no HTTP client is: one GET, whose
answer ends the connection. Called by `provider_keys`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import httptools

from onefold.errors import InvalidMessage, TemporaryError

MOST_BYTES: Final = 262_144
_CHUNK_BYTES: Final = 16_384
_OK: Final = 200
_LOCAL_HOSTS: Final = frozenset({"127.0.0.1", "localhost"})


class ProviderUnavailable(TemporaryError):
    """An OpenID provider does not answer, or not with what was asked for."""

    code = "provider_unavailable"


class _Answer:
    """What httptools calls back."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.has_length = False
        self.is_complete = False

    def on_header(self, name: bytes, _value: bytes) -> None:
        self.has_length |= name.lower() in {b"content-length", b"transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


def check_url(url: str) -> str:
    """The URL, if it may be fetched from. Raises InvalidMessage for what is neither https nor on this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    is_safe = url.startswith("https://") or (url.startswith("http://") and host in _LOCAL_HOSTS)
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc and not parts.fragment
    if not host or not is_safe or not is_plain or port == 0:
        raise InvalidMessage(f"{url!r} is no https URL without user and fragment", code="invalid_url")
    return url


async def fetch_json(url: str, *, seconds: float) -> dict[str, Any]:
    """The JSON object at a URL. Raises ProviderUnavailable."""
    parts = urlsplit(check_url(url))
    try:
        async with asyncio.timeout(seconds):
            status, body = await _get(parts)
        found = json.loads(body) if status == _OK else None
    except (OSError, TimeoutError, ValueError, RecursionError, httptools.HttpParserError) as error:
        raise ProviderUnavailable(f"{parts.hostname} does not answer as it should: {type(error).__name__}") from error
    if type(found) is not dict:
        raise ProviderUnavailable(f"{parts.hostname} answers {status} instead of a JSON object")
    return found


async def _get(parts: SplitResult) -> tuple[int, bytes]:
    is_tls = parts.scheme == "https"
    host = str(parts.hostname)
    tls = await asyncio.to_thread(ssl.create_default_context) if is_tls else None
    reader, writer = await asyncio.open_connection(host, parts.port or (443 if is_tls else 80), ssl=tls)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\nConnection: close\r\nUser-Agent: onefold\r\n\r\n"
        )
        writer.write(head.encode("ascii"))
        await writer.drain()
        return await _read(reader)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    answer, read_bytes = _Answer(), 0
    parser = httptools.HttpResponseParser(answer)
    while not answer.is_complete and (chunk := await reader.read(_CHUNK_BYTES)):
        read_bytes += len(chunk)
        if read_bytes > MOST_BYTES:
            raise ValueError("too large")
        parser.feed_data(chunk)
    if answer.has_length and not answer.is_complete:  # without one, the end of the connection is the end of the body
        raise ValueError("cut short")
    return parser.get_status_code(), bytes(answer.body)
