"""The substrate of `collector`: `python -m tests.benchmarks.rig.bare PORT SERVERS TOPIC RECORDS` produces the same bytes, and decides nothing.

A bare ASGI application that reads a body, puts the records of the file RECORDS (JSON lines of key and value) on the topic, and answers once
they are acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

BODY = b'{"success":true}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(BODY))]


async def main(lines: list[str]) -> None:
    """Serve until ended."""
    port, servers, topic, _ = sys.argv[1:]
    records = [(key.encode(), value.encode()) for key, value in map(json.loads, lines)]
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True) as producer:

        async def application(
            _: MutableMapping[str, Any],
            receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
            send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
        ) -> None:
            while (await receive()).get("more_body"):
                pass
            futures = [await producer.send(topic, value=value, key=key) for key, value in records]
            await asyncio.gather(*futures)
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await send({"type": "http.response.body", "body": BODY})

        config = uvicorn.Config(application, port=int(port), http="httptools", lifespan="off", log_config=None, access_log=False)
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[4]).read_text(encoding="utf-8").splitlines()))
