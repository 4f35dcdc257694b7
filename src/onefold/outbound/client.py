"""One HTTP call to somebody else's server: to an address that was checked, within a time and a size.

What a name resolves to is looked up once, and the connection goes to just the addresses that were looked at: a name that leads elsewhere
a moment later (rebinding) leads nowhere (security.md, S87). No redirects, cookies, proxies or kept connections; TLS is always verified,
against the name (S115). So little is needed that no HTTP client is. Called by `access.fetching` and by the sender of webhooks.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import httptools

from onefold.errors import InvalidMessage, TemporaryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias

    from onefold.outbound.addresses import Address, MayReach

    Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
    """From a host and a port to addresses, as text."""

_CHUNK_BYTES: Final = 16_384
_MOST_HEAD_BYTES: Final = 65_536
_MOST_ADDRESSES: Final = 3
"""Of one name that are tried, one after the other."""


class CallFailed(TemporaryError):
    """The call got no answer that could be read; `code` says which way."""

    code = "call_failed"

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Call(NamedTuple):
    """What to send."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None


class Answer(NamedTuple):
    """What came back. Whoever wants no body gets none, and the connection ends with the headers."""

    status: int
    body: bytes


def split_url(url: str) -> SplitResult | None:
    """The parts of an http or https URL that may stand in a request as it is; None for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc and not parts.fragment
    is_http = url.startswith(("https://", "http://"))
    return parts if is_http and is_plain and host and port != 0 else None


async def by_system(host: str, port: int) -> list[str]:
    """What the system resolves a name to."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Outbound:
    """Calls servers at addresses that may be reached. `resolve`: for those whose names are known elsewhere than in DNS."""

    def __init__(self, may_reach: MayReach, *, resolve: Resolve = by_system) -> None:
        self._may_reach = may_reach
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    async def call(self, call: Call, *, seconds: float, most_bytes: int) -> Answer:
        """The answer, whatever its status. `most_bytes`: of its body; 0 for whoever wants none. Raises CallFailed, InvalidMessage."""
        parts = split_url(call.url)
        if parts is None:
            raise InvalidMessage(f"{call.url!r} is no URL that can be called", code="invalid_url")
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._checked(parts)
                async with self._connected(parts, addresses, seconds) as (reader, writer):
                    writer.write(_head(call, parts) + (call.body or b""))
                    await writer.drain()
                    return await _read(reader, most_bytes)
        except TimeoutError as error:
            raise CallFailed(f"{parts.hostname} does not answer within {seconds:g} s", code="timeout") from error
        except ssl.SSLError as error:
            raise CallFailed(f"{parts.hostname} shows no certificate that counts: {type(error).__name__}", code="tls") from error
        except OSError as error:
            raise CallFailed(f"{parts.hostname} cannot be reached: {type(error).__name__}", code="unreachable") from error
        except (ValueError, httptools.HttpParserError) as error:
            raise CallFailed(f"{parts.hostname} does not answer as it should: {type(error).__name__}", code="bad_answer") from error

    async def _checked(self, parts: SplitResult) -> list[Address]:
        """What the name leads to now, all of which may be reached: a name that also leads to where nobody may go is not followed at all."""
        host = str(parts.hostname)
        try:
            found = [ip_address(each) for each in await self._resolve(host, _port(parts))]
        except UnicodeError as error:
            raise CallFailed(f"{host} is no name", code="unreachable") from error
        if not found:
            raise CallFailed(f"{host} leads nowhere", code="unreachable")
        for address in found:
            if not self._may_reach(address, parts.scheme == "http"):
                how = " without TLS" if parts.scheme == "http" else ""
                # Which address it is, the caller's user must not learn: it may be a name of the installation's own network.
                raise CallFailed(f"{host} leads to an address that may not be reached{how}", code="address_refused")
        return list(dict.fromkeys(found))[:_MOST_ADDRESSES]

    @asynccontextmanager
    async def _connected(
        self, parts: SplitResult, addresses: Sequence[Address], seconds: float
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection to the first of these that takes one. They are numbers, so nobody is asked again where they are."""
        tls = None
        if parts.scheme == "https":
            tls = self._tls = self._tls or await asyncio.to_thread(ssl.create_default_context)
        named = parts.hostname if tls is not None else None
        for number, address in enumerate(addresses):
            try:
                async with asyncio.timeout(seconds / len(addresses)):
                    reader, writer = await asyncio.open_connection(str(address), _port(parts), ssl=tls, server_hostname=named)
                break
            except (OSError, TimeoutError):
                if number == len(addresses) - 1:
                    raise
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1.0):
                    await writer.wait_closed()


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _head(call: Call, parts: SplitResult) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Host": parts.netloc, "Connection": "close", "User-Agent": "onefold", **call.headers}
    if call.body is not None:
        headers["Content-Length"] = str(len(call.body))
    lines = [f"{call.method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


class _Reading:
    """What httptools calls back."""

    def __init__(self) -> None:
        self.body = bytearray()
        self.has_length = False
        self.has_head = False
        self.is_complete = False

    def on_header(self, name: bytes, _value: bytes) -> None:
        self.has_length |= name.lower() in {b"content-length", b"transfer-encoding"}

    def on_headers_complete(self) -> None:
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True


async def _read(reader: asyncio.StreamReader, most_bytes: int) -> Answer:
    reading, read_bytes = _Reading(), 0
    parser = httptools.HttpResponseParser(reading)
    while not reading.is_complete and (chunk := await reader.read(_CHUNK_BYTES)):
        read_bytes += len(chunk)
        if read_bytes > (most_bytes or _MOST_HEAD_BYTES):
            raise ValueError("too large")
        parser.feed_data(chunk)
        if reading.has_head and not most_bytes:
            break
    if not reading.has_head:
        raise ValueError("no answer")
    if most_bytes and reading.has_length and not reading.is_complete:  # without one, the end of the connection is the end of the body
        raise ValueError("cut short")
    return Answer(parser.get_status_code(), bytes(reading.body))
