"""A load for HTTP/1.1 servers on this machine: `python -m tests.benchmarks.rig.load PORT REQUEST_FILE CONNECTIONS SECONDS [RATE]`.

Without a rate each connection sends its next request when it has its answer; with one, requests are due at even intervals whatever the
answers do, and their time counts from when they were due. Prints one line of JSON: requests a second, and p50 and p99 in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from pathlib import Path

import uvloop

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"


async def main(request: bytes) -> None:
    """Load, then tell."""
    port, _, connections, seconds = sys.argv[1:5]
    rate = float(sys.argv[5]) if len(sys.argv) > 5 else None
    taken: list[float] = []
    began = time.perf_counter()
    due = asyncio.Queue[float]()
    workers = [asyncio.create_task(_worker(int(port), request, taken, due, rate is not None)) for _ in range(int(connections))]
    if rate is None:
        await asyncio.sleep(float(seconds))
    else:
        await _schedule(due, began, float(seconds), rate)
    elapsed = time.perf_counter() - began
    done = list(taken)
    for worker in workers:
        worker.cancel()
    outcomes = await asyncio.gather(*workers, return_exceptions=True)
    failed = [each for each in outcomes if isinstance(each, Exception)]
    if failed:
        raise failed[0]
    cuts = statistics.quantiles(done, n=100)
    print(json.dumps({"rate": len(done) / elapsed, "p50": cuts[49] * 1000, "p99": cuts[98] * 1000}))


async def _schedule(due: asyncio.Queue[float], began: float, seconds: float, rate: float) -> None:
    number = 0
    while (now := time.perf_counter()) < began + seconds:
        while began + number / rate <= now:
            due.put_nowait(began + number / rate)
            number += 1
        await asyncio.sleep(0.001)


async def _worker(port: int, request: bytes, taken: list[float], due: asyncio.Queue[float], is_scheduled: bool) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            at = await due.get() if is_scheduled else time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(HEAD_END)
            length = _LENGTH.search(head)
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise RuntimeError(head.decode())
            await reader.readexactly(int(length[1]))
            taken.append(time.perf_counter() - at)
    finally:
        writer.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[2]).read_bytes()))
