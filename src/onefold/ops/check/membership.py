"""I9: membership is what each segment's query gives, and those who entered leave before they enter again.

Memory: about 300 bytes for each contact and segment that a transition on `segments.membership` names.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from onefold.messages.segments import SegmentMembership
from onefold.messages.topics import SEGMENTS_MEMBERSHIP
from onefold.ops.check.differences import Found
from onefold.records import checks
from onefold.topics.ranges import reading
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.ops.check.look import Look

PATIENCE_SECONDS = 6.0
"""How long the second look gives the segments worker. One that is further behind leaves memberships wrong, which is worth a report."""

PAUSE_SECONDS = 0.5

_decode = msgspec.json.Decoder(SegmentMembership).decode


async def segments_right(look: Look) -> Found:
    """I9."""
    found = await _evaluated_from_scratch(look)
    if look.is_second:
        found = await _waited_for(look, found)
    transitions = Transitions(found)
    async with reading(look.examined.kafka, SEGMENTS_MEMBERSHIP) as reader:
        cut = {partition for partition, span in (await reader.held()).items() if span.first > 0}
    async for record in follow_topic(look.examined.kafka, SEGMENTS_MEMBERSHIP, from_start=True, to_end=True):
        where = f"{SEGMENTS_MEMBERSHIP}/{record.partition} offset {record.offset}"
        try:
            message = _decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            found.add(where, "cannot be read")
            continue
        if look.examined.sees(message.workspace):
            transitions.take(message, where, is_cut=record.partition in cut)
    return found


async def _evaluated_from_scratch(look: Look) -> Found:
    """Members against the query, segment by segment. The contact's version belongs to the difference: one that changes is in flight."""
    found = Found()
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        for segment in await checks.live_segments(connection):
            members, rows = await checks.false_memberships(connection, segment)
            found.checked += members
            versions = await checks.versions_of(connection, [row["contact_id"] for row in rows])
            for row in rows:
                word = "matches, and is no member" if row["matches"] else "is a member, and does not match"
                where = f"segment {segment.slug} of workspace {segment.workspace}"
                found.add(where, f"contact {row['contact_id']} (version {versions.get(row['contact_id'])}) {word}")
    return found


async def _waited_for(look: Look, found: Found) -> Found:
    """What is still so after a while: a change passes the outbox, Kafka and the segments worker before it counts."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while found.count:
                await asyncio.sleep(PAUSE_SECONDS)
                found = found.confirmed(await _evaluated_from_scratch(look))
    return found


@dataclass(slots=True)
class Transitions:
    """The last transition of each contact and segment. One that is not later, by versions of rule and contact, is a repeat."""

    found: Found
    _last: dict[tuple[UUID, UUID], tuple[int, int, str]] = field(default_factory=dict)

    def take(self, message: SegmentMembership, where: str, *, is_cut: bool) -> None:
        """The next message. `is_cut`: retention took the beginning of its partition, so the first one known may be either."""
        self.found.checked += 1
        key = message.segment.id, message.contact_id
        version = message.segment.version, message.contact_version
        last = self._last.get(key)
        if last is not None and version <= last[:2]:
            return
        before = last[2] if last is not None else None
        if message.transition == before or (before is None and message.transition == "left" and not is_cut):
            self.found.add(
                where,
                f"contact {message.contact_id} {message.transition} segment {message.segment.slug} after it {before or 'was never in'}",
            )
        self._last[key] = (*version, message.transition)
