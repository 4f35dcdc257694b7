"""A Valkey cluster of the test's own: primaries that share the slots, without replicas."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from onefold.local import valkey
from onefold.local.ports import HOST, pick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

SLOTS = 16_384


@asynccontextmanager
async def valkey_cluster(folder: Path, nodes: int = 2) -> AsyncIterator[str]:
    """The URL of a cluster that answers for every slot."""
    ports: list[int] = []
    for _ in range(2 * nodes):
        ports.append(pick(set(ports)))
    processes = [_start(folder / str(port), port, bus) for port, bus in zip(ports[:nodes], ports[nodes:], strict=True)]
    clients: list[Any] = [Redis(host=HOST, port=port) for port in ports[:nodes]]
    try:
        async with asyncio.timeout(60):
            await _join(clients, ports, nodes)
        yield f"redis+cluster://{HOST}:{ports[0]}"
    finally:
        for client in clients:
            await client.aclose()
        for process in processes:
            process.kill()
            process.wait()


def _start(folder: Path, port: int, bus: int) -> subprocess.Popen[bytes]:
    folder.mkdir()
    options = {"bind": HOST, "port": port, "cluster-port": bus, "cluster-enabled": "yes", "save": "", "dir": folder}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return subprocess.Popen([valkey._binary(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def _join(clients: Sequence[Any], ports: Sequence[int], nodes: int) -> None:
    for number, client in enumerate(clients):
        await _until_up(client)
        first, last = SLOTS * number // nodes, SLOTS * (number + 1) // nodes - 1
        await client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        await client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
    for number in range(1, nodes):
        await clients[0].execute_command("CLUSTER MEET", HOST, ports[number], ports[nodes + number])
    for client in clients:
        while (await client.execute_command("CLUSTER INFO"))["cluster_state"] != "ok":
            await asyncio.sleep(0.05)


async def _until_up(client: Any) -> None:
    while True:
        try:
            await client.ping()
        except RedisConnectionError:
            await asyncio.sleep(0.05)
        else:
            return
