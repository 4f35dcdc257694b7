"""I12, I15: how far the resolvers are, against the log and against what Kafka was told."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from onefold.messages.topics import INTERACTIONS
from onefold.ops.check.differences import Found
from onefold.records import checks
from onefold.topics.admin import committed
from onefold.topics.ends import end_offsets
from onefold.topics.ranges import reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.ops.check.look import Look
    from onefold.records.checks import Progress
    from onefold.topics.ranges import Span


async def heals(look: Look) -> Found:
    """I12. Progress that moves between the looks is another difference, so only a partition that stands still is reported."""
    found = Found()
    async with reading(look.examined.kafka, INTERACTIONS) as reader:
        held = await reader.held()
        progress = await checks.progress(look.examined.store)
        found.checked = len(held)
        for partition, first, end in behind(held, progress):
            async with aclosing(reader.records_in({partition: [(first, end)]})) as records:
                if await anext(records, None) is not None:  # offsets may be taken by marks of transactions alone (F44)
                    found.add(f"{INTERACTIONS}/{partition}", _standing(partition, first, progress))
    return found


def behind(held: Mapping[int, Span], progress: Mapping[int, Progress]) -> list[tuple[int, int, int]]:
    """Partitions that are not decided to their ends: partition, where it stands, and its end."""
    stands = {partition: progress[partition].next_offset if partition in progress else each.first for partition, each in held.items()}
    return [(partition, stands[partition], each.end) for partition, each in sorted(held.items()) if stands[partition] < each.end]


def _standing(partition: int, first: int, progress: Mapping[int, Progress]) -> str:
    if partition not in progress:
        return f"has records from offset {first} on, and no resolver has taken it"
    return f"progress stands at offset {first}, and there are records from there on"


async def progress_never_ahead(look: Look) -> Found:
    """I15. What must be less is read first: both only grow."""
    told = await committed(look.examined.kafka, look.examined.resolver_group, INTERACTIONS)
    progress = await checks.progress(look.examined.store)
    return ahead(told, progress, await end_offsets(look.examined.kafka, INTERACTIONS))


def ahead(told: Mapping[int, int], progress: Mapping[int, Progress], ends: Mapping[int, int]) -> Found:
    """Kafka's committed offset ≤ progress ≤ the end of the log."""
    found = Found()
    found.checked = len(told.keys() | progress.keys())
    for partition, offset in sorted(told.items()):
        known = progress[partition].next_offset if partition in progress else 0
        if offset > known:
            found.add(f"{INTERACTIONS}/{partition}", f"Kafka's committed offset is {offset}, progress is at {known}")
    for partition, each in sorted(progress.items()):
        end = ends.get(partition, 0)
        if each.next_offset > end:
            found.add(f"{INTERACTIONS}/{partition}", f"progress is at {each.next_offset}, the log ends at {end}")
    return found
