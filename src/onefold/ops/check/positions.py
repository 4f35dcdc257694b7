"""I1, I2, I11, I16: what became of each position of the log, by the lines of `interactions.resolved`, the dead letters, the timeline.

For one position the greatest epoch is the truth; lines of lesser ones are of zombies and of attempts that were rolled back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED
from onefold.ops.check import history
from onefold.ops.check.differences import Found
from onefold.ops.check.parted import parted
from onefold.records import checks
from onefold.records.erased import erased_among
from onefold.topics.ranges import reading

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from onefold.ops.check.lines import Lines
    from onefold.ops.check.look import Look, Replayed
    from onefold.ops.check.parted import Parted
    from onefold.topics.consumer import Record

PAIRS = 5_000
"""Pairs of contact and tenure that are looked up at once."""


def position(partition: int, offset: int) -> str:
    """How a position of `interactions` is written."""
    return f"{INTERACTIONS}/{partition} offset {offset}"


async def nothing_lost(look: Look) -> Found:
    """I1. Only positions without a line, or with a dead letter, are read in `interactions`: few, where all is well."""
    lines, letters, replayed = await look.lines(), await look.letters(), await look.replayed()
    found = Found()
    found.checked = lines.positions
    for where in lines.unreadable:
        found.add(where, f"a record of {INTERACTIONS_RESOLVED} that cannot be read")
    async with reading(look.examined.kafka, INTERACTIONS) as reader:
        async for record in reader.records_in(doubtful(lines, letters)):
            judge(record, lines, letters, replayed, found)
    await history.on_the_timeline(look, found)
    return found


def doubtful(lines: Lines, letters: Mapping[tuple[int, int], set[int]]) -> dict[int, list[tuple[int, int]]]:
    """By partition, sorted ranges of positions that have no line, or have a dead letter."""
    ranges: dict[int, list[tuple[int, int]]] = {partition: lines.without_line(partition) for partition in lines.spans}
    for partition, offset in letters:
        if lines.at(partition, offset) is not None:
            ranges[partition].append((offset, offset + 1))
    return {partition: sorted(found) for partition, found in ranges.items()}


def judge(record: Record, lines: Lines, letters: Mapping[tuple[int, int], set[int]], replayed: Replayed, found: Found) -> None:
    """One record of `interactions`: it has a line or a dead letter, and never both. A letter of another append is another record's."""
    has_line = lines.at(record.partition, record.offset) is not None
    has_letter = record.timestamp_ms in letters.get((record.partition, record.offset), ())
    where = position(record.partition, record.offset)
    if not has_line and not has_letter:
        found.add(where, "was passed by progress, and has neither a line nor a dead letter")
    elif has_line and has_letter and not replayed.covers(record.partition, record.offset):
        found.add(where, "has a line and a dead letter")


async def nothing_twice(look: Look) -> Found:
    """I2."""
    lines = await look.lines()
    found = Found()
    for partition, offset in lines.disagreeing:
        found.add(position(partition, offset), "lines of the greatest epoch differ from each other")
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        undone = await parted(connection)
        numbers = lines.pairs()
        for start in range(0, len(numbers), PAIRS):
            pairs = {number: lines.pair(number) for number in numbers[start : start + PAIRS]}
            contacts = await checks.contact_roots(connection, {contact for contact, _ in pairs.values() if contact is not None})
            tenures = await checks.tenure_roots(connection, {tenure for _, tenure in pairs.values() if tenure is not None})
            erased = await erased_among(connection, {tenure for _, tenure in pairs.values() if tenure is not None} - tenures.keys())
            compare_pairs(lines, pairs, Leads(contacts, tenures, undone, erased), found)
    await history.once_on_the_timeline(look, found)
    return found


class Leads(NamedTuple):
    """Where contacts and tenures lead now."""

    contacts: Mapping[UUID, UUID]
    """The roots of those that exist."""
    tenures: Mapping[int, UUID]
    """The same."""
    undone: Parted
    erased: AbstractSet[int] = frozenset()
    """Tenures that went with a person."""


def compare_pairs(lines: Lines, pairs: Mapping[int, tuple[UUID | None, int | None]], leads: Leads, found: Found) -> None:
    """Whether contact and tenure of a line lead to one root, or did until an unmerge."""
    contacts, tenures, undone, erased = leads
    for number, (contact, tenure) in pairs.items():
        found.checked += 1
        if contact is None or tenure in erased:
            continue
        trouble = None
        if contact not in contacts:
            trouble = f"names contact {contact}, which does not exist"
        elif tenure is not None and tenure not in tenures:
            trouble = f"names tenure {tenure}, which does not exist"
        elif (
            tenure is not None and tenures[tenure] != contacts[contact] and not undone.explains(tenure, contacts[contact], tenures[tenure])
        ):
            trouble = (
                f"names contact {contact}, which leads to {contacts[contact]}, and tenure {tenure}, which belongs to {tenures[tenure]}"
            )
        if trouble is not None:
            found.add(position(*lines.first_with(number)), trouble)


async def order_per_key(look: Look) -> Found:
    """I11."""
    lines = await look.lines()
    return out_of_order(lines)


def out_of_order(lines: Lines) -> Found:
    """Lines that lie behind one of a later position."""
    found = Found()
    found.checked = lines.read
    for each in lines.regresses:
        later = f"of its contact, under the same epoch {each.epoch}"
        found.add(position(each.partition, each.offset), f"its line lies behind that of offset {each.behind} {later}")
    return found


async def fenced(look: Look) -> Found:
    """I16."""
    return falling_epochs(await look.lines(), await look.replayed())


def falling_epochs(lines: Lines, replayed: Replayed) -> Found:
    """Where the greatest epoch of a position is less than that of an earlier one: a zombie's line counted."""
    found = Found()
    found.checked = lines.positions
    for partition in lines.spans:
        highest, since = 0, 0
        for epoch, first, last in lines.runs(partition):
            if replayed.covers(partition, first) and replayed.covers(partition, last):
                continue
            if epoch < highest:
                found.add(position(partition, first), f"lies under epoch {epoch}, but the earlier offset {since} under {highest}")
            else:
                highest, since = epoch, last
    return found
