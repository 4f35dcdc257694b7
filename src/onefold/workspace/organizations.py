"""Use cases on organizations: create, edit, move, archive, restore, destroy, and read the tree.

Titles change; the slug stays, since messages name it. What contacts show of an organization is its title, so an edit of it begins the job
that rewrites them (`contacts.renaming`). Called by the User API, seeds and the command line.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import uuid4

from onefold.errors import AlreadyExists, InvalidMessage, OrganizationInUse, OrganizationNotFound, OrganizationRefused, VersionConflict
from onefold.identity.adoption import Hung, hung
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.messages.reading import storable
from onefold.records import organizations as records
from onefold.records import workspace_jobs
from onefold.records.catalogs import catalog_for
from onefold.records.organizations import MOST_DEPTH, Organization
from onefold.workspace.workspaces import SLUG, InvalidSlug

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.adoption import Change
    from onefold.records.organizations import Sibling
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

MOST_TITLE = 200
"""Characters of a title."""
NOW = "select clock_timestamp()"


@dataclass(frozen=True, slots=True)
class New:
    """What is to be made."""

    title: str
    slug: str | None = None
    """None: made of the title."""
    parent_id: UUID | None = None
    sequence: int | None = None
    """Among its siblings; None: the last. Beyond either end is at that end."""
    owner: str | None = None
    """The user who owns it from the beginning."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What of an organization itself is to be different; None leaves it. What hangs on it: `hang`."""

    title: str | None = None
    if_version: int | None = None
    """Only if the organization is still at this version."""


@dataclass(frozen=True, slots=True)
class Edited:
    """An organization before and after."""

    before: Organization
    after: Organization
    renaming: WorkspaceJob | None = None
    """Rewrites what its contacts show, where its title is another one."""


async def create(connection: Connection, workspace: str, new: New) -> Organization:
    """Make an organization. Raises InvalidMessage, InvalidSlug, AlreadyExists, OrganizationNotFound (the parent), OrganizationRefused."""
    title, slug = _title(new.title), _slug(new)
    await records.lock_tree(connection, workspace)
    parent = await find(connection, workspace, new.parent_id) if new.parent_id is not None else None
    _demand_depth(len(parent.hierarchy_sort) + 1 if parent is not None else 1)
    at = await connection.fetchval(NOW)
    room = await records.room_at_the_end(connection, workspace, new.parent_id) if new.sequence is None else None
    others = await records.siblings(connection, workspace, new.parent_id) if room is None else []
    number = room if room is not None else len(others) + 1
    owned = Classification(owners=(new.owner,)) if new.owner is not None else UNCLASSIFIED
    wanted = Organization(
        uuid4(), workspace, slug, title, new.parent_id, number, records.place_of(parent, number), 1, at, at, classification=owned
    )
    made = await records.insert(connection, wanted)
    if made is None:
        raise AlreadyExists(f"workspace {workspace} has an organization {slug} already; choose another slug, or edit that one")
    if room is None:
        await _put_among(connection, made, others, new.sequence)
    return await find(connection, workspace, made.organization_id)


async def edit(
    connection: Connection, workspace: str, organization_id: UUID, wanted: Edit, actor: str, reason: str | None = None
) -> Edited:
    """Change what an organization is called. Where contacts show another title then, a job begins that rewrites them.

    Raises OrganizationNotFound, VersionConflict, InvalidMessage.
    """
    before = await _locked(connection, workspace, organization_id, wanted.if_version)
    after = before
    if wanted.title is not None:
        after = replace(after, title=_title(wanted.title))
    stored = await _store(connection, before, after)
    if stored.title == before.title or not await records.contacts_called_otherwise(connection, stored, after=None, most=1):
        return Edited(before, stored)
    job = await workspace_jobs.create(
        connection,
        workspace,
        workspace_jobs.ORGANIZATION_RENAME,
        {"organization_id": str(organization_id)},
        actor=actor,
        reason=reason,
        progress={"rewritten": 0},
    )
    return Edited(before, stored, job)


async def hang(
    connection: Connection, workspace: str, organization_id: UUID, change: Change, *, if_version: int | None = None
) -> tuple[Edited, Sequence[str]]:
    """Change what hangs on an organization: profiles with their attributes, taxonomies, tags, workflows, owners, followers.

    Gives unknown tags, too, which are left out. Raises OrganizationNotFound, VersionConflict, InvalidMessage, InvalidAttributes.
    """
    if change.relate or change.unrelate:
        raise InvalidMessage("records are related from the contact's side", code="unknown_relationship")
    before = await _locked(connection, workspace, organization_id, if_version)
    present = Hung(before.classification, before.tags, before.attributes)
    catalog = await catalog_for(connection, workspace, "organizations", present, change, will_use=True)
    after = hung(catalog, present, change, await connection.fetchval(NOW))
    attributes = {
        profile: {slug: storable(value) for slug, value in values.items()} for profile, values in after.attributes.items() if values
    }
    wanted = replace(before, attributes=attributes, tags=sorted(after.tags), classification=after.classification)
    return Edited(before, await _store(connection, before, wanted)), after.skipped_tags


async def move(
    connection: Connection,
    workspace: str,
    organization_id: UUID,
    parent_id: UUID | None,
    sequence: int | None = None,
    *,
    if_version: int | None = None,
) -> Edited:
    """Give an organization, with all below it, another parent or place. Raises as `create`; OrganizationRefused for one below itself."""
    await records.lock_tree(connection, workspace)
    before = await _locked(connection, workspace, organization_id, if_version)
    parent = await find(connection, workspace, parent_id) if parent_id is not None else None
    if parent is not None and parent.is_within(before):
        raise OrganizationRefused(f"{parent.slug} is {before.slug} itself or lies below it: move that one away first")
    height = await records.levels(connection, before) - len(before.hierarchy_sort)
    _demand_depth((len(parent.hierarchy_sort) if parent is not None else 0) + 1 + height)
    await records.adopt(connection, workspace, [organization_id], parent_id, await connection.fetchval(NOW))
    if parent_id != before.parent_id:
        await _close_gap(connection, before)
    others = await records.siblings(connection, workspace, parent_id)
    await _put_among(connection, before, others, sequence)
    return Edited(before, await find(connection, workspace, organization_id))


async def archive(connection: Connection, workspace: str, organization_id: UUID, *, if_version: int | None = None) -> Edited:
    """Put an organization aside: its contacts and what is below it stay, and nobody new joins it by an event."""
    return await _shelve(connection, workspace, organization_id, if_version, is_archived=True)


async def restore(connection: Connection, workspace: str, organization_id: UUID, *, if_version: int | None = None) -> Edited:
    """Take an organization out of the archive, as the last of its siblings."""
    return await _shelve(connection, workspace, organization_id, if_version, is_archived=False)


async def destroy(connection: Connection, workspace: str, organization_id: UUID, *, if_version: int | None = None) -> Organization:
    """Delete an archived organization for good; what is below it is lifted to its parent, where it stood.

    Raises OrganizationNotFound, VersionConflict; OrganizationRefused where it is not archived, OrganizationInUse where it has contacts.
    """
    await records.lock_tree(connection, workspace)
    gone = await _locked(connection, workspace, organization_id, if_version)
    if gone.archived_at is None:
        raise OrganizationRefused(f"{gone.slug} is not archived; archive it first, then it can be destroyed")
    contacts = await records.count_contacts(connection, workspace, organization_id)
    if contacts:
        raise OrganizationInUse(gone.slug, contacts)
    children = await records.siblings(connection, workspace, organization_id)
    await records.adopt(connection, workspace, [each.organization_id for each in children], gone.parent_id, await connection.fetchval(NOW))
    await records.delete(connection, workspace, organization_id)
    others = [each for each in await records.siblings(connection, workspace, gone.parent_id) if each not in children]
    behind = [each for each in others if each.sequence > gone.sequence]
    before = [each for each in others if each.sequence <= gone.sequence]
    await _arrange(connection, workspace, [*before, *children, *behind])
    return gone


async def find(connection: Connection, workspace: str, organization_id: UUID) -> Organization:
    """The organization of this id. Raises OrganizationNotFound."""
    found = await records.find(connection, workspace, organization_id)
    if found is None:
        raise _missing(workspace, organization_id)
    return found


async def _shelve(connection: Connection, workspace: str, organization_id: UUID, if_version: int | None, *, is_archived: bool) -> Edited:
    await records.lock_tree(connection, workspace)
    before = await _locked(connection, workspace, organization_id, if_version)
    if (before.archived_at is not None) == is_archived:
        return Edited(before, before)
    at: datetime = await connection.fetchval(NOW)
    await records.update(connection, replace(before, archived_at=at if is_archived else None), at)
    others = [each for each in await records.siblings(connection, workspace, before.parent_id) if each.organization_id != organization_id]
    await _put_among(connection, replace(before, archived_at=at if is_archived else None), others, None)
    return Edited(before, await find(connection, workspace, organization_id))


async def _locked(connection: Connection, workspace: str, organization_id: UUID, if_version: int | None) -> Organization:
    found = await records.lock(connection, workspace, organization_id)
    if found is None:
        raise _missing(workspace, organization_id)
    if if_version is not None and found.version != if_version:
        raise VersionConflict(f"organization {found.slug} is at version {found.version} by now, not at {if_version}: look again")
    return found


async def _store(connection: Connection, before: Organization, after: Organization) -> Organization:
    """One more version, if anything is different."""
    return before if after == before else await records.update(connection, after, await connection.fetchval(NOW))


async def _put_among(connection: Connection, mine: Organization, siblings: Sequence[Sibling], sequence: int | None) -> None:
    """Put an organization among these siblings, at a number of those that are as archived as it is."""
    me = records.Sibling(mine.organization_id, mine.sequence, mine.archived_at)
    alike = [
        each for each in siblings if each.organization_id != me.organization_id and (each.archived_at is None) == (me.archived_at is None)
    ]
    others = [each for each in siblings if each.organization_id != me.organization_id and each not in alike]
    place = len(alike) if sequence is None else min(max(sequence - 1, 0), len(alike))
    await _arrange(connection, mine.workspace, [*others, *alike[:place], me, *alike[place:]])


async def _close_gap(connection: Connection, left: Organization) -> None:
    """Number those that an organization was among."""
    await _arrange(connection, left.workspace, await records.siblings(connection, left.workspace, left.parent_id))


async def _arrange(connection: Connection, workspace: str, siblings: Sequence[Sibling]) -> None:
    """In this order, the archived ones behind the others."""
    ordered = sorted(siblings, key=lambda each: each.archived_at is not None)
    await records.arrange(connection, workspace, [each.organization_id for each in ordered])


def _title(title: str) -> str:
    text = str(storable(title)).strip()
    if not text or len(text) > MOST_TITLE:
        raise InvalidMessage(f"an organization's title is text of at most {MOST_TITLE} characters", code="invalid_title")
    return text


def _slug(new: New) -> str:
    if new.slug is None:
        plain = unicodedata.normalize("NFKD", new.title).encode("ascii", "ignore").decode().lower()
        slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-")
        if not slug:
            raise InvalidSlug("nothing of this title can stand in a slug: give the organization one yourself")
        return slug
    if not SLUG.fullmatch(new.slug):
        raise InvalidSlug(f"{new.slug!r} is no slug: use lower-case letters, digits, - and _, beginning with a letter or digit")
    return new.slug


def _demand_depth(levels: int) -> None:
    if levels > MOST_DEPTH:
        raise OrganizationRefused(f"organizations go {MOST_DEPTH} levels deep; this one would stand on level {levels}")


def _missing(workspace: str, organization_id: UUID) -> OrganizationNotFound:
    return OrganizationNotFound(f"workspace {workspace} has no organization {organization_id}")
