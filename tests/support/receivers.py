"""Receivers of webhooks: real servers on this machine, which remember what they were sent, and verify it as the how-to page says."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

PAGE = Path(__file__).parents[2] / "docs/how-to/webhooks.md"


def shown_verify() -> Callable[[str, dict[str, str], bytes], bool]:
    """The function that the page shows to verify with."""
    (sample,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(sample, str(PAGE), "exec"), names)  # noqa: S102 -- docs are run
    verify: Callable[[str, dict[str, str], bytes], bool] = names["verify"]
    return verify


@dataclass
class Got:
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Of the message."""
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        """The body, read."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Receiver:
    """Answers what it is told to, one after the other, then 204."""

    url: str
    answers: list[str] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    most_open: Counter[str] = field(default_factory=Counter)
    """How many requests of a path were open at a time."""
    is_dead: bool = False
    """Takes connections, and says nothing."""

    async def has(self, count: int, *, within_seconds: float = 10.0) -> list[Got]:
        """Wait until it was sent so many."""
        async with asyncio.timeout(within_seconds):
            while len(self.got) < count:
                await asyncio.sleep(0.02)
        return self.got


@asynccontextmanager
async def receiver(address: str = "127.0.0.1", *, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver at an address of this machine."""
    connected: set[asyncio.StreamWriter] = set()
    open_now: Counter[str] = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            path = head[0].split(" ")[1]
            open_now[path] += 1
            found.most_open[path] = max(found.most_open[path], open_now[path])
            found.got.append(Got(headers, await reader.readexactly(int(headers.get("content-length", "0")))))
            if not found.is_dead:
                writer.write((found.answers.pop(0) if found.answers else "HTTP/1.1 204 No Content\r\n\r\n").encode())
                await writer.drain()
                writer.close()
            await reader.read()  # until whoever called has gone
            open_now[path] -= 1

    server = await asyncio.start_server(serve, address, port, ssl=tls)
    scheme, host = ("https", "localhost") if tls is not None else ("http", address)
    found = Receiver(f"{scheme}://{host}:{server.sockets[0].getsockname()[1]}/hook")
    try:
        yield found
    finally:
        server.close()
        for writer in connected:
            writer.close()
        await server.wait_closed()


def status(number: int, *headers: str) -> str:
    """An answer without a body."""
    return "\r\n".join([f"HTTP/1.1 {number} Said", "Content-Length: 0", *headers, "", ""])
