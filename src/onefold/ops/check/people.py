"""I3, I4, I5: who is whom: one owner for each identifier, redirects that end, and contacts that hold what their evidence says.

Memory: about 300 bytes for each absorbed contact.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple
from zlib import crc32

from onefold.identity.catalog import BUILT_IN
from onefold.identity.plan import Rule
from onefold.messages.topics import INTERACTIONS
from onefold.ops.check.differences import Found
from onefold.ops.check.parted import parted
from onefold.ops.check.positions import position
from onefold.records import checks
from onefold.records.rows import summary_of
from onefold.records.rules_versions import catalogs_ever

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from onefold.ops.check.lines import Lines, Told
    from onefold.ops.check.look import Look
    from onefold.ops.check.parted import Parted
    from onefold.records.rows import Row
    from onefold.records.store import Connection


async def one_owner(look: Look) -> Found:
    """I3: counted in the table itself, since the index is what is doubted."""
    found = Found()
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        found.checked, twice = await checks.twice_open(connection)
    for row in twice:
        holders = ", ".join(f"{tenure} (contact {contact})" for tenure, contact in zip(row["tenures"], row["contacts"], strict=True))
        found.add(
            f"identifier key {row['identifier_key'].hex()} of workspace {row['workspace']}", f"is open more than once: tenures {holders}"
        )
    return found


async def redirects_sound(look: Look) -> Found:
    """I4."""
    found = Found()
    absorbed: dict[UUID, tuple[UUID, UUID]] = {}
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        async for chunk in checks.chunks(connection, checks.ABSORBED):
            absorbed.update((row["contact_id"], (row["merged_into"], row["root"])) for row in chunk)
            ends = await checks.not_absorbed(connection, {row["root"] for row in chunk})
            held = await checks.held_by(connection, [row["contact_id"] for row in chunk])
            for row in chunk:
                compare_absorbed(row, ends, held.get(row["contact_id"], ()), found)
        async for row in checks.rows(connection, checks.ROOTS_ELSEWHERE):
            found.add(f"contact {row['contact_id']}", f"is not absorbed, and has the root {row['root']}")
    follow_redirects(absorbed, found)
    return found


def compare_absorbed(row: Row, ends: AbstractSet[UUID], held: Sequence[Row], found: Found) -> None:
    """An absorbed contact has a root that is none, and holds nothing. `ends`: contacts that are not absorbed."""
    if row["root"] not in ends:
        found.add(f"contact {row['contact_id']}", f"has the root {row['root']}, which is absorbed or does not exist")
    for tenure in held:
        found.add(f"tenure {tenure['tenure_id']}", f"is open, and belongs to contact {row['contact_id']}, which is absorbed")


def follow_redirects(absorbed: Mapping[UUID, tuple[UUID, UUID]], found: Found) -> None:
    """Whether each chain of `merged_into` ends, and ends at `root`. `absorbed`: both, by the id of each absorbed contact."""
    ends: dict[UUID, UUID | None] = {}
    for contact, (_, root) in absorbed.items():
        found.checked += 1
        end = _end(contact, absorbed, ends)
        if end is None:
            found.add(f"contact {contact}", "its redirects go round in a circle")
        elif end != root:
            found.add(f"contact {contact}", f"its redirects end at {end}, but its root is {root}")


def _end(contact: UUID, absorbed: Mapping[UUID, tuple[UUID, UUID]], ends: dict[UUID, UUID | None]) -> UUID | None:
    """Where a chain ends; None where it never does. `ends`: what is known already, added to."""
    path: dict[UUID, None] = {}
    while contact in absorbed and contact not in ends and contact not in path:
        path[contact] = None
        contact = absorbed[contact][0]
    end = ends.get(contact, None if contact in path else contact)
    ends.update(dict.fromkeys(path, end))
    return end


async def same_people(look: Look) -> Found:
    """I5: tenures by their evidence, redirects by their merges, summaries by a recount."""
    found = Found()
    lines = await look.lines()
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        ever = await catalogs_ever(connection, look.examined.workspaces)
        unique = {workspace: held_once(catalogs) for workspace, catalogs in ever.items()}
        undone = await parted(connection)
        async for chunk in checks.chunks(connection, checks.OPEN_TENURES):
            for beginning in await _beginnings(connection, chunk, lines):
                compare_beginning(beginning, lines, undone, found)
        async for chunk in checks.chunks(connection, checks.REDIRECTED):
            confirmed = await checks.merges_of(connection, [row["contact_id"] for row in chunk])
            for row in chunk:
                if (row["contact_id"], row["merged_into"]) not in confirmed:
                    found.add(f"contact {row['contact_id']}", f"is merged into {row['merged_into']}, but no merge says so")
        async for chunk in checks.chunks(connection, checks.HOLDERS):
            held = await checks.held_by(connection, [row["contact_id"] for row in chunk])
            for row in chunk:
                compare_summary(row, held.get(row["contact_id"], ()), unique[row["workspace"]], found)
    return found


class Beginning(NamedTuple):
    """How an open tenure began, and where what it began with leads now."""

    tenure_id: int
    contact_id: UUID
    root: UUID | None
    via: int | None
    via_root: UUID | None
    """None, too, where it is gone: an erased person's, who was one with the contact once."""
    evidence: Row | None
    """Event id, topic, partition, offset and rule of the first."""
    told: Told | None
    """The line of that position."""
    told_root: UUID | None


async def _beginnings(connection: Connection, tenures: Sequence[Row], lines: Lines) -> list[Beginning]:
    evidence = await checks.first_evidence(connection, [row["tenure_id"] for row in tenures])
    told = {tenure: lines.at(row["partition"], row["offset"]) for tenure, row in evidence.items() if row["topic"] == INTERACTIONS}
    through = await checks.tenure_roots(connection, {row["via"] for row in tenures if row["via"] is not None})
    named = {each.contact_id for each in told.values() if each is not None and each.contact_id is not None}
    roots = await checks.contact_roots(connection, named | {row["contact_id"] for row in tenures})
    return [
        Beginning(
            row["tenure_id"],
            row["contact_id"],
            roots.get(row["contact_id"]),
            row["via"],
            through.get(row["via"]),
            evidence.get(row["tenure_id"]),
            line := told.get(row["tenure_id"]),
            roots.get(line.contact_id) if line is not None and line.contact_id is not None else None,
        )
        for row in tenures
    ]


def compare_beginning(each: Beginning, lines: Lines, undone: Parted, found: Found) -> None:
    """An open tenure: its first evidence, and the tenure through which that came, lead to its contact's root, or did until an unmerge."""
    found.checked += 1
    where, evidence = f"tenure {each.tenure_id}", each.evidence
    if each.root is None:
        found.add(where, f"belongs to contact {each.contact_id}, which does not exist")
    elif evidence is None:
        found.add(where, "has no first evidence")
    elif each.via_root not in {None, each.root} and not undone.explains(each.tenure_id, each.via_root, each.root):
        found.add(where, f"belongs to {each.root}, but came through tenure {each.via}, which belongs to {each.via_root}")
    elif evidence["topic"] == INTERACTIONS and lines.spans_over(evidence["partition"], evidence["offset"]):
        trouble = _against_line(each, evidence, undone, is_first_life=lines.spans[evidence["partition"]].generation == 1)
        if trouble is not None:
            found.add(where, f"its first evidence is {position(evidence['partition'], evidence['offset'])}, {trouble}")


def _against_line(each: Beginning, evidence: Row, undone: Parted, *, is_first_life: bool) -> str | None:
    """What the line of a tenure's first evidence says against it. A position names a record of one life of the topic only."""
    told = each.told
    if told is None:
        return "which has no line" if is_first_life else None
    if told.event != crc32(evidence["event_id"].encode()):
        return "whose line tells of another event" if is_first_life else None
    if told.contact_id is None:
        return "whose line names no contact"
    if each.told_root == each.root or evidence["rule"] == Rule.ASIDE or undone.explains(each.tenure_id, each.told_root, each.root):
        return None
    return f"whose line leads to contact {each.told_root}, while the tenure belongs to {each.root}"


class HeldOnce(NamedTuple):
    """Types of which a contact holds one value, by all the rules that a workspace ever had."""

    always: frozenset[str]
    at_times: frozenset[str]
    """Whether a summary names these depends on when the contact got its value (R18)."""


def held_once(catalogs: Iterable[Iterable[Mapping[str, Any]]]) -> HeldOnce:
    """What these catalogs say, which may be those of other builds; where one has no such type, nobody could hold it."""
    said = {pair for catalog in catalogs for pair in _uniqueness(catalog).items()}
    unique, shared = ({kind for kind, is_unique in said if is_unique is each} for each in (True, False))
    return HeldOnce(frozenset(unique - shared), frozenset(unique & shared))


def _uniqueness(catalog: Iterable[Mapping[str, Any]]) -> dict[str, bool]:
    """Whether each type is `unique_per_contact`: the built-in ones as amended, and those that were added."""
    built_in = {each.semantic_type: each.unique_per_contact for each in BUILT_IN}
    added = {each["semantic_type"]: each.get("unique_per_contact", built_in.get(each["semantic_type"], False)) for each in catalog}
    return built_in | added


def compare_summary(row: Row, held: Sequence[Row], unique: HeldOnce, found: Found) -> None:
    """The summary of a contact against its open tenures."""
    found.checked += 1
    stored, kinds = summary_of(row["summary"]), [each["semantic_type"] for each in held]
    validated = [each["semantic_type"] for each in held if each["is_validated"]]
    by_assurance = Counter(each["assurance"] for each in held)
    recount = {
        "by type": (_counts(stored.open_by_type), _counts(Counter(kinds))),
        "validated by type": (_counts(stored.validated_by_type), _counts(Counter(validated))),
        "by assurance": (list(stored.by_assurance), [by_assurance[level] for level in range(len(stored.by_assurance))]),
        "identifiers_total": (row["identifiers_total"], len(held)),
        "types held once": (sorted(stored.unique.keys() - unique.at_times), sorted(unique.always.intersection(kinds))),
    }
    for name, (kept, counted) in recount.items():
        if kept != counted:
            found.add(f"contact {row['contact_id']}", f"its summary says {name}: {kept}, a recount gives {counted}")
    keys = {each["identifier_key"] for each in held}
    strange = [key.hex() for key in stored.unique.values() if key not in keys]
    if strange:
        found.add(f"contact {row['contact_id']}", f"its summary names identifier keys that it does not hold: {', '.join(strange)}")


def _counts(stored: Mapping[str, int]) -> dict[str, int]:
    """Sorted by type, so that two looks say the same."""
    return {kind: count for kind, count in sorted(stored.items()) if count}
