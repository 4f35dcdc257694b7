"""Keys: write keys of channels, and service keys, by which software calls this API (security.md, S58, S59)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from onefold.access import keys as use_cases
from onefold.access.caller import NotAllowed
from onefold.access.keys import LONGEST_OVERLAP, Limits
from onefold.access.matrix import rank
from onefold.access.users import find_user
from onefold.errors import InvalidMessage
from onefold.http.user_api.door import Doing, DoorRoute, Work, allowed
from onefold.records.keys import KeyRow, list_keys

router = APIRouter(route_class=DoorRoute, tags=["keys"])

Urls = Annotated[
    list[str], Field(max_length=100, description="Pages that may use it, with wildcards: https://*.example.com/*. Empty: all.")
]
Addresses = Annotated[list[str], Field(max_length=100, description="Addresses or networks that may use it. Empty: all.")]


class KeyShown(BaseModel):
    """A key. Of a secret one only the end is shown."""

    key_id: UUID
    kind: Literal["public", "secret", "service"]
    title: str
    description: str | None
    key: str = Field(description="The key of a public one; of others what it begins and ends with.")
    allowed_urls: list[str]
    allowed_addresses: list[str]
    is_enabled: bool
    requires_identity: bool
    user_id: UUID | None = Field(description="Whom a service key speaks for.")
    state: Literal["live", "disabled", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class KeyMade(BaseModel):
    """A key to make."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["public", "secret", "service"]
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=2_000)
    allowed_urls: Urls = []
    allowed_addresses: Addresses = []
    requires_identity: bool = False
    expires_at: AwareDatetime | None = None
    user_id: UUID | None = Field(None, description="Whom a service key is to speak for.")


class KeyEdited(BaseModel):
    """What of a key is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    description: str | None = Field(None, max_length=2_000)
    allowed_urls: Urls | None = None
    allowed_addresses: Addresses | None = None
    is_enabled: bool | None = None


class KeyRotated(BaseModel):
    """How a key is to be rotated."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(24, ge=0, le=LONGEST_OVERLAP.days * 24, description="How long the old key goes on counting.")


class KeyShownOnce(KeyShown):
    """A new key, with its text, which is not shown again."""

    secret: str | None = Field(description="Its text, in the first answer alone. Who lost it revokes the key, and makes another.")


@router.get("/keys")
@allowed("keys", "read")
async def list_all(work: Doing) -> list[KeyShown]:
    """Every key, the revoked ones too, the oldest first."""
    return [shown_key(row) for row in await list_keys(work.connection, work.workspace)]


@router.post("/keys", status_code=201)
@allowed("keys", "create")
async def create_key(work: Doing, body: KeyMade) -> KeyShownOnce:
    """Make a key. Its text is shown in this answer and never again: a repeat under an idempotency key shows the key without it."""
    await _demand_speaker(work, body.user_id if body.kind == "service" else None)
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise InvalidMessage("a key expires in the future", code="invalid_expiry")
    limits = Limits(body.description, body.allowed_urls, body.allowed_addresses)
    made = await use_cases.create_key(
        work.connection,
        work.workspace,
        body.kind,
        body.title,
        expires_at=body.expires_at,
        requires_identity=body.requires_identity,
        limits=limits,
        user_id=body.user_id,
    )
    work.note("created", "keys", made.row.key_id)
    work.shown_once = ("secret",)
    return KeyShownOnce(**shown_key(made.row).model_dump(), secret=made.text)


@router.get("/keys/{key_id}")
@allowed("keys", "read")
async def read_key(work: Doing, key_id: UUID) -> KeyShown:
    """One key."""
    return shown_key(await use_cases.found_key(work.connection, work.workspace, key_id))


@router.patch("/keys/{key_id}")
@allowed("keys", "update")
async def edit_key(work: Doing, key_id: UUID, body: KeyEdited) -> KeyShown:
    """Change a key's title, description, limits, or whether it counts; everywhere within a minute."""
    before = await use_cases.found_key(work.connection, work.workspace, key_id)
    given = body.model_dump(exclude_unset=True)
    after = await use_cases.edit_key(
        work.connection, before._replace(**{name: value for name, value in given.items() if value is not None})
    )
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": name, "old_value": getattr(before, name), "new_value": getattr(after, name)}
        for name in given
        if getattr(before, name) != getattr(after, name)
    ]
    if changes:
        work.note("updated", "keys", key_id, changes=changes)
    return shown_key(after)


@router.post("/keys/{key_id}/rotate", status_code=201)
@allowed("keys", "create")
async def rotate_key(work: Doing, key_id: UUID, body: KeyRotated) -> KeyShownOnce:
    """Make the successor of a key, alike in all but its text. The old one goes on counting for the overlap, then expires."""
    before = await use_cases.found_key(work.connection, work.workspace, key_id)
    await _demand_speaker(work, before.user_id)
    made, after = await use_cases.rotate_key(work.connection, before, timedelta(hours=body.overlap_hours))
    work.note("created", "keys", made.row.key_id)
    work.shown_once = ("secret",)
    changes: list[dict[str, object]] = [
        {"type": "field", "slug": "expires_at", "old_value": _time(before.expires_at), "new_value": _time(after.expires_at)}
    ]
    work.note("updated", "keys", key_id, reason=f"rotated: {made.row.key_id} takes its place", changes=changes)
    return KeyShownOnce(**shown_key(made.row).model_dump(), secret=made.text)


@router.delete("/keys/{key_id}", status_code=204)
@allowed("keys", "archive")
async def revoke_key(work: Doing, key_id: UUID) -> None:
    """End a key for good, everywhere within a minute."""
    await use_cases.revoke(work.connection, work.workspace, key_id)
    work.note("revoked", "keys", key_id)


async def _demand_speaker(work: Work, user_id: UUID | None) -> None:
    """Whoever makes a key of a user can be them (S79)."""
    if user_id is None:
        return
    speaker = await find_user(work.connection, work.workspace, user_id)
    if rank(speaker.roles) > rank(work.caller.roles):
        raise NotAllowed("nobody makes a key of a user who stands above them")


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def shown_key(row: KeyRow) -> KeyShown:
    """A key as the API shows it."""
    now = datetime.now(UTC)
    state: Literal["live", "disabled", "revoked", "expired"] = "live" if row.is_enabled else "disabled"
    if row.revoked_at is not None:
        state = "revoked"
    elif row.expires_at is not None and row.expires_at <= now:
        state = "expired"
    return KeyShown(
        key_id=row.key_id,
        kind=row.kind,
        title=row.title,
        description=row.description,
        key=row.shown,
        allowed_urls=row.allowed_urls,
        allowed_addresses=row.allowed_addresses,
        is_enabled=row.is_enabled,
        requires_identity=row.requires_identity,
        user_id=row.user_id,
        state=state,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
