"""Items that are organizations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from onefold.records import organizations as records
from onefold.records.log import Act
from onefold.seeds.definitions import id_of
from onefold.seeds.hanging import change_to, is_empty
from onefold.workspace import organizations

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.organizations import Organization
    from onefold.seeds.apply import Work
    from onefold.seeds.definitions import Made
    from onefold.seeds.items import OrganizationData

NOW = "select clock_timestamp()"


async def make(work: Work, data: OrganizationData) -> Made:
    """Make it so."""
    before = await records.find_by_slug(work.connection, work.workspace, data.slug)
    if before is None:
        new = organizations.New(data.title, data.slug, id_of(data.parent_id))
        present = await organizations.create(work.connection, work.workspace, new)
    else:
        present = before
        edited = await organizations.edit(
            work.connection, work.workspace, before.organization_id, organizations.Edit(title=data.title), work.user.actor, work.user.reason
        )
        present = edited.after
        if "parent_id" in data.model_fields_set and id_of(data.parent_id) != present.parent_id:
            present = (await organizations.move(work.connection, work.workspace, present.organization_id, id_of(data.parent_id))).after
    present = await _hang(work, present, data)
    if "deleted_at" in data.model_fields_set:
        present = await _archived(work, present, data.deleted_at)
    changes = _differences(before, present) if before is not None else {}
    action = "created" if before is None else "updated" if changes else "unchanged"
    user = work.user
    if user.journal is not None and action != "unchanged":
        user.journal.append(
            Act(user.actor, action, "organizations", str(present.organization_id), present.version, None, user.reason, (), user.origin)
        )
    return data.slug, action, changes  # type: ignore[return-value]  # one of the three words


async def _hang(work: Work, present: Organization, data: OrganizationData) -> Organization:
    change = change_to(data, present.classification, present.tags, present.attributes)
    if is_empty(change):
        return present
    edited, _ = await organizations.hang(work.connection, work.workspace, present.organization_id, change)
    return edited.after


async def _archived(work: Work, present: Organization, at: datetime | None) -> Organization:
    if present.archived_at == at:
        return present
    shelve = organizations.archive if at is not None else organizations.restore
    shelved = (await shelve(work.connection, work.workspace, present.organization_id)).after
    if at is None:
        return shelved
    return await records.update(work.connection, replace(shelved, archived_at=at), await work.connection.fetchval(NOW))


def _differences(before: Organization, after: Organization) -> dict[str, tuple[Any, Any]]:
    names = ("title", "parent_id", "attributes", "tags", "archived_at", "classification")
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
