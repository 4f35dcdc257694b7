"""Segments: who enters and who leaves as contacts change (architecture, section 5).

Its path, for one batch of `contacts.changed`: take → decode → in one transaction: read the segments, evaluate those that the changes
matter to, write memberships, outbox rows for who entered and left → acknowledge. A message that is delivered again, or late, finds
memberships of its own or a later version and changes nothing.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onefold import bootstrap
from onefold.errors import OnefoldError, PermanentError
from onefold.messages.codec import decode
from onefold.messages.contacts import ContactChange
from onefold.messages.times import parse_time
from onefold.messages.topics import CONTACTS_CHANGED, MAX_WRAPPED_BYTES, SEGMENTS_GROUP
from onefold.observe import SegmentsMetrics
from onefold.records.buried import bury
from onefold.records.segments import Evaluation, Segment, holds_in_store, record_evaluations, shared_segments
from onefold.segments.evaluate import Subject, evaluate, looks_at_identifiers, matters
from onefold.segments.query import SETS
from streams.app import Message, make_app, patiently, settle_each, stop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterable, Iterable, Sequence
    from uuid import UUID

    from onefold.bootstrap import Role
    from onefold.observe import Health, Log
    from onefold.records.store import Connection, Store

MOST_CHANGES, WITHIN_SECONDS = 500, 0.05
ALWAYS = frozenset({"merged_into", "archived_at", "erased_at"})
"""Changes that matter to every segment."""


class Membership:
    """Evaluates batches of changes. Knows nothing of Faust."""

    def __init__(self, store: Store, metrics: SegmentsMetrics, log: Log) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log

    async def follow(self, batches: AsyncIterable[Sequence[Any]], acknowledge: Any) -> None:
        """Settle batch after batch of Faust's events; acknowledge what was committed."""
        await settle_each(batches, acknowledge, self.settle, "segments.committed")

    async def settle(self, messages: Sequence[Message]) -> None:
        """One batch, to its end: nothing is raised but cancellation."""

        async def once() -> None:
            with self._metrics.batch_seconds.time():
                await self._settle(messages)

        await patiently(once, self._metrics.waits, self._log)

    async def _settle(self, messages: Sequence[Message]) -> None:
        changes, dead = self._decode(messages)
        async with self._store.transaction({change.workspace for change in changes}) as connection:
            for message, error in dead:
                await bury(connection, message.letter(CONTACTS_CHANGED, error), message.key, message.value or b"", message.headers)
            segments = await shared_segments(connection, {change.workspace for change in changes})
            for round_ in _rounds(changes):
                transitions = await record_evaluations(connection, await _evaluate(connection, segments, round_))
                for each in transitions:
                    self._metrics.transitions.labels("entered" if each.entered else "left").inc()
        self._metrics.changes.labels("evaluated").inc(len(changes))
        self._metrics.changes.labels("dead").inc(len(dead))

    def _decode(self, messages: Sequence[Message]) -> tuple[list[ContactChange], list[tuple[Message, OnefoldError]]]:
        """The changes, and what is none. A tombstone says nothing: the change before it took the contact out of everything."""
        changes: list[ContactChange] = []
        dead: list[tuple[Message, OnefoldError]] = []
        for message in messages:
            if message.value is None:
                continue
            try:
                changes.append(decode(message.value, ContactChange, max_bytes=MAX_WRAPPED_BYTES))
            except PermanentError as error:
                self._log.error("change_unreadable", offset=message.offset, code=error.code, reason=str(error))
                dead.append((message, error))
        return changes, dead


def _rounds(changes: Iterable[ContactChange]) -> list[list[ContactChange]]:
    """The changes in their order, but at most one of a contact at a time: a statement cannot write one row twice."""
    rounds: list[list[ContactChange]] = []
    seen: dict[UUID, int] = {}
    for change in changes:
        number = seen.get(change.contact_id, 0)
        seen[change.contact_id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return rounds


async def _evaluate(connection: Connection, segments: Sequence[Segment], changes: Sequence[ContactChange]) -> list[Evaluation]:
    """What every segment that a change matters to says of the contact."""
    evaluations = []
    unlisted: dict[UUID, list[tuple[Segment, ContactChange]]] = {}
    subjects = {change.contact_id: _subject(change) for change in changes}
    for segment in segments:
        keys = matters(segment.query) | ALWAYS
        by_identifiers = looks_at_identifiers(segment.query)
        for change in changes:
            if change.workspace != segment.workspace or not (change.version == 1 or change.merged or keys & change.changes.keys()):
                continue
            if by_identifiers and change.contact is not None and len(change.contact.identifiers) < change.contact.identifiers_total:
                unlisted.setdefault(segment.segment_id, []).append((segment, change))
                continue
            subject = subjects[change.contact_id]
            evaluations.append(_evaluation(segment, change, matches=subject is not None and evaluate(segment.query, subject)))
    for pairs in unlisted.values():
        segment = pairs[0][0]
        holding = await holds_in_store(connection, segment, [change.contact_id for _, change in pairs])
        evaluations.extend(_evaluation(segment, change, matches=change.contact_id in holding) for _, change in pairs)
    return evaluations


def _evaluation(segment: Segment, change: ContactChange, *, matches: bool) -> Evaluation:
    return Evaluation(segment, change.contact_id, change.version, matches, parse_time(change.at))


def _subject(change: ContactChange) -> Subject | None:
    """What queries look at; None for a contact that belongs to no segment, because it was absorbed, archived or erased."""
    contact = change.contact
    if contact is None or change.merged_into is not None or contact.archived_at is not None:
        return None
    organization = str(contact.organization_id) if contact.organization_id is not None else None
    return Subject(
        {
            "type": contact.type,
            "given_name": contact.given_name,
            "last_name": contact.last_name,
            "email": contact.email,
            "phone": contact.phone,
            "is_vendor": contact.is_vendor,
            "organization_id": organization,
            "organization_name": contact.organization_name,
            **{f"workflows.{slug}": stage.step for slug, stage in contact.workflows.items()},
        },
        contact.attributes,
        [(each.semantic_type, each.slug, each.normalised) for each in contact.identifiers],
        {
            **{name: getattr(contact, name) for name in SETS},
            **{f"relationships.{slug}": [each.id for each in related] for slug, related in contact.relationships.items()},
        },
    )


async def run(role: Role, health: Health, stopping: asyncio.Event) -> None:
    """Keep memberships right until told to stop; what was not committed comes again."""
    with tempfile.TemporaryDirectory(prefix="onefold-segments-") as folder:
        async with bootstrap.store(role) as store:
            membership = Membership(store, SegmentsMetrics(role.metrics), role.log)
            app = make_app(role, SEGMENTS_GROUP, Path(folder))
            topic = app.topic(role.kafka.topic(CONTACTS_CHANGED), key_type=bytes, value_type=bytes)

            async def follow(stream: Any) -> None:
                await membership.follow(stream.noack_take(MOST_CHANGES, within=WITHIN_SECONDS), stream.ack)

            app.agent(topic, name="segments")(follow)
            await app.start()
            health.ready("start")
            try:
                await health.tick_until(stopping)
            finally:
                await stop(app, role.log)
