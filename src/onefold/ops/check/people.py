"""I3, I4, I5: who is whom: one owner for each identifier, redirects that end, and contacts that hold what their evidence says.

Memory: about 300 bytes for each absorbed contact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from onefold.identity.catalog import Catalog
from onefold.messages.topics import INTERACTIONS
from onefold.ops.check.differences import Found
from onefold.ops.check.positions import position
from onefold.records import checks
from onefold.records.rows import summary_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from onefold.ops.check.lines import Lines, Told
    from onefold.ops.check.look import Look
    from onefold.records.rows import Row


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
        async for row in checks.rows(connection, checks.ABSORBED):
            absorbed[row["contact_id"]] = row["merged_into"], row["root"]
            if not row["ends_at_a_root"]:
                found.add(f"contact {row['contact_id']}", f"has the root {row['root']}, which is absorbed or does not exist")
        async for row in checks.rows(connection, checks.ROOTS_ELSEWHERE):
            found.add(f"contact {row['contact_id']}", f"is not absorbed, and has the root {row['root']}")
        async for row in checks.rows(connection, checks.HELD_BY_ABSORBED):
            found.add(f"tenure {row['tenure_id']}", f"is open, and belongs to contact {row['contact_id']}, which is absorbed")
    follow_redirects(absorbed, found)
    return found


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
    unique = frozenset(kind for kind, entry in Catalog().entries.items() if entry.unique_per_contact)
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        async for chunk in checks.chunks(connection, checks.BEGINNINGS):
            told = {row["tenure_id"]: at.contact_id for row in chunk if (at := _told(row, lines)) is not None and at.contact_id is not None}
            roots = await checks.contact_roots(connection, set(told.values()))
            for row in chunk:
                compare_beginning(row, lines, roots, found)
        async for row in checks.rows(connection, checks.UNCONFIRMED):
            found.add(f"contact {row['contact_id']}", f"is merged into {row['merged_into']}, but no merge says so")
        async for row in checks.rows(connection, checks.HOLDINGS):
            compare_summary(row, unique, found)
    return found


def _told(row: Row, lines: Lines) -> Told | None:
    return lines.at(row["partition"], row["offset"]) if row["topic"] == INTERACTIONS else None


def compare_beginning(row: Row, lines: Lines, roots: Mapping[UUID, UUID], found: Found) -> None:
    """An open tenure: its first evidence, and the tenure through which that came, lead to its own contact's root."""
    found.checked += 1
    where, root = f"tenure {row['tenure_id']}", row["root"]
    if root is None:
        found.add(where, f"belongs to contact {row['contact_id']}, which does not exist")
    elif row["event_id"] is None:
        found.add(where, "has no first evidence")
    elif row["via"] is not None and row["via_root"] != root:
        found.add(where, f"belongs to {root}, but came through tenure {row['via']}, which belongs to {row['via_root']}")
    elif row["topic"] == INTERACTIONS and lines.spans_over(row["partition"], row["offset"]):
        trouble = _against_line(row, lines, roots)
        if trouble is not None:
            found.add(where, f"its first evidence is {position(row['partition'], row['offset'])}, {trouble}")


def _against_line(row: Row, lines: Lines, roots: Mapping[UUID, UUID]) -> str | None:
    """What the line of a tenure's first evidence says against it. A position names a record of one generation of the log only."""
    told = lines.at(row["partition"], row["offset"])
    is_first_life = lines.spans[row["partition"]].generation == 1
    if told is None:
        return "which has no line" if is_first_life else None
    if told.event != crc32(row["event_id"].encode()):
        return "whose line tells of another event" if is_first_life else None
    if told.contact_id is None:
        return "whose line names no contact"
    leads_to = roots.get(told.contact_id)
    return None if leads_to == row["root"] else f"whose line leads to contact {leads_to}, while the tenure belongs to {row['root']}"


def compare_summary(row: Row, unique: frozenset[str], found: Found) -> None:
    """The summary of a contact against its open tenures. `unique`: types of which a contact holds one value."""
    found.checked += 1
    stored, kinds = summary_of(row["summary"]), row["types"]
    validated = [kind for kind, is_validated in zip(kinds, row["validated"], strict=True) if is_validated]
    recount = {
        "by type": (_counts(stored.open_by_type), _count(kinds)),
        "validated by type": (_counts(stored.validated_by_type), _count(validated)),
        "by assurance": (list(stored.by_assurance), [list(row["assurances"]).count(level) for level in range(4)]),
        "identifiers_total": (row["identifiers_total"], len(kinds)),
        "types held once": (sorted(stored.unique), sorted(unique.intersection(kinds))),
    }
    for name, (kept, counted) in recount.items():
        if kept != counted:
            found.add(f"contact {row['contact_id']}", f"its summary says {name}: {kept}, a recount gives {counted}")
    strange = [key.hex() for key in stored.unique.values() if key not in row["keys"]]
    if strange:
        found.add(f"contact {row['contact_id']}", f"its summary names identifier keys that it does not hold: {', '.join(strange)}")


def _counts(stored: Mapping[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in stored.items() if count}


def _count(kinds: Sequence[str]) -> dict[str, int]:
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}
