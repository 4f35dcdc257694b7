"""Do one thing to many contacts, as a job: those that are named, or all that a segment query finds.

Each contact is one act of the user, by the same use case as alone, with its own entry in the log. What one contact refuses is counted, and
leaves the others alone. In chunks by the order of the ids; a query is asked chunk by chunk, so whoever matches when it is their turn is
meant. Called by the User API and `streams.jobs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from onefold.contacts.acting import User
from onefold.contacts.change import Edit, archive, edit
from onefold.contacts.classify import classify
from onefold.contacts.tools import Advance
from onefold.errors import InvalidMessage, PermanentError, Refused
from onefold.identity import adoption
from onefold.records import log, selections, workspace_jobs
from onefold.segments.query import parse

if TYPE_CHECKING:
    from onefold.contacts.tools import Tools
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

KIND: Final = "bulk"
CHUNK: Final = 100
"""Contacts that are named, of one transaction."""
LOOKED_AT: Final = 500
"""Contacts that a query is asked about, of one transaction."""
MOST_IDS: Final = 20_000
MOST_REFUSALS: Final = 100
"""That the job tells one by one; the others are counted."""

Names = Annotated[list[str], Meta(max_length=100)]
Action = Literal["archive", "restore", "tags", "profiles", "taxonomies", "owners", "followers", "organization"]


class Operation(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be done to each contact."""

    action: Action
    add: Names = []
    """Tags, slugs or ids of users."""
    remove: Names = []
    organization_id: UUID | None = None
    """For `organization`; None: it is to belong to none."""


class Asked(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The operation, and whom it is for: the one or the other."""

    operation: Operation
    ids: Annotated[list[UUID], Meta(max_length=MOST_IDS)] | None = None
    query: dict[str, Any] | None = None
    """A segment query."""


async def begin(connection: Connection, workspace: str, asked: Asked, user: User) -> WorkspaceJob:
    """Let a worker do it. Raises InvalidMessage, InvalidQuery."""
    if (asked.ids is None) == (asked.query is None):
        raise InvalidMessage("say whom it is for: either ids or a query", code="invalid_selection")
    operation = asked.operation
    if operation.action not in {"archive", "restore", "organization"} and not operation.add and not operation.remove:
        raise InvalidMessage(f"{operation.action}: say what to add or to remove", code="invalid_operation")
    if asked.query is not None:
        parse(asked.query)
    wanted = msgspec.to_builtins(Asked(operation, sorted(set(asked.ids)) if asked.ids is not None else None, asked.query))
    counts = {"changed": 0, "unchanged": 0, "refused": 0, "refusals": []}
    return await workspace_jobs.create(connection, workspace, KIND, wanted, actor=user.actor, reason=user.reason, progress=counts)


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next contacts."""
    progress = dict(job.progress)
    asked = msgspec.convert(job.input, Asked)
    after = UUID(progress["after"]) if "after" in progress else UUID(int=0)
    if asked.ids is not None:
        chunk = [each for each in asked.ids if each > after][:CHUNK]
        looked_at = chunk
    else:
        looked_at, chunk = await selections.matching(connection, job.workspace, parse(asked.query), after, LOOKED_AT)
    if not looked_at:
        return Advance(progress, is_done=True)
    journal: list[log.Act] = []
    user = User(job.actor, job.reason, journal=journal)
    for contact_id in chunk:
        word, code = await _one(connection, job.workspace, contact_id, asked.operation, user, tools.shards)
        progress[word] += 1
        if code is not None and len(progress["refusals"]) < MOST_REFUSALS:
            progress["refusals"] = [*progress["refusals"], {"contact_id": str(contact_id), "code": code}]
    await log.append(connection, job.workspace, journal)
    progress["after"] = str(looked_at[-1])
    return Advance(progress)


async def _one(
    connection: Connection, workspace: str, contact_id: UUID, operation: Operation, user: User, shards: int
) -> tuple[str, str | None]:
    """What came of one contact, and why it was refused."""
    try:
        is_changed = await _carry_out(connection, workspace, contact_id, operation, user, shards)
    except (Refused, PermanentError) as error:  # before anything is written
        return "refused", error.code
    return ("changed" if is_changed else "unchanged"), None


async def _carry_out(connection: Connection, workspace: str, contact_id: UUID, operation: Operation, user: User, shards: int) -> bool:
    action = operation.action
    if action == "archive" or action == "restore":  # noqa: PLR1714 -- so that the type checker knows the word
        return bool((await archive(connection, workspace, contact_id, action, user, shards=shards)).plan.changes)
    if action == "organization":
        wanted = Edit({"organization_id": operation.organization_id})
        return bool((await edit(connection, workspace, contact_id, wanted, user, shards=shards)).plan.changes)
    sets: dict[str, Any] = {action: adoption.Edit(operation.add, operation.remove)}
    return bool((await classify(connection, workspace, contact_id, adoption.Change(**sets), user, shards=shards)).plan.changes)
