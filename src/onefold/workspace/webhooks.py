"""Webhooks of a workspace: made, edited, given other secrets, tried, deleted; and which of them a message is due to.

Nothing here commits: the caller's transaction does. Called by the User API, and by the stream of webhooks (`due_to`). Sending is
`streams/webhooks.py`'s.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID, uuid4

from onefold.errors import InvalidMessage, Refused
from onefold.messages.contacts import ContactChange
from onefold.messages.segments import SegmentMembership
from onefold.messages.times import time_text
from onefold.messages.webhooks import CONTACT_CHANGED, KIND_OF_TOPIC, PING, SEGMENT_MEMBERSHIP, secret_text, webhook_body
from onefold.outbound.client import split_url
from onefold.records import webhook_deliveries, webhooks
from onefold.records.webhook_deliveries import Delivery, Due
from onefold.records.webhooks import NewWebhook, WebhookRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onefold.records.store import Connection
    from onefold.workspace.webhook_secrets import SigningSecrets

Message = ContactChange | SegmentMembership
"""What can be due to a webhook."""

MOST_WEBHOOKS: Final = 50
MOST_SECRETS: Final = 4
"""That count at a time: each is a signature of every message."""
MOST_FILTERS: Final = 100
LONGEST_TITLE: Final = 200
LONGEST_URL: Final = 2_000
LONGEST_OVERLAP: Final = timedelta(days=30)
KINDS: Final = tuple(KIND_OF_TOPIC.values())
ALWAYS: Final = frozenset({"merged_into", "archived_at", "erased_at"})
"""Changes that pass every filter of fields: whoever follows a contact must learn where it went."""
CLOCKS: Final = timedelta(minutes=1)
"""How far the clocks of Postgres and of the brokers may be apart."""


class WebhookDisabled(Refused):
    """The webhook is disabled, so nothing is sent there."""

    code = "webhook_disabled"


class Wish(NamedTuple):
    """What a webhook is to be."""

    title: str
    url: str
    kinds: Sequence[str] = KINDS
    fields: Sequence[str] = ()
    """Of contact.changed: only changes of these, or of what lies below them; empty: all."""
    segments: Sequence[str] = ()
    """Of segment.membership: only these, by slug; empty: all."""


class Rules(NamedTuple):
    """What the installation says of webhooks."""

    secrets: SigningSecrets
    allows_http: bool = False
    """Whether a URL may do without TLS, towards networks that the installation allows; the sender looks which."""


async def create_webhook(connection: Connection, workspace: str, wish: Wish, rules: Rules) -> tuple[WebhookRow, str]:
    """Make a webhook; gives it and its secret, which is to be shown once. Raises InvalidMessage, WebhooksNotSetUp."""
    _check(wish, rules)
    if len(await webhooks.list_webhooks(connection, workspace)) >= MOST_WEBHOOKS:
        raise InvalidMessage(f"a workspace has at most {MOST_WEBHOOKS} webhooks", code="too_many")
    row = await webhooks.insert_webhook(connection, NewWebhook(workspace, uuid4(), *wish))
    return row, await _new_secret(connection, workspace, row.webhook_id, rules.secrets)


async def edit_webhook(connection: Connection, webhook: WebhookRow, rules: Rules) -> WebhookRow:
    """Store another title, address, wish, or whether it is sent to. Raises WebhookNotFound, InvalidMessage."""
    _check(Wish(*webhook[2:7]), rules)
    return await webhooks.update_webhook(connection, webhook)


async def rotate_secret(connection: Connection, webhook: WebhookRow, overlap: timedelta, rules: Rules) -> str:
    """Give a webhook another secret, which is to be shown once; those before count for the overlap yet. Raises InvalidMessage."""
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise InvalidMessage(f"two secrets overlap for {LONGEST_OVERLAP.days} days at most", code="invalid_overlap")
    await webhooks.end_secrets(connection, webhook.workspace, webhook.webhook_id, overlap)
    live = await webhooks.live_secrets(connection, [webhook.workspace], [webhook.webhook_id])
    if overlap and len(live) >= MOST_SECRETS:
        raise InvalidMessage(f"{len(live)} secrets count at this moment; rotate without an overlap to end them", code="too_many")
    return await _new_secret(connection, webhook.workspace, webhook.webhook_id, rules.secrets)


async def ping(connection: Connection, webhook: WebhookRow) -> Delivery:
    """Let something be sent that says nothing, to see whether it arrives. Raises WebhookDisabled."""
    _demand_enabled(webhook)
    delivery_id, at = uuid4(), datetime.now(UTC)
    said = json.dumps({"event_id": str(delivery_id), "workspace": webhook.workspace, "webhook_id": str(webhook.webhook_id)}).encode()
    body = webhook_body(PING, time_text(at), said)
    due = Due(webhook.workspace, delivery_id, webhook.webhook_id, str(delivery_id), PING, None, None, body)
    await webhook_deliveries.insert_due(connection, [due])
    await webhooks.wake(connection, webhook)
    return await webhook_deliveries.find_delivery(connection, webhook.workspace, webhook.webhook_id, delivery_id)


async def send_again(connection: Connection, webhook: WebhookRow, delivery_id: UUID) -> Delivery:
    """Let a delivery be sent once more, under the same id. Raises WebhookDisabled, DeliveryNotFound."""
    _demand_enabled(webhook)
    await webhooks.wake(connection, webhook)
    return await webhook_deliveries.send_again(connection, webhook.workspace, webhook.webhook_id, delivery_id)


def due_to(listening: Iterable[WebhookRow], message: Message, told_at: datetime) -> list[WebhookRow]:
    """Which of these webhooks want a message that was put on its topic at that time."""
    kind = CONTACT_CHANGED if isinstance(message, ContactChange) else SEGMENT_MEMBERSHIP
    return [
        each
        for each in listening
        if each.workspace == message.workspace
        and kind in each.kinds
        and each.listens_since <= told_at + CLOCKS
        and _passes_filters(each, message)
    ]


def _passes_filters(webhook: WebhookRow, message: Message) -> bool:
    if not isinstance(message, ContactChange):
        return not webhook.segments or message.segment.slug in webhook.segments
    changed = message.changes.keys()
    return (
        not webhook.fields
        or bool(message.merged)
        or not ALWAYS.isdisjoint(changed)
        or any(name == each or name.startswith(f"{each}.") for each in webhook.fields for name in changed)
    )


async def _new_secret(connection: Connection, workspace: str, webhook_id: UUID, secrets: SigningSecrets) -> str:
    row = secrets.new(webhook_id)
    await webhooks.insert_secret(connection, workspace, row)
    secret = secrets.derive(workspace, row)
    assert secret is not None  # noqa: S101 -- it was made a line ago
    return secret_text(secret)


def _demand_enabled(webhook: WebhookRow) -> None:
    if not webhook.is_enabled:
        raise WebhookDisabled("the webhook is disabled: enable it first, by PATCH with is_enabled")


def _check(wish: Wish, rules: Rules) -> None:
    if not wish.title.strip() or len(wish.title) > LONGEST_TITLE or "\0" in wish.title:
        raise InvalidMessage(f"a webhook's title has 1 to {LONGEST_TITLE} characters", code="invalid_title")
    parts = split_url(wish.url)
    if parts is None or len(wish.url) > LONGEST_URL or (parts.scheme != "https" and not rules.allows_http):
        raise InvalidMessage("a webhook's URL is https, without user and fragment, in ASCII", code="invalid_url")
    if not wish.kinds or not set(wish.kinds) <= set(KINDS):
        raise InvalidMessage(f"a webhook subscribes to some of {', '.join(KINDS)}", code="invalid_kinds")
    if max(len(wish.fields), len(wish.segments)) > MOST_FILTERS or not all(
        0 < len(each) <= LONGEST_TITLE and "\0" not in each for each in (*wish.fields, *wish.segments)
    ):
        raise InvalidMessage(f"a webhook names at most {MOST_FILTERS} fields and {MOST_FILTERS} segments", code="too_many")
