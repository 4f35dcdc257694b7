"""A whole installation on this machine: embedded servers, set-up, every role. For `onefold up` and `onefold demo`.

The servers' addresses go into `<folder>/onefold.env`, which other commands read when nothing else is set.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold import bootstrap
from onefold.installation import setup
from onefold.local.servers import LocalServers
from onefold.local.stack import Role as StackRole
from onefold.local.stack import Stack
from onefold.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ROLES = (
    "collector",
    "resolver",
    "relay",
    "segments-worker",
    "timeline",
    "jobs-worker",
    "webhooks-worker",
    "outreach-worker",
    "user-api",
    "contact-api",
)
DOORS = ("COLLECTOR", "USER_API", "CONTACT_API")
"""Who serves, as settings name them."""
ENV_FILE = "onefold.env"
MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class LocalStack:
    """What runs, and where."""

    settings: Settings
    roles: Stack
    collector_url: str
    user_api_url: str
    contact_api_url: str
    health_urls: dict[str, str]
    """By role, without a path."""
    env_file: Path


@contextmanager
def local_stack(folder: Path) -> Iterator[LocalStack]:
    """Everything running, until the block ends. Raises what starting servers and roles raises, with nothing left behind."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with LocalServers(folder) as servers:
        mailbox, *ports = _free_ports(1 + len(DOORS) + len(ROLES))
        doors, health = dict(zip(DOORS, ports, strict=False)), dict(zip(ROLES, ports[len(DOORS) :], strict=True))
        env_file = _write_env(folder, servers, doors, mailbox)
        os.environ["ONEFOLD_ENV_FILE"] = str(env_file)
        settings = Settings.load()
        asyncio.run(_set_up(settings))
        urls = {name: f"http://127.0.0.1:{port}" for name, port in health.items()}
        roles = [StackRole.ours(name, "--health-port", str(health[name]), ready_url=f"{urls[name]}/ready") for name in ROLES]
        serve = ("mailbox", "serve", "--folder", str(folder / MAILBOX), "--port", str(mailbox))
        roles.append(StackRole("mailbox", (sys.executable, "-m", "onefold", *serve)))
        with Stack(roles, folder / "logs", {"ONEFOLD_ENV_FILE": str(env_file)}) as running:
            collector, user_api, contact_api = (f"http://127.0.0.1:{doors[door]}" for door in DOORS)
            yield LocalStack(settings, running, collector, user_api, contact_api, urls, env_file)


async def _set_up(settings: Settings) -> None:
    await setup.migrate_database(settings)
    await setup.make_topics(settings, bootstrap.begin("setup", settings).kafka)


def _write_env(folder: Path, servers: LocalServers, doors: Mapping[str, int], mailbox_port: int) -> Path:
    """The addresses of this stack, readable by this user only; the secrets stay what they were."""
    file = folder / ENV_FILE
    known = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line) if file.is_file() else {}
    values = {
        "ONEFOLD_POSTGRES__URL": servers.postgres_url,
        "ONEFOLD_POSTGRES__ADMIN_URL": servers.postgres_admin_url,
        "ONEFOLD_REDIS__URL": servers.redis_url,
        "ONEFOLD_KAFKA__SERVERS": servers.kafka_servers,
        "ONEFOLD_INDEX__SECRET": known.get("ONEFOLD_INDEX__SECRET") or secrets.token_hex(32),
        "ONEFOLD_WEBHOOKS__SECRETS": known.get("ONEFOLD_WEBHOOKS__SECRETS") or json.dumps({"1": secrets.token_hex(32)}),
        "ONEFOLD_VALIDATION__SECRET": known.get("ONEFOLD_VALIDATION__SECRET") or secrets.token_hex(32),
        "ONEFOLD_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.0/8", "::1/128"]',
        **{f"ONEFOLD_{door}__PORT": str(port) for door, port in doors.items()},
        "ONEFOLD_OUTREACH__LINKS_URL": f"http://127.0.0.1:{doors['USER_API']}",
        "ONEFOLD_CONTACT_API__PUBLIC_URL": f"http://127.0.0.1:{doors['CONTACT_API']}",
        "ONEFOLD_OUTREACH__SMTP_HOST": "127.0.0.1",
        "ONEFOLD_OUTREACH__SMTP_PORT": str(mailbox_port),
        "ONEFOLD_OUTREACH__SMTP_SECURITY": "none",
        "ONEFOLD_OUTREACH__SENDER": "no-reply@onefold.example",
        "ONEFOLD_OUTREACH__SMS_FOLDER": str(folder / MAILBOX),
        "ONEFOLD_LOGS__FORMAT": "console",
    }
    file.touch(mode=0o600)
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return file


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
