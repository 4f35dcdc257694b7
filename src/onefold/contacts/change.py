"""Change one contact because a user says so: its values, what is validated, whether it is archived. The preview is the plan itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from re import DOTALL, fullmatch
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from onefold.contacts import acting
from onefold.errors import ContactNotFound, InvalidMessage, OrganizationNotFound, OrganizationRefused
from onefold.identity import decided
from onefold.identity.membership import Membership
from onefold.identity.survivorship import FIELDS, ORGANIZATION
from onefold.messages.reading import storable
from onefold.records import organizations
from onefold.records.histories import tenure_then
from onefold.records.store import Moved
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from onefold.contacts.acting import User
    from onefold.identity.contact import Contact
    from onefold.identity.identifiers import Identifier
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

MOST_NAME = 200
"""Characters of a name."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be different."""

    values: Mapping[str, object] = field(default_factory=dict)
    """By path: `given_name`, `last_name`, `attributes.unbound.plan`, `organization_id` (an id). None clears."""
    is_vendor: bool | None = None
    if_version: int | None = None
    """Only if the contact is still at this version."""
    joins: Visible = EVERYBODYS
    """Whose organizations it may join."""


@dataclass(frozen=True, slots=True)
class Changing:
    """A contact as it is, and the plan that changes it."""

    contact: Contact
    plan: Plan


async def edit(
    connection: Connection, workspace: str, contact_id: UUID, wanted: Edit, user: User, *, shards: int | None = None
) -> Changing:
    """Plan to change a contact's values, redirects followed; with `shards` of the outbox, carry it out.

    Raises ContactNotFound, InvalidMessage, VersionConflict, OrganizationNotFound, OrganizationRefused; Moved where the contact was absorbed
    meanwhile: roll back and repeat.
    """
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    acting.demand_version(contact, wanted.if_version)
    values = await checked_values(connection, workspace, wanted.values, contact.organization_id, wanted.joins)
    plan = decided.edit(snapshot, contact, values, await acting.begin(connection, user), is_vendor=wanted.is_vendor)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


async def validate(
    connection: Connection, workspace: str, identifier: Identifier, user: User, *, shards: int | None = None, if_version: int | None = None
) -> Changing:
    """Plan to say that an identifier is validated, by hand: a lead becomes a contact. Raises ContactNotFound, VersionConflict, Moved."""
    rules = await acting.rules_of(connection, workspace)
    found = await tenure_then(connection, workspace, identifier.key, None)
    if found is None:
        raise ContactNotFound(f"nobody in workspace {workspace} has this {identifier.semantic_type}. Is the workspace right (--workspace)?")
    snapshot, contact = await acting.one_contact(connection, workspace, found.contact_id, will_write=shards is not None)
    acting.demand_version(contact, if_version)
    tenure = await tenure_then(connection, workspace, identifier.key, None)
    if tenure is None or tenure.contact_id != contact.contact_id:
        raise Moved("the identifier changed hands just now")
    present = next((each for each in contact.listed if each.tenure_id == tenure.tenure_id), tenure)
    snapshot.tenures[workspace, present.key] = [present]
    plan = decided.validate(snapshot, contact, present, await acting.begin(connection, user), rules)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


async def archive(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    what: Literal["archive", "restore"],
    user: User,
    *,
    shards: int | None = None,
    if_version: int | None = None,
    archived_at: datetime | None = None,
) -> Changing:
    """Plan to archive a contact, or to take it out of the archive. Raises ContactNotFound, VersionConflict, Moved.

    `archived_at`: since when it counts as archived, where that was earlier (a seed says it).
    """
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    acting.demand_version(contact, if_version)
    act = await acting.begin(connection, user)
    plan = decided.archive(snapshot, contact, act, archived_at) if what == "archive" else decided.restore(snapshot, contact, act)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


async def checked_values(
    connection: Connection, workspace: str, values: Mapping[str, object], organization: UUID | None, joins: Visible
) -> dict[str, object]:
    """The values as they are stored, of a contact that belongs to this organization. Raises what `edit` does of values."""
    found = {path: _value(path, value) for path, value in values.items() if path != ORGANIZATION}
    if ORGANIZATION in values:
        found[ORGANIZATION] = await _membership(connection, workspace, organization, values[ORGANIZATION], joins)
    return found


async def _membership(connection: Connection, workspace: str, present: UUID | None, named: object, joins: Visible) -> Membership | None:
    """The organization with this id, held, so that it is neither renamed nor destroyed meanwhile. An archived one takes nobody new.

    One's own organization stays, whether it is seen or not.
    """
    if named is None:
        return None
    try:
        wanted = named if isinstance(named, UUID) else UUID(str(named))
    except ValueError:
        raise InvalidMessage(f"{ORGANIZATION} takes the id of an organization") from None
    is_seen = present == wanted or await organizations.is_seen(connection, workspace, wanted, joins)
    found = (await organizations.hold(connection, workspace, [wanted])).get(wanted) if is_seen else None
    if found is None:
        raise OrganizationNotFound(f"workspace {workspace} has no organization {wanted}")
    if found.archived_at is not None and present != wanted:
        raise OrganizationRefused(f"{found.slug} is archived; restore it, then contacts can join it")
    return Membership(wanted, found.title)


def _value(path: str, value: object) -> object:
    """The value as it is stored. Raises InvalidMessage for a path that nobody may write, and a value that its path does not take."""
    if path in FIELDS:
        if value is not None and (not isinstance(value, str) or not value.strip() or len(value) > MOST_NAME):
            raise InvalidMessage(f"{path} takes text of at most {MOST_NAME} characters; to clear it, say so")
        return storable(value.strip()) if isinstance(value, str) else None
    if fullmatch(r"attributes\.unbound\..{1,200}", path, DOTALL) is None:
        raise InvalidMessage(
            f"{path!r} is nothing that can be set: write given_name, last_name or attributes.unbound.SLUG. What is derived cannot"
        )
    return storable(value)
