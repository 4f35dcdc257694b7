"""A byte-level TCP proxy in front of a dependency: passes on, waits, swallows, or cuts a connection at a given message."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK = 65_536


class Proxy:
    """Between one client and one server. Its attributes may be changed while connections are open."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self.port = 0
        self.delay_seconds = 0.0
        """Before each chunk is passed on, either way."""
        self.swallows = False
        """Take everything, pass on nothing: a black hole."""
        self.cut_after: bytes | None = None
        """What a client says before its connection is cut: the server has it and acts on it, and the client never hears."""
        self.cuts_left = 0
        self.cuts = 0

    def url(self, url: str) -> str:
        """The same URL, through here."""
        parts = urlsplit(url)
        _, _, address = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=parts.netloc.removesuffix(address) + f"127.0.0.1:{self.port}"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, both ways, until either side ends it."""
        try:
            there, back = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        doomed = asyncio.Event()
        ways = [asyncio.create_task(self._up(reader, back, doomed)), asyncio.create_task(self._down(there, writer, doomed))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for each in (writer, back):
                each.close()
                with suppress(OSError):
                    await each.wait_closed()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while chunk := await reader.read(CHUNK):
            if self.cut_after is not None and self.cuts_left and self.cut_after in chunk:
                self.cuts_left -= 1
                doomed.set()
            await self._pass(chunk, writer)

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while chunk := await reader.read(CHUNK):
            if doomed.is_set():  # the server has answered: it has done it
                self.cuts += 1
                return
            await self._pass(chunk, writer)

    async def _pass(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if not self.swallows:
            writer.write(chunk)
            with suppress(OSError):
                await writer.drain()


@asynccontextmanager
async def proxy(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server that a URL (or host:port) names, for as long as the block runs."""
    parts = urlsplit(url if "://" in url else f"tcp://{url}")
    mine = Proxy(parts.hostname or "127.0.0.1", parts.port or 0)
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(mine.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    mine.port = server.sockets[0].getsockname()[1]
    try:
        yield mine
    finally:
        server.close()
        for each in connections:
            each.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
