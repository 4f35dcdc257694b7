"""A job: documents of a template have their owners from where it says by now, however many they are (product-facts, 1.6).

Those that begin to follow their contact drop their own owners and followers; those that stop keep the contact's as their own, so nobody
loses sight of them. Each document says itself which it is, so all is well at any moment of the job, and a new one is right from the start.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from onefold.records import documents as records
from onefold.records import log
from onefold.records.definitions import definition_by_id, definitions_by_slug
from onefold.records.store import Moved
from onefold.workspace.document_log import act_of
from onefold.workspace.documents import NOW, SCOPE, Done
from onefold.workspace.kinds import TEMPLATE

if TYPE_CHECKING:
    from onefold.records.definitions import Definition
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

CHUNK: Final = 500
"""Documents of one transaction."""


async def step(connection: Connection, job: WorkspaceJob) -> tuple[dict[str, Any], bool]:
    """The next documents that are owned otherwise; gives how far the job is, and whether that was the last. Raises Moved."""
    template = await _template(connection, job)
    if template is None:
        return job.progress, True
    found = await records.owned_otherwise(connection, template, after=job.progress.get("after", ""), most=CHUNK)
    if not found:
        return job.progress, True
    held = await records.hold_contacts(connection, job.workspace, [each for one in found for each in (one.given_contact, one.contact_id)])
    if any(held[one.given_contact].root != one.contact_id for one in found):
        raise Moved("a contact was absorbed just now")
    slugs = [each.slug for each in found]
    before = await records.by_slugs(connection, job.workspace, template.definition_id, slugs)
    wanted = [replace(each, follows_contact=records.follows(template)) for each in before.values()]
    await records.switch_ownership(connection, job.workspace, wanted, await connection.fetchval(NOW))
    after = await records.by_slugs(connection, job.workspace, template.definition_id, slugs)
    acts = [act_of(Done(before[slug], each), job.actor, job.reason) for slug, each in after.items()]
    await log.append(connection, job.workspace, acts)
    return {**job.progress, "after": slugs[-1], "switched": job.progress["switched"] + len(acts)}, False


async def _template(connection: Connection, job: WorkspaceJob) -> Definition | None:
    """The template as it is now, whose mode nobody changes until the chunk has ended."""
    found = await definition_by_id(connection, job.workspace, TEMPLATE.name, UUID(job.input["template_id"]))
    if found is None:
        return None
    held = await definitions_by_slug(connection, job.workspace, TEMPLATE.name, [SCOPE], [found.slug], will_use=True)
    return held.get(found.slug)
