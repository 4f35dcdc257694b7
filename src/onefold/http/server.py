"""Listens, and drains before it stops.

uvicorn does HTTP, told never to log a request (addresses hold keys, S97), never to name itself, and never to follow a header's word
about who calls. Called by the roles that serve, and by tests that need no process of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from onefold.errors import ConfigurationError
from onefold.http.connection import HeadBounds, protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
    from typing import Any

    Application = Callable[
        [MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[MutableMapping[str, Any]], Awaitable[None]]], Awaitable[None]
    ]
    """As ASGI 3 has it."""

DRAIN_SECONDS: Final = 20
"""How long a stop waits for requests that have begun; below Kubernetes' grace period of 30 s."""
_KEEP_ALIVE_SECONDS: Final = 75
"""Above the 60 s of common load balancers, which must not meet a connection that is just being closed."""
_BACKLOG: Final = 2_048


@asynccontextmanager
async def listening(app: Application, bounds: HeadBounds, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve until the block ends, then take no more, answer what has begun, and stop. Gives the port, which 0 leaves to the system.

    Raises ConfigurationError where the address cannot be had.
    """
    listener = _listener(host, port)
    server = _Server(
        uvicorn.Config(
            app,
            http=protocol(bounds),
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process behind our back."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(f"this role cannot listen on {host} port {port}: {error.strerror}. Choose another port.") from error
    # Connections inherit it. Without, an answer's second packet waits 40 ms for the caller to acknowledge the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setblocking(False)
    return listener
