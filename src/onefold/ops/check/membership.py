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
from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP
from onefold.ops.check.differences import Found
from onefold.records import checks
from onefold.topics.positions import bounds, committed, has_records
from onefold.topics.tail import follow_topic

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.ops.check.look import Look

PATIENCE_SECONDS = 20.0
"""How long the second look waits until the changes that the first one may have been ahead of are evaluated."""

PAUSE_SECONDS = 0.5

_decode = msgspec.json.Decoder(SegmentMembership).decode


async def segments_right(look: Look) -> Found:
    """I9."""
    found = Found()
    if look.is_second:
        await _evaluated(look)
    async with checks.looking(look.examined.store, look.examined.workspaces) as connection:
        for segment in await checks.live_segments(connection):
            members, rows = await checks.false_memberships(connection, segment)
            found.checked += members
            for row in rows:
                where = f"segment {segment.slug} of workspace {segment.workspace}"
                word = "matches, and is no member" if row["matches"] else "is a member, and does not match"
                found.add(where, f"contact {row['contact_id']} (version {row['version']}) {word}")
    transitions = Transitions(found)
    cut = {partition for partition, each in (await bounds(look.examined.kafka, SEGMENTS_MEMBERSHIP)).items() if each.first > 0}
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


async def _evaluated(look: Look) -> None:
    """Wait until every change told by now was evaluated; not for ever: a segments worker that stands still is worth a report."""
    kafka, store = look.examined.kafka, look.examined.store
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            waiting = await checks.last_waiting(store, CONTACTS_CHANGED)
            while await checks.is_waiting(store, CONTACTS_CHANGED, waiting):  # noqa: ASYNC110 -- nobody tells when a row is sent
                await asyncio.sleep(PAUSE_SECONDS)
            for partition, each in (await bounds(kafka, CONTACTS_CHANGED)).items():
                while await _is_behind(look, partition, each.end):  # noqa: ASYNC110 -- nobody tells when a group commits
                    await asyncio.sleep(PAUSE_SECONDS)


async def _is_behind(look: Look, partition: int, end: int) -> bool:
    kafka = look.examined.kafka
    done = (await committed(kafka, look.examined.segments_group, CONTACTS_CHANGED)).get(partition, 0)
    return done < end and await has_records(kafka, CONTACTS_CHANGED, partition, done, end)
