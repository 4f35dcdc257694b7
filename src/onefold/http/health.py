"""Health and metrics of a role, on a port of its own (S116): `/live`, `/ready`, `/metrics`.

Live means that the role's own loop ticked lately, and touches no dependency: a process that waits for Postgres is alive. Ready means
that everything the role named is there. Started by each role's command.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from onefold.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from onefold.observe import Health


def application(health: Health) -> Starlette:
    """The three pages."""

    async def live(_: Request) -> Response:
        return JSONResponse({"role": health.role, "live": health.is_live}, 200 if health.is_live else 503)

    async def ready(_: Request) -> Response:
        return JSONResponse({"role": health.role, "ready": not health.reasons, "waiting": health.reasons}, 503 if health.reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(health.registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/live", live), Route("/ready", ready), Route("/metrics", metrics)])


@asynccontextmanager
async def serving(health: Health, host: str, port: int) -> AsyncIterator[int]:
    """Serve the three pages while the block runs; gives the port, which 0 leaves to the system."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigurationError(
            f"health and metrics cannot listen on {host} port {port}: {error.strerror}. Set ONEFOLD_HEALTH__PORT to a free one."
        ) from error
    config = uvicorn.Config(
        application(health), lifespan="off", log_config=None, access_log=False, server_header=False, proxy_headers=False
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the role decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[Any]:
        yield
