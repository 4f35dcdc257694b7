"""Merges in Postgres: tenures and redirects that move, and the record of each, from which an unmerge restores both sides.

Called by `apply`. The number of statements does not depend on how many merges a plan has.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.contact import Consent, Provenance
from onefold.identity.plan import Act
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from onefold.identity.contact import Contact
    from onefold.identity.plan import Merge, Return
    from onefold.records.store import Connection

    Row: TypeAlias = tuple[object, ...]

MERGE_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:merge")

MOVE_TENURES = """
update identifiers i set contact_id = n.survivor
from unnest($1::text[], $2::uuid[], $3::uuid[]) as n (workspace, absorbed, survivor)
where i.contact_id = n.absorbed and i.workspace = n.workspace and i.contact_id = any($2::uuid[])
returning old.contact_id as absorbed, i.workspace, i.tenure_id
"""

MOVE_ROOTS = """
update contacts c set root = n.survivor
from unnest($1::text[], $2::uuid[], $3::uuid[]) as n (workspace, absorbed, survivor)
where c.root = n.absorbed and c.workspace = n.workspace and c.root = any($2::uuid[]) and c.merged_into is not null
"""

INSERT_MERGES = """
insert into merges (merge_id, workspace, survivor, absorbed, at, cause, tenures, survivor_record, absorbed_record, lost, labels)
select * from unnest($1::recorded_merge[])
"""


RETURN_TENURES = """
update identifiers i set contact_id = n.contact_id
from unnest($1::text[], $2::bigint[], $3::uuid[]) as n (workspace, tenure_id, contact_id)
where i.tenure_id = n.tenure_id and i.workspace = n.workspace and i.tenure_id = any($2::bigint[])
"""

RETURN_ROOTS = """
update contacts c set root = n.root
from unnest($1::text[], $2::uuid[], $3::uuid[]) as n (workspace, contact_id, root)
where c.contact_id = n.contact_id and c.workspace = n.workspace and c.contact_id = any($2::uuid[])
"""

UNDO_MERGE = "update merges set undone_at = $3, undone = $4, returned = $5 where merge_id = $1 and workspace = $2"


class Record(msgspec.Struct, omit_defaults=True):
    """A contact as a merge record keeps it: what merging mixes, and nothing that its tenures say themselves."""

    version: int
    created_at: datetime
    first_seen_at: datetime
    last_seen_at: datetime
    type: str = "ghost"
    given_name: str | None = None
    last_name: str | None = None
    is_vendor: bool = False
    organization_id: UUID | None = None
    attributes: dict[str, dict[str, object]] = {}
    tags: list[str] = []
    provenance: dict[str, Provenance] = {}
    archived_at: datetime | None = None
    consent: dict[str, Consent] = {}
    organization_name: str | None = None
    classification: Classification = UNCLASSIFIED

    @classmethod
    def of(cls, contact: Contact) -> Record:
        """What is kept of a contact."""
        return cls(**{name: getattr(contact, name) for name in cls.__struct_fields__})


async def write_merges(connection: Connection, merges: Sequence[Merge]) -> None:
    """Move the tenures and record each merge with exactly those that its absorbed contact held at that point of the plan."""
    held: dict[tuple[str, UUID], list[int]] = {}
    for row in await connection.fetch(MOVE_TENURES, *_move_arguments(merges)):
        held.setdefault((row["workspace"], row["absorbed"]), []).append(row["tenure_id"])
    rows: list[Row] = []
    for merge in merges:
        moved = [*held.get((merge.workspace, merge.absorbed.contact_id), []), *merge.gained]
        held.setdefault((merge.workspace, merge.survivor), []).extend(moved)
        rows.append(_merge_row(merge, moved))
    await connection.execute(INSERT_MERGES, rows)


async def move_roots(connection: Connection, merges: Sequence[Merge]) -> None:
    """Redirects take one step: everything that ended at an absorbed contact ends where that one ends now."""
    await connection.execute(MOVE_ROOTS, *_move_arguments(merges))


async def undo_merges(connection: Connection, returns: Sequence[Return]) -> None:
    """Give tenures and redirects back, and say in each record that it was undone. A user undoes one at a time."""
    tenures = [(each.workspace, tenure_id, each.contact_id) for each in returns for tenure_id in each.tenures]
    contacts = [(each.workspace, contact_id, each.contact_id) for each in returns for contact_id in each.contacts]
    for statement, rows in ((RETURN_TENURES, tenures), (RETURN_ROOTS, contacts)):
        await connection.execute(statement, *([row[column] for row in rows] for column in range(3)))
    for each in returns:
        why = {"act_id": each.act.act_id, "actor": each.act.actor, "reason": each.act.reason, "root": each.root}
        await connection.execute(UNDO_MERGE, each.merge_id, each.workspace, each.act.at, to_json(why), list(each.tenures))


def _final_survivors(merges: Sequence[Merge]) -> dict[tuple[str, UUID], UUID]:
    """Where each absorbed contact ends after all merges of the plan."""
    ends: dict[tuple[str, UUID], UUID] = {}
    for merge in reversed(merges):
        ends[merge.workspace, merge.absorbed.contact_id] = ends.get((merge.workspace, merge.survivor), merge.survivor)
    return ends


def _move_arguments(merges: Sequence[Merge]) -> tuple[list[str], list[UUID], list[UUID]]:
    ends = _final_survivors(merges)
    return [workspace for workspace, _ in ends], [absorbed for _, absorbed in ends], list(ends.values())


def cause_of(merge: Merge) -> dict[str, object]:
    """What a merge record says of whatever brought it about."""
    cause = merge.cause
    if isinstance(cause, Act):
        return {"kind": "user", "act_id": cause.act_id, "actor": cause.actor, "reason": cause.reason, "rule": "decided"}
    return {
        "kind": "interaction",
        "event_id": cause.event_id,
        "occurred_at": cause.at,
        "topic": cause.position.topic,
        "partition": cause.position.partition,
        "offset": cause.position.offset,
        "rule": "shared_identifier",
        "semantic_type": merge.identifier,
        "through": merge.through,
    }


def _merge_row(merge: Merge, moved: Sequence[int]) -> Row:
    absorbed, cause = merge.absorbed, merge.cause
    at, name = (cause.at, cause.act_id) if isinstance(cause, Act) else (cause.appended_at, cause.event_id)
    return (
        uuid5(MERGE_NAMESPACE, f"{merge.survivor}\0{absorbed.contact_id}\0{name}\0{absorbed.version}"),
        merge.workspace,
        merge.survivor,
        absorbed.contact_id,
        at,
        to_json(cause_of(merge)),
        moved,
        to_json(Record.of(merge.winner)),
        to_json(Record.of(absorbed)),
        to_json(merge.lost),
        to_json({str(tenure_id): label for tenure_id, label in merge.labels.items()}),
    )
