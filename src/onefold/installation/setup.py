"""Everything that must be there before the first event: tables, topics, a workspace, its keys. Safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.access import keys
from onefold.errors import ConfigurationError
from onefold.records import migrate
from onefold.records.keys import list_keys
from onefold.topics.admin import ensure_topics
from onefold.workspace.workspaces import create_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.store import Store
    from onefold.settings import Settings
    from onefold.topics.client import KafkaConnection


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key that was made now; its text is shown this once (S58)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Report:
    """What setup did."""

    migrations: Sequence[str]
    topics_created: Sequence[str]
    workspace: str
    workspace_created: bool
    keys: Sequence[ShownKey]


async def migrate_database(settings: Settings) -> list[str]:
    """Bring the tables up to date; gives the revisions that ran."""
    if settings.postgres.admin_url is None:
        raise ConfigurationError("ONEFOLD_POSTGRES__ADMIN_URL is missing: setup migrates the database as its owner, which workers are not")
    return await migrate.upgrade(settings.postgres.admin_url.get_secret_value())


async def make_topics(settings: Settings, connection: KafkaConnection) -> list[str]:
    """Make what topics are missing; gives their names."""
    kafka = settings.kafka
    done = await ensure_topics(connection, partitions=kafka.partitions, replication=kafka.replication)
    return [each.name for each in done if each.state == "created"]


async def make_workspace(store: Store, slug: str, title: str) -> tuple[bool, list[ShownKey]]:
    """Make a workspace with one public and one secret key, if it has none."""
    async with store.transaction([slug]) as connection:
        created = await create_workspace(connection, slug, title)
        if await list_keys(connection, slug):
            return created, []
        public = await keys.create_key(connection, slug, "public", "first public key")
        secret = await keys.create_key(connection, slug, "secret", "first secret key")
    return created, [ShownKey("public", public.text), ShownKey("secret", secret.text)]


async def make_new_workspace(store: Store, slug: str) -> tuple[str, list[ShownKey]]:
    """A workspace that nobody has used: `slug`, or `slug-2`, `slug-3` …; gives its slug and its keys."""
    number = 1
    while True:
        name = slug if number == 1 else f"{slug}-{number}"
        created, keys = await make_workspace(store, name, name)
        if created:
            return name, keys
        number += 1
