"""Everything that must be there before the first event: tables, topics, a workspace, its keys. Safe to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.access import keys
from onefold.access.passwords import temporary
from onefold.access.users import Wish, create_user
from onefold.errors import ConfigurationError
from onefold.records import migrate
from onefold.records.keys import list_keys
from onefold.records.log import Act, append
from onefold.records.users import lock_admins
from onefold.topics.admin import ensure_topics
from onefold.workspace.workspaces import create_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.store import Store
    from onefold.settings import Settings
    from onefold.topics.client import KafkaConnection


BY_SETUP = "setup"
"""How the log names whoever set the installation up."""


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key that was made now; its text is shown this once (S58)."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownAdmin:
    """A Super Admin who was made now; the password is shown this once."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Report:
    """What setup did."""

    migrations: Sequence[str]
    topics_created: Sequence[str]
    workspace: str
    workspace_created: bool
    keys: Sequence[ShownKey]
    admin: ShownAdmin | None


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
    """Make a workspace with one key of each kind, if it has none. The service key speaks for a service account of its own."""
    async with store.transaction([slug]) as connection:
        created = await create_workspace(connection, slug, title)
        if await list_keys(connection, slug):
            return created, []
        public = await keys.create_key(connection, slug, "public", "first public key")
        secret = await keys.create_key(connection, slug, "secret", "first secret key")
        account = await create_user(connection, slug, None, Wish("service-account@example.com", roles=["service_account"]), None)
        service = await keys.create_key(connection, slug, "service", "first service key", user_id=account.user_id)
        made = [Act(BY_SETUP, "created", "keys", str(each.row.key_id)) for each in (public, secret, service)]
        await append(connection, slug, [Act(BY_SETUP, "created", "users", str(account.user_id), 1), *made])
    return created, [ShownKey("public", public.text), ShownKey("secret", secret.text), ShownKey("service", service.text)]


async def make_admin(store: Store, workspace: str, email: str) -> ShownAdmin | None:
    """Make the Super Admin of a workspace that has none, with a password that they must change at first."""
    password, hashed = await temporary()
    async with store.transaction([workspace]) as connection:
        if await lock_admins(connection, workspace):
            return None
        admin = await create_user(connection, workspace, None, Wish(email, roles=["super_admin"]), hashed, must_reset=True)
        await append(connection, workspace, [Act(BY_SETUP, "created", "users", str(admin.user_id), 1)])
    return ShownAdmin(admin.email, password)


async def make_new_workspace(store: Store, slug: str) -> tuple[str, list[ShownKey]]:
    """A workspace that nobody has used: `slug`, or `slug-2`, `slug-3` …; gives its slug and its keys."""
    number = 1
    while True:
        name = slug if number == 1 else f"{slug}-{number}"
        created, keys = await make_workspace(store, name, name)
        if created:
            return name, keys
        number += 1
