"""Kafka, Postgres and Valkey in one folder: `with LocalServers(folder) as servers: servers.postgres_url`.

Called by the command line and by the tests. They start in parallel, on ports that were picked freely and are remembered, and are stopped
with the block, with the process, however it ends, or one by one (`stop`, `start`, `restart`). What they held is there at the next start.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from onefold.local import ports
from onefold.local.child import Child, Launch
from onefold.local.failures import LocalServersFailed, NoSpace, PortTaken
from onefold.local.folder import NEEDED_MB, DataFolder
from onefold.local.kafka import Kafka
from onefold.local.postgres import APP, OWNER, SUPERUSER, Postgres
from onefold.local.valkey import Valkey

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping

_READY_SECONDS = 90.0
_POLL_SECONDS = 0.05
_PORT_TRIES = 3
_TAIL_LINES = 15


class Server(Protocol):
    """What each of the three can do."""

    @property
    def name(self) -> str:
        """What callers name it by."""

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports that it needs, by name."""

    def prepare(self) -> None:
        """Make what must be on the disk before it starts; cheap when it is there."""

    def launch(self) -> Launch:
        """How it is started."""

    def ready(self) -> bool:
        """Whether it answers."""

    def after_first_start(self) -> None:
        """Make what it must hold; cheap when it does."""


class LocalServers:
    """The servers of one folder; a context manager, plain or async.

    `ports_wanted` fixes ports that would be picked otherwise; `kafka_properties` and `postgres_settings` beat what the
    servers would have.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        kafka: bool = True,
        postgres: bool = True,
        redis: bool = True,
        ports_wanted: Mapping[str, int] | None = None,
        kafka_properties: str = "",
        postgres_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = DataFolder(Path(folder))
        self._kafka, self._redis = Kafka(self._folder, kafka_properties), Valkey(self._folder)
        self._postgres = Postgres(self._folder, postgres_settings)
        wanted: list[tuple[Server, bool]] = [(self._kafka, kafka), (self._postgres, postgres), (self._redis, redis)]
        self._servers: dict[str, Server] = {server.name: server for server, is_wanted in wanted if is_wanted}
        self._ports_wanted = dict(ports_wanted or {})
        self._children: dict[str, Child] = {}

    @property
    def kafka_servers(self) -> str:
        """Kafka's bootstrap servers."""
        return self._kafka.servers

    @property
    def postgres_url(self) -> str:
        """The database, as the role that our own roles connect as."""
        return self._postgres.url(APP)

    @property
    def postgres_admin_url(self) -> str:
        """The database, as its owner, who migrates it and may create databases."""
        return self._postgres.url(OWNER)

    @property
    def postgres_superuser_url(self) -> str:
        """The maintenance database, as superuser: for tests and for mending by hand."""
        return self._postgres.url(SUPERUSER, "postgres")

    @property
    def redis_url(self) -> str:
        """Database 0 of Valkey."""
        return self._redis.url

    @property
    def log_files(self) -> dict[str, Path]:
        """Each server's log."""
        return {name: self._log(name) for name in self._servers}

    def start_all(self) -> None:
        """Start every server, in parallel; if one fails, stop the others and raise its error."""
        self._folder.open()
        try:
            self._choose_ports()
            with ThreadPoolExecutor(len(self._servers) or 1) as pool:
                outcomes = [pool.submit(self._start_first, server) for server in self._servers.values()]
            for outcome in outcomes:
                outcome.result()
        except BaseException:
            self.stop_all()
            raise

    def stop_all(self) -> None:
        """Stop every server, all at once, and give the folder up."""
        for server in self._children.values():
            server.ask_to_stop()
        for server in self._children.values():
            server.stop()
        self._children.clear()
        self._folder.close()

    def start(self, name: str) -> None:
        """Start one server that was stopped, on the port that it had, and wait until it answers."""
        server = self._server(name)
        if name in self._children and self._children[name].alive:
            return
        for port_name in server.ports:
            port = self._folder.port(port_name)
            if port is not None and not ports.is_free(port):
                raise PortTaken(name, port)
        server.prepare()
        self._children[name] = Child.start(server.launch(), self._log(name), keep_open=(self._folder.lock,))
        self._await_ready(server, self._children[name])

    def stop(self, name: str, number: signal.Signals | None = None) -> None:
        """Stop one server, gently, or by sending it a signal (SIGKILL for a crash); returns when it is gone."""
        running = self._child(name)
        if number is None:
            running.stop()
            return
        running.signal(number)
        running.wait()

    def restart(self, name: str) -> None:
        """Stop one server gently and start it again on the same port."""
        self.stop(name)
        self.start(name)

    def pid(self, name: str) -> int:
        """The process id of a server, for signals such as SIGSTOP."""
        return self._child(name).pid

    def dead(self) -> list[str]:
        """The servers that were started and run no longer."""
        return [name for name, running in self._children.items() if not running.alive]

    def __enter__(self) -> Self:
        self.start_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start_all)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop_all)

    def _choose_ports(self) -> None:
        """The wanted ports; else those of last time, if they are free; else new ones."""
        chosen: set[int] = set()
        for server in self._servers.values():
            for name in server.ports:
                wanted = self._ports_wanted.get(name)
                if wanted is not None and not ports.is_free(wanted):
                    raise PortTaken(server.name, wanted)
                remembered = self._folder.port(name)
                port = wanted or (remembered if remembered and ports.is_free(remembered) else ports.pick(chosen))
                chosen.add(port)
                if port != remembered:
                    self._folder.remember_port(name, port)

    def _start_first(self, server: Server) -> None:
        """Start a server; should another program have taken its port meanwhile, on another one."""
        for remaining in reversed(range(_PORT_TRIES)):
            try:
                self.start(server.name)
                break
            except PortTaken:
                if not remaining or any(name in self._ports_wanted for name in server.ports):
                    raise
                for name in server.ports:
                    self._folder.remember_port(name, ports.pick(set()))
        server.after_first_start()

    def _await_ready(self, server: Server, running: Child) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not server.ready():
            if not running.alive:
                raise self._failure(server, running, f"{running.how_it_ended()} while it started")
            if time.monotonic() > deadline:
                raise self._failure(server, running, f"did not answer in {_READY_SECONDS:.0f} seconds")
            time.sleep(_POLL_SECONDS)

    def _failure(self, server: Server, running: Child, what: str) -> LocalServersFailed:
        """What its log says of it."""
        written = running.written()
        if "No space left on device" in written:
            return NoSpace(self._folder.path, 0, NEEDED_MB)
        if "Address already in use" in written or "Address in use" in written:
            return PortTaken(server.name, self._folder.port(server.ports[0]) or 0)
        tail = "\n".join(written.strip().splitlines()[-_TAIL_LINES:])
        return LocalServersFailed(f"{server.name} {what}. The end of its log, {running.log}:\n{tail}")

    def _log(self, name: str) -> Path:
        return self._folder.log_folder / f"{name}.log"

    def _server(self, name: str) -> Server:
        if name not in self._servers:
            raise LocalServersFailed(f"No server {name} here; there are {', '.join(self._servers)}.")
        return self._servers[name]

    def _child(self, name: str) -> Child:
        if name not in self._children:
            raise LocalServersFailed(f"The server {name} was not started.")
        return self._children[name]
