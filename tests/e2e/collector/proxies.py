"""A proxy as operators put one before the collector: it adds a header to every request."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def adding(header: bytes, port: int) -> AsyncIterator[str]:
    """Its address. One request a connection, so that no later one passes without the header."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(asyncio.IncompleteReadError):
            first = await reader.readuntil(b"\r\n")
            up_writer.write(first + header + b"\r\nConnection: close\r\n")
            back = asyncio.create_task(_pump(reader, up_writer))
            await _pump(up_reader, writer)
            back.cancel()
        for each in (up_writer, writer):
            each.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
        await writer.drain()
