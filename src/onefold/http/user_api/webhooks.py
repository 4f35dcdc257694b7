"""Webhooks: where the workspace wants to be told what, and what became of it (security.md, S87; decision 0039)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from onefold.http.paging import Cursor, Limit, Page, cursor_of, place_of
from onefold.http.user_api.door import Doing, DoorRoute, allowed
from onefold.records import webhook_deliveries, webhooks
from onefold.records.webhook_deliveries import Delivery
from onefold.records.webhooks import WebhookRow
from onefold.workspace import webhooks as use_cases

router = APIRouter(route_class=DoorRoute, tags=["webhooks"])

_PLAIN = r"^[^\x00-\x1f\x7f]+$"
Kind = Literal["contact.changed", "segment.membership"]
Named = Annotated[str, Field(min_length=1, max_length=use_cases.LONGEST_TITLE, pattern=_PLAIN)]
Title = Annotated[str, Field(min_length=1, max_length=use_cases.LONGEST_TITLE, pattern=r"^[^\x00]*\S[^\x00]*$")]
Url = Annotated[str, Field(min_length=1, max_length=use_cases.LONGEST_URL, pattern=r"^[!-~]+$", description="https, at a public address.")]
Kinds = Annotated[list[Kind], Field(min_length=1, max_length=2)]
Fields = Annotated[
    list[Named],
    Field(
        max_length=use_cases.MOST_FILTERS,
        description="Of contact.changed: only changes of these fields, or of what lies below them, such as attributes. Empty: all."
        " Mergers, archiving and erasing are told in any case.",
    ),
]
Segments = Annotated[
    list[Named], Field(max_length=use_cases.MOST_FILTERS, description="Of segment.membership: only these segments, by slug. Empty: all.")
]


class WebhookMade(BaseModel):
    """A webhook to make."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    url: Url
    kinds: Kinds = ["contact.changed", "segment.membership"]
    fields: Fields = []
    segments: Segments = []


class WebhookEdited(BaseModel):
    """What of a webhook is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    url: Url | None = None
    kinds: Kinds | None = None
    fields: Fields | None = None
    segments: Segments | None = None
    is_enabled: bool | None = Field(None, description="Of what happens while it is not, nothing is sent later.")


class WebhookRotated(BaseModel):
    """How the secret of a webhook is to be changed."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(
        24, ge=0, le=use_cases.LONGEST_OVERLAP.days * 24, description="How long messages are signed with the old secret, too."
    )


class WebhookShown(BaseModel):
    """A webhook."""

    webhook_id: UUID
    title: str
    url: str
    kinds: list[str]
    fields: list[str]
    segments: list[str]
    is_enabled: bool
    disabled_because: str | None = Field(description="Why it is not enabled, where nobody said so.")
    failing_since: datetime | None = Field(description="Since when nothing has arrived there; null where the last attempt did.")
    paused_until: datetime | None = Field(description="Until when it is left alone, after it did not answer.")
    created_at: datetime
    updated_at: datetime


class WebhookShownOnce(WebhookShown):
    """A webhook, with its new secret, which is not shown again."""

    secret: str | None = Field(description="whsec_…, in the first answer alone. Who lost it rotates it.")


class DeliveryShown(BaseModel):
    """Something that was due to a webhook, and what became of it."""

    delivery_id: UUID
    event_id: str = Field(description="Its webhook-id: the same in every attempt.")
    kind: str
    contact_id: UUID | None
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None = Field(description="Of one that is being sent: when it counts as lost.")
    last_status: int | None = Field(description="What the receiver answered to the last attempt; null where it did not.")
    last_error: str | None
    bytes: int = Field(description="Of its body.")
    created_at: datetime
    finished_at: datetime | None


@router.get("/webhooks")
@allowed("webhooks", "read")
async def list_all(work: Doing) -> list[WebhookShown]:
    """Every webhook, the oldest first."""
    return [_shown(row) for row in await webhooks.list_webhooks(work.connection, work.workspace)]


@router.post("/webhooks", status_code=201)
@allowed("webhooks", "create")
async def create_webhook(work: Doing, body: WebhookMade) -> WebhookShownOnce:
    """Make a webhook: what happens from now on is sent there. Its secret is shown in this answer and never again."""
    made, secret = await use_cases.create_webhook(work.connection, work.workspace, use_cases.Wish(**body.model_dump()), work.parts.webhooks)
    work.note("created", "webhooks", made.webhook_id)
    work.shown_once = ("secret",)
    return WebhookShownOnce(**_shown(made).model_dump(), secret=secret)


@router.get("/webhooks/{webhook_id}")
@allowed("webhooks", "read")
async def read_webhook(work: Doing, webhook_id: UUID) -> WebhookShown:
    """One webhook."""
    return _shown(await webhooks.find_webhook(work.connection, work.workspace, webhook_id))


@router.patch("/webhooks/{webhook_id}")
@allowed("webhooks", "update")
async def edit_webhook(work: Doing, webhook_id: UUID, body: WebhookEdited) -> WebhookShown:
    """Change a webhook, or enable it again. What waits goes to the address that it has then."""
    before = await webhooks.find_webhook(work.connection, work.workspace, webhook_id, will_write=True)
    given = {name: value for name, value in body.model_dump(exclude_unset=True).items() if value is not None}
    after = await use_cases.edit_webhook(work.connection, before._replace(**given), work.parts.webhooks)
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": name, "old_value": _told(name, before), "new_value": _told(name, after)}
        for name in given
        if getattr(before, name) != getattr(after, name)
    ]
    if changes:
        work.note("updated", "webhooks", webhook_id, changes=changes)
    return _shown(after)


@router.delete("/webhooks/{webhook_id}", status_code=204)
@allowed("webhooks", "destroy")
async def destroy_webhook(work: Doing, webhook_id: UUID) -> None:
    """Delete a webhook, its secrets, and all that was due to it, sent or not."""
    await webhooks.delete_webhook(work.connection, work.workspace, webhook_id)
    work.note("destroyed", "webhooks", webhook_id)


@router.post("/webhooks/{webhook_id}/rotate", status_code=201)
@allowed("webhooks", "update")
async def rotate_secret(work: Doing, webhook_id: UUID, body: WebhookRotated) -> WebhookShownOnce:
    """Give a webhook another secret, shown in this answer alone. Messages are signed with both for the overlap."""
    found = await webhooks.find_webhook(work.connection, work.workspace, webhook_id, will_write=True)
    secret = await use_cases.rotate_secret(work.connection, found, timedelta(hours=body.overlap_hours), work.parts.webhooks)
    work.note("rotated", "webhooks", webhook_id)
    work.shown_once = ("secret",)
    return WebhookShownOnce(**_shown(found).model_dump(), secret=secret)


@router.post("/webhooks/{webhook_id}/test", status_code=201)
@allowed("webhooks", "update")
async def send_ping(work: Doing, webhook_id: UUID) -> DeliveryShown:
    """Let a `ping` be sent: look at its delivery a moment later."""
    made = await use_cases.ping(work.connection, await webhooks.find_webhook(work.connection, work.workspace, webhook_id))
    work.note("tested", "webhooks", webhook_id)
    return _delivery(made)


@router.get("/webhooks/{webhook_id}/deliveries")
@allowed("webhooks", "read")
async def list_deliveries(
    work: Doing,
    webhook_id: UUID,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["waiting", "delivered", "failed"] | None = None,
) -> Page[DeliveryShown]:
    """What was due there, the latest first; old ones are deleted."""
    await webhooks.find_webhook(work.connection, work.workspace, webhook_id)
    found = await webhook_deliveries.page(
        work.connection, work.workspace, webhook_id, before=place_of(cursor, int), state=state, limit=limit + 1
    )
    return Page(items=[_delivery(each) for each in found[:limit]], next=cursor_of(found[limit - 1].seq) if len(found) > limit else None)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/resend")
@allowed("webhooks", "update")
async def send_again(work: Doing, webhook_id: UUID, delivery_id: UUID) -> DeliveryShown:
    """Let a delivery that failed, or that arrived, be sent once more: the same body under the same id. One that waits goes on waiting."""
    found = await webhooks.find_webhook(work.connection, work.workspace, webhook_id)
    again = await use_cases.send_again(work.connection, found, delivery_id)
    work.note("resent", "webhooks", webhook_id, reason=f"delivery {delivery_id}")
    return _delivery(again)


def _told(name: str, row: WebhookRow) -> object:
    """A field as the log tells it: what stands behind a URL's question mark may let somebody in, so it stays out (S97)."""
    if name != "url":
        value: object = getattr(row, name)
        return value
    parts = urlsplit(row.url)
    return parts._replace(query="…" if parts.query else "").geturl()


def _shown(row: WebhookRow) -> WebhookShown:
    return WebhookShown(
        webhook_id=row.webhook_id,
        title=row.title,
        url=row.url,
        kinds=row.kinds,
        fields=row.fields,
        segments=row.segments,
        is_enabled=row.is_enabled,
        disabled_because=row.disabled_because,
        failing_since=row.failing_since,
        paused_until=row.paused_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _delivery(row: Delivery) -> DeliveryShown:
    return DeliveryShown(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        kind=row.kind,
        contact_id=row.contact_id,
        state=row.state,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at if row.state == "waiting" else None,
        last_status=row.last_status,
        last_error=row.last_error,
        bytes=row.bytes,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
