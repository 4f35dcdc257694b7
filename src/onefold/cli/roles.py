"""One command a role: load the settings, connect, serve health, run until SIGTERM or Ctrl-C, drain."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.bootstrap import Role
    from onefold.observe import Health

    Run = Callable[[Role, Health, asyncio.Event], Awaitable[None]]

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0

HealthPort = Annotated[
    int | None, typer.Option("--health-port", help="Port of /live, /ready and /metrics; 0 picks one.", show_default=False)
]


def collector(health_port: HealthPort = None) -> None:
    """Take events over HTTP, as Segment's and RudderStack's SDKs send them."""
    from onefold.http.collector.role import run  # noqa: PLC0415 -- a role loads only what it needs

    _play("collector", run, health_port)


def resolver(health_port: HealthPort = None) -> None:
    """Turn interactions into contacts."""
    from streams.resolver import run  # noqa: PLC0415

    _play("resolver", run, health_port)


def relay(health_port: HealthPort = None) -> None:
    """Move changes from the outbox to Kafka."""
    from streams.relay import run  # noqa: PLC0415

    _play("relay", run, health_port)


def segments_worker(health_port: HealthPort = None) -> None:
    """Keep segment membership right as contacts change."""
    from streams.segments import run  # noqa: PLC0415

    _play("segments-worker", run, health_port)


def timeline(health_port: HealthPort = None) -> None:
    """Keep what contacts did, and count it by day."""
    from streams.timeline import run  # noqa: PLC0415

    _play("timeline", run, health_port)


def jobs_worker(health_port: HealthPort = None) -> None:
    """Work on jobs of workspaces: renames, imports, fills of segments, bulk operations."""
    from streams.jobs import run  # noqa: PLC0415

    _play("jobs-worker", run, health_port)


def webhooks_worker(health_port: HealthPort = None) -> None:
    """Send signed webhooks as contacts change, and enter and leave segments."""
    from streams.webhooks import run  # noqa: PLC0415

    _play("webhooks-worker", run, health_port)


def outreach_worker(health_port: HealthPort = None) -> None:
    """Send mails and texts: codes, links, notices."""
    from streams.outreach import run  # noqa: PLC0415

    _play("outreach-worker", run, health_port)


def user_api(health_port: HealthPort = None) -> None:
    """Serve the User API, for people in a browser and their software."""
    from onefold.http.user_api.role import run  # noqa: PLC0415

    _play("user-api", run, health_port)


def contact_api(health_port: HealthPort = None) -> None:
    """Serve the Contact API, for sites' pages and the visitors before them."""
    from onefold.http.contact_api.role import run  # noqa: PLC0415

    _play("contact-api", run, health_port)


COMMANDS = {
    "collector": collector,
    "resolver": resolver,
    "relay": relay,
    "segments-worker": segments_worker,
    "timeline": timeline,
    "jobs-worker": jobs_worker,
    "webhooks-worker": webhooks_worker,
    "outreach-worker": outreach_worker,
    "user-api": user_api,
    "contact-api": contact_api,
}


def _play(name: str, run: Run, health_port: int | None) -> None:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    role = bootstrap.begin(name, settings)
    port = settings.health.port if health_port is None else health_port
    bootstrap.calm_garbage_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(role, run, port))


async def _serve(role: Role, run: Run, port: int) -> None:
    from onefold.http.health import serving  # noqa: PLC0415
    from onefold.observe import Health  # noqa: PLC0415

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    health = Health(role.name, role.metrics.registry)
    async with serving(health, role.settings.health.host, port) as listening:
        role.log.info("role_started", health_port=listening, settings=role.settings.redacted(only_set=True))
        await _run_patiently(role, run, health, stopping)
    role.log.info("role_stopped")


async def _run_patiently(role: Role, run: Run, health: Health, stopping: asyncio.Event) -> None:
    """Run; while a server is away that the role cannot begin without, wait with growing pauses, and say so at each (F14)."""
    from onefold.errors import TemporaryError  # noqa: PLC0415
    from onefold.installation.doctor import refuse_unsafe  # noqa: PLC0415

    pause = FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        try:
            await refuse_unsafe(role, uses_index=role.name == "resolver")
            return await run(role, health, stopping)
        except TemporaryError as error:
            health.waiting("start", str(error))
            health.tick()
            role.log.warning("role_waits", code=error.code, reason=str(error), seconds=pause)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 -- twenty per cent faster where it exists

    return uvloop.new_event_loop
