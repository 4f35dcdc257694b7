"""Rows of webhooks, and of what their secrets are derived of. What may be done with them is `onefold.workspace.webhooks`, which calls this.

What is due to them is `webhook_deliveries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.records.store import Connection

_COLUMNS = (
    "workspace, webhook_id, title, url, kinds, fields, segments, is_enabled, disabled_because, listens_since, failing_since, paused_until,"
    " created_at, updated_at"
)
INSERT = f"""
insert into webhooks (workspace, webhook_id, title, url, kinds, fields, segments) values ($1, $2, $3, $4, $5, $6, $7) returning {_COLUMNS}
"""
LIST = f"select {_COLUMNS} from webhooks where workspace = $1 order by created_at, webhook_id"
GET = f"select {_COLUMNS} from webhooks where webhook_id = $2 and workspace = $1"
LOCK = f"{GET} for no key update"
# Whoever enables one hears of what happens from then on, and it is tried at once.
UPDATE = f"""
update webhooks set title = $3, url = $4, kinds = $5, fields = $6, segments = $7, is_enabled = $8, updated_at = clock_timestamp(),
  listens_since = case when $8 and not is_enabled then clock_timestamp() else listens_since end,
  disabled_because = case when $8 then null else disabled_because end,
  failing_since = case when $8 and not is_enabled then null else failing_since end,
  failures = case when $8 and not is_enabled then 0 else failures end,
  paused_until = case when ($8 and not is_enabled) or $4 <> url then null else paused_until end
where webhook_id = $2 and workspace = $1 returning {_COLUMNS}
"""
WAKE = "update webhooks set paused_until = null where webhook_id = $2 and workspace = $1 and paused_until is not null"
DELETE = "delete from webhooks where webhook_id = $2 and workspace = $1"
LISTENING = f"select {_COLUMNS} from webhooks where workspace = any($1::text[]) and is_enabled"

INSERT_SIGNED = "insert into webhook_secrets (workspace, secret_id, webhook_id, version) values ($1, $2, $3, $4)"
END_SECRETS = """
update webhook_secrets set expires_at = least(expires_at, clock_timestamp() + $3) where webhook_id = $2 and workspace = $1
returning secret_id, expires_at
"""
SECRETS = """
select webhook_id, secret_id, version from webhook_secrets
where workspace = any($1::text[]) and webhook_id = any($2::uuid[]) and (expires_at is null or expires_at > clock_timestamp())
order by created_at desc, secret_id
"""


class WebhookNotFound(Refused):
    """The workspace has no webhook of this id."""

    code = "webhook_not_found"


class WebhookRow(NamedTuple):
    """A webhook."""

    workspace: str
    webhook_id: UUID
    title: str
    url: str
    kinds: list[str]
    fields: list[str]
    segments: list[str]
    is_enabled: bool
    disabled_because: str | None
    listens_since: datetime
    failing_since: datetime | None
    paused_until: datetime | None
    created_at: datetime
    updated_at: datetime


class SecretRow(NamedTuple):
    """What a secret is derived of: its id, and which of the installation's secrets."""

    webhook_id: UUID
    secret_id: UUID
    version: int


async def insert_webhook(connection: Connection, webhook: NewWebhook) -> WebhookRow:
    """Keep a new webhook."""
    row = await connection.fetchrow(INSERT, *webhook)
    assert row is not None  # noqa: S101 -- the statement gives a row
    return WebhookRow(*row.values())


class NewWebhook(NamedTuple):
    """A webhook that is to be kept."""

    workspace: str
    webhook_id: UUID
    title: str
    url: str
    kinds: Sequence[str]
    fields: Sequence[str]
    segments: Sequence[str]


async def list_webhooks(connection: Connection, workspace: str) -> list[WebhookRow]:
    """Every webhook of a workspace, the oldest first."""
    return [WebhookRow(*row.values()) for row in await connection.fetch(LIST, workspace)]


async def find_webhook(connection: Connection, workspace: str, webhook_id: UUID, *, will_write: bool = False) -> WebhookRow:
    """One webhook. Raises WebhookNotFound."""
    row = await connection.fetchrow(LOCK if will_write else GET, workspace, webhook_id)
    if row is None:
        raise WebhookNotFound(f"workspace {workspace!r} has no webhook {webhook_id}")
    return WebhookRow(*row.values())


async def update_webhook(connection: Connection, webhook: WebhookRow) -> WebhookRow:
    """Store what of a webhook people decide. Raises WebhookNotFound."""
    row = await connection.fetchrow(UPDATE, *webhook[:8])
    if row is None:
        raise WebhookNotFound(f"workspace {webhook.workspace!r} has no webhook {webhook.webhook_id}")
    return WebhookRow(*row.values())


async def wake(connection: Connection, webhook: WebhookRow) -> None:
    """Leave a webhook alone no longer."""
    await connection.execute(WAKE, webhook.workspace, webhook.webhook_id)


async def delete_webhook(connection: Connection, workspace: str, webhook_id: UUID) -> None:
    """Delete a webhook, with its secrets and all that was due to it. Raises WebhookNotFound."""
    if await connection.execute(DELETE, workspace, webhook_id) != "DELETE 1":
        raise WebhookNotFound(f"workspace {workspace!r} has no webhook {webhook_id}")


async def listening(connection: Connection, workspaces: Iterable[str]) -> list[WebhookRow]:
    """The enabled webhooks of these workspaces."""
    return [WebhookRow(*row.values()) for row in await connection.fetch(LISTENING, sorted(workspaces))]


async def insert_secret(connection: Connection, workspace: str, secret: SecretRow) -> None:
    """Let a webhook be signed with one more secret."""
    await connection.execute(INSERT_SIGNED, workspace, secret.secret_id, secret.webhook_id, secret.version)


async def end_secrets(connection: Connection, workspace: str, webhook_id: UUID, overlap: timedelta) -> None:
    """Let the secrets that a webhook has now count for so long yet."""
    await connection.execute(END_SECRETS, workspace, webhook_id, overlap)


async def live_secrets(connection: Connection, workspaces: Iterable[str], webhooks: Iterable[UUID]) -> list[SecretRow]:
    """The secrets that count now, the latest first."""
    return [SecretRow(*row.values()) for row in await connection.fetch(SECRETS, sorted(set(workspaces)), list(webhooks))]
