"""Proposals: written with the plan that made them, read and decided on by people (product.md, section 4; R26).

A row is a pair of contacts as they were. What became of it is derived: `state`. Called by `onefold.records.resolution`,
`onefold.contacts.proposals`, `onefold.ops.explain` and the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args
from uuid import NAMESPACE_URL, UUID, uuid5

from onefold.records.snapshots import read_apart
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterable, Sequence
    from datetime import datetime

    from onefold.identity.plan import Act, Proposed
    from onefold.records.rows import Row
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible

State: TypeAlias = Literal["open", "carried_out", "accepted", "refused", "expired", "void"]

STATES: frozenset[State] = frozenset(get_args(State))
PROPOSAL_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:proposal")
EXPIRES = timedelta(days=90)
"""After the last interaction that proposed it was appended (product.md, section 4)."""
KEPT = 2 * EXPIRES
"""For how long a row is kept: one that expired can be looked up for as long as it was open."""
MOST_LOOKED_AT = 10_000
"""Of one contact; somebody whose address a thousand strangers type has a thousand."""
CHUNK = 200
"""Rows that are read at once: most of a workspace's may be closed."""

UPSERT = """
insert into proposals as p (workspace, proposal_id, one, other, guard, semantic_type, first_at, first_event, first_partition, first_offset,
  last_at, last_event, last_partition, last_offset, proposed_at)
select * from unnest($1::proposal_row[])
on conflict (proposal_id, workspace) do update set guard = excluded.guard, semantic_type = excluded.semantic_type,
  last_at = excluded.last_at, last_event = excluded.last_event, last_partition = excluded.last_partition,
  last_offset = excluded.last_offset, proposed_at = excluded.proposed_at
where excluded.proposed_at >= p.proposed_at + interval '1 hour'
"""
# By the way, so that nothing has to run for it: at most twice as many go as come, and those that are being written stay.
FORGET = """
delete from proposals where (proposal_id, workspace) in (
  select proposal_id, workspace from proposals where workspace = any($1::text[]) and proposed_at < now() - $2::interval
  order by proposed_at limit $3 for update skip locked
)
"""

_COLUMNS = """
p.workspace, p.proposal_id, p.guard, p.semantic_type, p.first_at, p.first_event, p.first_partition, p.first_offset, p.last_at, p.last_event,
  p.last_partition, p.last_offset, p.proposed_at, p.decision, p.decided_at, p.actor, p.reason, p.one, p.other
"""
_LED = """
 c.*, a.root as root_one, b.root as root_other, ra.identifiers_total as held_by_one, rb.identifiers_total as held_by_other,
  ra.summary ? 'apart' and rb.summary ? 'apart' as may_be_apart, c.proposed_at < now() - $1::interval as is_old
from chosen c
left join contacts a on a.contact_id = c.one and a.workspace = c.workspace
left join contacts b on b.contact_id = c.other and b.workspace = c.workspace
left join contacts ra on ra.contact_id = a.root and ra.workspace = c.workspace
left join contacts rb on rb.contact_id = b.root and rb.workspace = c.workspace
order by c.proposed_at desc, c.proposal_id desc
"""
NEWEST = f"""
with chosen as materialized (
  select {_COLUMNS} from proposals p
  where workspace = $2 and ($3::timestamptz is null or (proposed_at, proposal_id) < ($3, $4)) and proposed_at >= now() - $5::interval
  order by proposed_at desc, proposal_id desc limit $6
) select {_LED}
"""
# The same of whom a user owns (S77): along their links to contacts and those that these absorbed, to pairs whose other side is theirs.
NEWEST_OWN = f"""
with own as (
  select distinct object_id as root from links
  where workspace = $2 and object_type = 'contacts' and kind = any($7::text[]) and value = $8
), chosen as materialized (
  select {_COLUMNS} from own
  join contacts m on m.root = own.root and m.workspace = $2
  join proposals p on p.one = m.contact_id and p.workspace = m.workspace
  join contacts o on o.contact_id = p.other and o.workspace = p.workspace
  where o.root in (select root from own) and ($3::timestamptz is null or (p.proposed_at, p.proposal_id) < ($3, $4))
    and p.proposed_at >= now() - $5::interval
  order by p.proposed_at desc, p.proposal_id desc limit $6
) select {_LED}
"""
# Pairs with a side among some contacts; the tree of a contact, say.
OF = f"""
with chosen as materialized (
  select * from (
    select {_COLUMNS} from proposals p where p.one = any($3::uuid[]) and p.workspace = $2
    union
    select {_COLUMNS} from proposals p where p.other = any($3::uuid[]) and p.workspace = $2
  ) as both_sides order by proposed_at desc, proposal_id desc limit $4
) select {_LED}
"""
ONE = f"""
with chosen as materialized (
  select {_COLUMNS} from proposals p where p.proposal_id = $3 and p.workspace = $2 and ($4::text[] is null or not exists (
    select from unnest(array[p.one, p.other]) as side where not exists (
      select from contacts m join links l on l.object_id = m.root and l.workspace = m.workspace
      where m.contact_id = side and m.workspace = p.workspace and l.object_type = 'contacts' and l.kind = any($4) and l.value = $5)))
) select {_LED}
"""
TREE = """
select m.contact_id from contacts c join contacts m on m.root = c.root and m.workspace = c.workspace and m.merged_into is not null
where c.contact_id = $1 and c.workspace = $2
union
select root from contacts where contact_id = $1 and workspace = $2
"""
DECIDE = """
update proposals set decision = $3, decided_at = $4, actor = $5, reason = $6 where proposal_id = any($1::uuid[]) and workspace = $2
"""


class Occasion(NamedTuple):
    """An interaction that proposed the two."""

    at: datetime
    """Event time."""
    event_id: str
    partition: int
    offset: int
    """Of `interactions`."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two contacts that a guard kept apart, and what became of that."""

    proposal_id: UUID
    workspace: str
    sides: tuple[UUID, UUID]
    """As they were."""
    contacts: tuple[UUID | None, UUID | None]
    """Where they lead now; None for one that is gone."""
    state: State
    guard: str
    semantic_type: str
    """Of the identifier that names the other one."""
    first: Occasion
    last: Occasion
    """To within an hour."""
    proposed_at: datetime
    """When the last one was appended."""
    decided_at: datetime | None
    actor: str | None
    reason: str | None

    @property
    def expires_at(self) -> datetime:
        """When nobody can accept it any more."""
        return self.proposed_at + EXPIRES


async def propose(connection: Connection, proposed: Sequence[Proposed]) -> None:
    """Keep the proposals of a plan, in its transaction; the same interaction again changes nothing."""
    rows: dict[UUID, tuple[object, ...]] = {}
    for each in sorted(proposed, key=lambda one: one.interaction.appended_at):
        row = _row(each)
        named = proposal_id(each.one, each.other)
        first = rows[named][6:10] if named in rows else row[6:10]
        rows[named] = (*row[:6], *first, *row[10:])
    await connection.execute(UPSERT, [rows[named] for named in sorted(rows, key=lambda each: each.int)])
    await connection.execute(FORGET, sorted({each.workspace for each in proposed}), KEPT, 2 * len(rows))


def proposal_id(one: UUID, other: UUID) -> UUID:
    """The id of a pair, in whatever order."""
    smaller, greater = sorted((one, other), key=lambda each: each.int)
    return uuid5(PROPOSAL_NAMESPACE, f"{smaller}\0{greater}")


async def list_proposals(
    connection: Connection, workspace: str, most: int, *, states: Container[State], visible: Visible = EVERYBODYS
) -> list[Proposal]:
    """The newest ones in some of the states; of open ones, one for each pair of contacts that they lead to. Both sides are to be seen."""
    found: dict[object, Proposal] = {}
    async for each in _newest(connection, workspace, KEPT if "expired" in states else EXPIRES, visible):
        if each.state in states:
            found.setdefault(frozenset(each.contacts) if each.state == "open" else each.proposal_id, each)
            if len(found) == most:
                break
    return list(found.values())


async def proposals_of(connection: Connection, workspace: str, contact_id: UUID, most: int) -> list[Proposal]:
    """The newest ones, in whatever state, of a contact and of whom it absorbed."""
    sides = [row["contact_id"] for row in await connection.fetch(TREE, contact_id, workspace)]
    return await _read(connection, workspace, await connection.fetch(OF, EXPIRES, workspace, sides, most))


async def find_proposal(connection: Connection, workspace: str, named: UUID, visible: Visible = EVERYBODYS) -> Proposal | None:
    """The one with this id, if both of its sides are to be seen."""
    rows = await connection.fetch(ONE, EXPIRES, workspace, named, visible.kinds, visible.user_id)
    found = await _read(connection, workspace, rows)
    return found[0] if found else None


async def between(connection: Connection, workspace: str, ours: Iterable[UUID], theirs: Iterable[UUID]) -> list[Proposal]:
    """Those with one side among some contacts and one among others, newest first."""
    fewer, more = sorted((frozenset(ours), frozenset(theirs)), key=len)
    rows = await connection.fetch(OF, EXPIRES, workspace, list(fewer), MOST_LOOKED_AT)
    return await _read(connection, workspace, [row for row in rows if row["one"] in more or row["other"] in more])


async def decide_on(connection: Connection, proposal: Proposal, decision: Literal["accepted", "refused"], act: Act) -> None:
    """Record what a person decided of an open one, and so of all that lead to the same two contacts: before it is carried out."""
    one, other = proposal.contacts
    if one is not None and other is not None:
        of = await proposals_of(connection, proposal.workspace, one, MOST_LOOKED_AT)
        same = [each.proposal_id for each in of if other in each.contacts]
        await connection.execute(DECIDE, same, proposal.workspace, decision, act.at, act.actor, act.reason)


async def _newest(connection: Connection, workspace: str, within: timedelta, visible: Visible) -> AsyncIterator[Proposal]:
    statement, whose = (NEWEST, ()) if visible.kinds is None else (NEWEST_OWN, (visible.kinds, visible.user_id))
    place: tuple[datetime | None, UUID | None] = (None, None)
    size = CHUNK
    while size == CHUNK:
        rows = await connection.fetch(statement, EXPIRES, workspace, *place, within, CHUNK, *whose)
        chunk = await _read(connection, workspace, rows)
        for each in chunk:
            yield each
        size = len(chunk)
        place = (chunk[-1].proposed_at, chunk[-1].proposal_id) if chunk else place


async def _read(connection: Connection, workspace: str, rows: Sequence[Row]) -> list[Proposal]:
    """Rows as what they say now."""
    marked = {row[side] for row in rows if row["may_be_apart"] for side in ("root_one", "root_other")}
    apart = {frozenset(pair[1:]) for pair in await read_apart(connection, list(marked), [workspace])} if marked else frozenset()
    return [_proposal(row, frozenset((row["root_one"], row["root_other"])) in apart) for row in rows]


def _proposal(row: Row, is_apart: bool) -> Proposal:
    return Proposal(
        row["proposal_id"],
        row["workspace"],
        (row["one"], row["other"]),
        (row["root_one"], row["root_other"]),
        state(row, is_apart=is_apart),
        row["guard"],
        row["semantic_type"],
        _occasion(row, "first"),
        _occasion(row, "last"),
        row["proposed_at"],
        row["decided_at"],
        row["actor"],
        row["reason"],
    )


def _occasion(row: Row, which: str) -> Occasion:
    return Occasion(row[f"{which}_at"], row[f"{which}_event"], row[f"{which}_partition"], row[f"{which}_offset"])


def state(row: Row, *, is_apart: bool) -> State:
    """What became of a proposal: the first of these that is so."""
    if row["root_one"] is None or row["root_other"] is None:
        return "void"
    if row["root_one"] == row["root_other"]:
        return "accepted" if row["decision"] == "accepted" else "carried_out"
    if is_apart:
        return "refused"
    if not row["held_by_one"] or not row["held_by_other"]:
        return "void"
    return "expired" if row["is_old"] else "open"


def _row(proposed: Proposed) -> tuple[object, ...]:
    interaction, position = proposed.interaction, proposed.interaction.position
    occasion = (interaction.at, interaction.event_id, position.partition, position.offset)
    return (
        proposed.workspace,
        proposal_id(proposed.one, proposed.other),
        proposed.one,
        proposed.other,
        proposed.guard.value,
        proposed.semantic_type,
        *occasion,
        *occasion,
        interaction.appended_at,
    )
