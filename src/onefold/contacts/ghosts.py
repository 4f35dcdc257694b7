"""Destroy ghosts that were neither seen nor changed for longer than the workspace keeps them (product.md, section 11), as a job.

In small batches, each with the last changes and tombstones of its ghosts, and with a pause, so that resolvers keep the upper hand. Whoever
is seen, named or merged before it is their turn is kept, since each batch looks again under its locks; whoever comes later is a new
visitor from their first event on. Called by `onefold ghosts`, and by `streams.jobs` once a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from onefold.contacts import acting
from onefold.contacts.acting import User
from onefold.contacts.tools import Advance
from onefold.errors import InvalidMessage, VersionConflict
from onefold.identity.erase import clean_up
from onefold.records import ghosts, incarnations, log, workspace_jobs
from onefold.records.apply import apply
from onefold.records.erased import held_elsewhere
from onefold.records.ghosts import BEGINNING, Keeping
from onefold.records.snapshots import lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.contacts.tools import Tools
    from onefold.identity.contact import ContactId
    from onefold.identity.tree import Tree
    from onefold.records.ghosts import Found
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

KIND: Final = "ghost-sweep"
NAME: Final = "delete_ghosts_inactive_for"
LOOKED_AT: Final = 2_000
"""Contacts that one batch passes."""
CHUNK: Final = 500
"""Ghosts that one batch destroys."""
MOST_IDENTIFIERS: Final = 5_000
"""That the ghosts of one batch hold, unless one alone holds more."""
LONGEST_DAYS: Final = 36_500
SWEEPER: Final = User("onefold", None, kind="job")
"""Whom the log names for a sweep that nobody asked for."""
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


async def keep_for(connection: Connection, workspace: str, days: int | None, *, if_version: int | None = None) -> tuple[Keeping, Keeping]:
    """Say for how many days ghosts are kept; None: for ever. Gives what held before, and what holds now.

    Raises InvalidMessage, VersionConflict.
    """
    if days is not None and not 1 <= days <= LONGEST_DAYS:
        raise InvalidMessage(f"ghosts are kept for 1 to {LONGEST_DAYS:,} days, or for ever", code="invalid_days")
    before = await ghosts.keeping(connection, workspace)
    if if_version is not None and before.version != if_version:
        raise VersionConflict(f"the ghost cleanup is at version {before.version} by now, not at {if_version}: look again")
    return before, before if before.inactive_days == days else await ghosts.keep_for(connection, workspace, days)


def change_told(before: Keeping, after: Keeping) -> dict[str, object]:
    """What was different, as the log says it."""
    return {"type": "setting", "slug": NAME, "old_value": before.inactive_days, "new_value": after.inactive_days}


async def cutoff(connection: Connection, workspace: str, horizon: datetime, days: int) -> datetime:
    """Who was neither seen nor changed since then goes.

    `horizon`: up to where resolvers have decided on what came. When somebody was last seen is known to within the rules' recency.
    """
    return horizon - timedelta(days=days) - (await acting.rules_of(connection, workspace)).recency


async def begin(
    connection: Connection, workspace: str, days: int, horizon: datetime, user: User, *, job_id: UUID | None = None
) -> WorkspaceJob:
    """Let a worker destroy those who were inactive for so many days."""
    asked = {"days": days, "before": (await cutoff(connection, workspace, horizon, days)).isoformat()}
    counts = {"destroyed": 0, "kept": 0, "looked_at": 0}
    return await workspace_jobs.create(
        connection, workspace, KIND, asked, actor=user.actor, reason=user.reason, progress=counts, job_id=job_id
    )


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next batch."""
    progress = dict(job.progress)
    before = datetime.fromisoformat(job.input["before"])
    at, contact_id = progress.get("after", (_FIRST.isoformat(), str(BEGINNING)))
    found = await ghosts.page(connection, job.workspace, (datetime.fromisoformat(at), UUID(contact_id)), before, LOOKED_AT)
    passed, wanted = _batch(found)
    destroyed = await _destroy(connection, job, wanted, before, tools.shards) if wanted else 0
    progress["destroyed"] += destroyed
    progress["kept"] += len(wanted) - destroyed
    progress["looked_at"] += passed
    is_done = passed == len(found) < LOOKED_AT
    if passed:
        last = found[passed - 1]
        progress["after"] = [last.created_at.isoformat(), str(last.contact_id)]
    if is_done:
        await _tell(connection, job, progress)
    return Advance(progress, is_done, destroyed / tools.ghosts_per_second)


def _batch(found: Sequence[Found]) -> tuple[int, list[ContactId]]:
    """How many contacts of a page are passed, and which of them are to go: as many as one transaction bears."""
    wanted: list[ContactId] = []
    identifiers = 0
    for number, each in enumerate(found):
        if each.is_inactive:
            identifiers += each.identifiers_total
            if wanted and (len(wanted) == CHUNK or identifiers > MOST_IDENTIFIERS):
                return number, wanted
            wanted.append(each.contact_id)
    return len(found), wanted


async def _destroy(connection: Connection, job: WorkspaceJob, wanted: Sequence[ContactId], before: datetime, shards: int) -> int:
    """Destroy those that are what they were taken for once they are locked; gives how many."""
    workspace = job.workspace
    seen = await ghosts.absorbed_by(connection, workspace, wanted)
    await lock(connection, [(workspace, each) for each in {*wanted}.union(*seen.values())])
    trees = [each for each in await ghosts.load_trees(connection, workspace, wanted) if _goes(each, seen, before)]
    if not trees:
        return 0
    everybody = [each for tree in trees for each in (tree.root.contact_id, *tree.absorbed)]
    elsewhere = await held_elsewhere(connection, workspace, {tenure.key for tree in trees for tenure in tree.tenures}, everybody)
    act = await acting.begin(connection, User(job.actor, _reason(job), kind="job"))
    plan = clean_up(trees, elsewhere, act, (await acting.rules_of(connection, workspace)).recency)
    await apply(connection, plan, shards=shards, incarnation=(await incarnations.present(connection)).name)
    return len(trees)


def _goes(tree: Tree, seen: dict[ContactId, set[ContactId]], before: datetime) -> bool:
    """Whether it is still an inactive ghost, and nobody joined it before it was locked."""
    root = tree.root
    is_ghost = root.type == "ghost" and not root.is_absorbed and root.erased_at is None
    return is_ghost and max(root.last_seen_at, root.updated_at) < before and tree.absorbed.keys() == seen.get(root.contact_id, set())


async def _tell(connection: Connection, job: WorkspaceJob, progress: dict[str, Any]) -> None:
    """One entry of the log for all of them: each has its last change on the topic."""
    changes = [{"type": "count", "slug": name, "old_value": None, "new_value": progress[name]} for name in ("destroyed", "kept")]
    act = log.Act(job.actor, "swept", "ghosts", str(job.job_id), reason=_reason(job), changes=changes)
    await log.append(connection, job.workspace, [act])


def _reason(job: WorkspaceJob) -> str:
    return job.reason or f"neither seen nor changed for {job.input['days']} days"
