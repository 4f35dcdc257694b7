"""The collector against a bare ASGI application that produces the same bytes with acknowledgement, loaded from another process.

Events one a request, and a hundred; then the time of a request at half of the load that the collector can take.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from base64 import b64encode
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from onefold.access.keys import create_key
from onefold.messages.topics import INTERACTIONS
from onefold.topics.tail import follow_topic
from tests.benchmarks.rig.measuring import Figure, bench_installation, cost, figure, report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.installations import Installation

CONNECTIONS, SECONDS, REPETITIONS = 32, 6, 3


async def main() -> int:
    """Measure both shapes of request."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="onefold-bench-") as folder:
        async with bench_installation(partitions=3) as mine:
            async with mine.store.transaction(["acme"]) as connection:
                key = (await create_key(connection, "acme", "public", "bench")).text
            for events in (1, 100):
                figures += await _compare(mine, Path(folder), key, events)
    return report(figures)


async def _compare(mine: Installation, folder: Path, key: str, events: int) -> list[Figure]:
    request, records = folder / f"request-{events}", folder / f"records-{events}"
    text = _request(key, events)
    await asyncio.to_thread(request.write_bytes, text)
    rates: list[tuple[float, float]] = []
    times: list[tuple[float, float]] = []
    for _ in range(REPETITIONS):
        async with _collector(mine) as port:
            if not rates:
                await _keep_what_it_writes(mine, port, text, records, events)
            ours = await _load(port, request)
            at_half = await _load(port, request, ours["rate"] / 2)
        async with _bare(mine, records) as port:
            bare = await _load(port, request)
            bare_at_half = await _load(port, request, ours["rate"] / 2)
        rates.append((ours["rate"] * events, bare["rate"] * events))
        times.append((at_half["p99"], bare_at_half["p99"]))
    name = "single events" if events == 1 else f"batches of {events}"
    return [
        figure(f"collector: {name}", "events/s", rates, at_least=0.5),
        cost(f"collector: {name}, p99 at half load", "ms", times, times_at_most=5),
    ]


def _request(key: str, events: int) -> bytes:
    calls = [
        {
            "type": "track",
            "event": "Product Viewed",
            "anonymousId": f"visitor-{number}",
            "messageId": f"{events}-{number}",
            "timestamp": "2026-11-01T09:30:00.000Z",
            "properties": {"path": "/pricing", "plan": "pro", "price": 49.5},
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "locale": "de-DE"},
        }
        for number in range(events)
    ]
    body = json.dumps(calls[0] if events == 1 else {"batch": calls, "sentAt": "2026-11-01T09:30:01.000Z"}).encode()
    path = "/v1/track" if events == 1 else "/v1/batch"
    authorization = b64encode(f"{key}:".encode()).decode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {authorization}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _keep_what_it_writes(mine: Installation, port: int, request: bytes, file: Path, events: int) -> None:
    """One request's records, for the bare application to write."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    mark = f'"event_id":"{events}-'.encode()
    written = [
        ((record.key or b"").decode(), record.value.decode())
        async for record in follow_topic(mine.role.kafka, INTERACTIONS, from_start=True, to_end=True)
        if record.value is not None and mark in record.value
    ]
    assert len(written) == events
    await asyncio.to_thread(file.write_text, "".join(json.dumps(pair) + "\n" for pair in written))


@asynccontextmanager
async def _collector(mine: Installation) -> AsyncIterator[int]:
    port = _free_port()
    process = await mine.start_process("collector", ONEFOLD_COLLECTOR__PORT=str(port))
    async with _serving(process, port):
        yield port


@asynccontextmanager
async def _bare(mine: Installation, records: Path) -> AsyncIterator[int]:
    port = _free_port()
    arguments = [str(port), mine.role.kafka.servers, mine.role.kafka.topic(INTERACTIONS), str(records)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.benchmarks.rig.bare", *arguments)
    async with _serving(process, port):
        yield port


@asynccontextmanager
async def _serving(process: asyncio.subprocess.Process, port: int) -> AsyncIterator[None]:
    """Wait until it listens; end it with the block."""
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield
    finally:
        process.terminate()
        await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


async def _load(port: int, request: Path, rate: float | None = None) -> dict[str, Any]:
    arguments = [str(port), str(request), str(CONNECTIONS), str(SECONDS), *([str(rate)] if rate is not None else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.rig.load", *arguments, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said)
    return found


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
