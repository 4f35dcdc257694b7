"""Erase again whom a restored store brought back: what the tombstones on `contacts.changed` say of those who were erased since the dump.

A tombstone names the id and, as keyed hashes, up to when events of the person's identifiers come to nothing: so neither whoever is in the
dump is left, nor can a replay make anew who came and went after it (S108, decision 0045). Of everybody else whom the former life told of
since, followers are told again. Called by `onefold erasures reapply`, while no role runs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from onefold.contacts import acting
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.contacts.unmerge import unmerge
from onefold.errors import ContactErased, MergeNotFound, Refused, StoreUnavailable
from onefold.messages import tombstones
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS
from onefold.records import barred, erased, replays, retelling
from onefold.records.shards import shard_count
from onefold.records.store import RACES, Moved
from onefold.records.trees import load_tree, root_of
from onefold.topics.admin import list_topics
from onefold.topics.ends import end_offsets
from onefold.topics.ranges import Span, reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onefold.messages.tombstones import Bar, Tombstone
    from onefold.records.store import Connection, Store
    from onefold.topics.client import KafkaConnection
    from onefold.topics.consumer import Record

RESTORER: Final = User("onefold", "erased before, and brought back by a restore", kind="job")
"""Whom the log names."""
MARGIN: Final = timedelta(hours=1)
"""That the clocks of Postgres and Kafka may be apart."""
_READ: Final = 1_000
_BARRED_AT_ONCE: Final = 5_000
_TOLD_AT_ONCE: Final = 500
_ATTEMPTS: Final = 9
_KAFKAS_DAY_MS: Final = 86_400_000
"""For how long Kafka keeps tombstones where a topic does not say."""


class _Change(msgspec.Struct):
    workspace: str


_decode = msgspec.json.Decoder(_Change).decode


@dataclass(slots=True)
class Told:
    """What the topic says."""

    since: datetime | None
    """What is older was not read; None: all was."""
    contacts: dict[UUID, Tombstone] = field(default_factory=dict)
    changed: dict[UUID, str] = field(default_factory=dict)
    """Who else was told of, and of which workspace."""
    silent: int = 0
    """Tombstones of an earlier release, which do not say what was erased."""

    def by_workspace(self) -> dict[str, dict[UUID, Tombstone]]:
        """The same, workspace by workspace."""
        found: dict[str, dict[UUID, Tombstone]] = {}
        for contact_id, each in self.contacts.items():
            found.setdefault(each.workspace, {})[contact_id] = each
        return found


@dataclass(slots=True)
class Again:
    """What was erased again, or would be."""

    contacts: list[UUID] = field(default_factory=list)
    beside: list[UUID] = field(default_factory=list)
    """Of these, whom no tombstone names: they had been merged into an erased person before the dump, and nothing says how to part them."""


async def read_since(kafka: KafkaConnection, since: datetime | None) -> Told:
    """Who was erased or told of since then, with an hour to spare. Raises LogUnavailable, InvalidMessage.

    None: who was ever erased, as far as the topic tells; who was told of would be everybody, and is left out.
    """
    told = Told(since)
    async with reading(kafka, CONTACTS_CHANGED) as reader:
        held = await reader.held()
        firsts = await reader.offsets_at(since - MARGIN, held) if since is not None else {}
        for partition, span in held.items():
            first = firsts.get(partition, span.first)
            if first is None or first >= span.end:
                continue
            async for records in reader.read(partition, Span(first, span.end), _READ):
                for record in records:
                    _note(record, told)
    return told


def _note(record: Record, told: Told) -> None:
    if record.key is None:
        return
    try:
        contact_id = UUID(record.key.decode())
        if record.value is not None:
            if told.since is not None:
                told.changed[contact_id] = _decode(record.value).workspace
            return
    except (ValueError, msgspec.MsgspecError):
        return  # none of ours, as `onefold check` tells
    told.changed.pop(contact_id, None)
    found = tombstones.read(record.headers)
    if found is None:
        told.silent += 1
    else:
        told.contacts[contact_id] = found


async def refuse_incomplete(store: Store, kafka: KafkaConnection, since: datetime | None) -> None:
    """Refused where the topic cannot tell of all who were erased since the dump: it is another log's, or the dump is too old."""
    ends = await end_offsets(kafka, INTERACTIONS)
    ahead = [partition for partition, offset in (await replays.decided(store, INTERACTIONS)).items() if offset > ends.get(partition, 0)]
    if ahead:
        raise Refused(f"the store has passed the end of interactions in partitions {ahead}: this is not the log that it lived with")
    topic = next(each for each in await list_topics(kafka) if each.topic == CONTACTS_CHANGED)
    kept = timedelta(milliseconds=int(topic.config.get("delete.retention.ms", _KAFKAS_DAY_MS)))
    if since is not None and datetime.now(UTC) - since > kept:
        raise Refused(
            f"the dump was last worked on {since:%Y-%m-%d %H:%M:%SZ}, and {topic.name} keeps tombstones for {kept.days} days only: "
            "whoever was erased first after it may be missing. Restore a younger one, or erase them by a list of your own"
        )


async def found_again(store: Store, told: Told) -> Again:
    """Who would be erased again, so far as tombstones name them."""
    again = Again()
    for workspace, theirs in told.by_workspace().items():
        async with store.transaction([workspace]) as connection:
            again.contacts += await erased.not_erased(connection, workspace, list(theirs))
    return Again(sorted(again.contacts))


async def erase_again(store: Store, told: Told) -> Again:
    """Bar what was barred and erase who is there, each in a transaction of its own. Safe to repeat; raises StoreUnavailable.

    Interactions of theirs are purged afterwards, as of everybody who is erased.
    """
    again, shards = Again(), await shard_count(store)
    for workspace, theirs in told.by_workspace().items():
        await _bar(store, workspace, [each for one in theirs.values() for each in one.bars])
        async with store.transaction([workspace]) as connection:
            waiting = await erased.not_erased(connection, workspace, list(theirs))
        for contact_id in waiting:
            for each in await _attempt(store, workspace, contact_id, theirs, shards):
                (again.contacts if each in theirs else again.beside).append(each)
    return Again(sorted(again.contacts), sorted(again.beside))


async def tell_again(store: Store, told: Told) -> None:
    """Tell followers what those are now of whom the former life told since the dump, erased people aside. Safe to repeat."""
    shards, by_workspace = await shard_count(store), dict[str, list[UUID]]()
    for contact_id, workspace in told.changed.items():
        by_workspace.setdefault(workspace, []).append(contact_id)
    for workspace, ids in by_workspace.items():
        for start in range(0, len(ids), _TOLD_AT_ONCE):
            async with store.transaction([workspace]) as connection:
                act = await acting.begin(connection, RESTORER)
                await retelling.tell_again(connection, workspace, ids[start : start + _TOLD_AT_ONCE], act, shards)


async def _bar(store: Store, workspace: str, bars: Sequence[Bar]) -> None:
    for start in range(0, len(bars), _BARRED_AT_ONCE):
        async with store.transaction([workspace]) as connection:
            await barred.bar(connection, workspace, bars[start : start + _BARRED_AT_ONCE])


async def _attempt(store: Store, workspace: str, contact_id: UUID, theirs: Mapping[UUID, Tombstone], shards: int) -> Iterable[UUID]:
    for _ in range(_ATTEMPTS):
        with suppress(Moved, *RACES):
            async with store.transaction([workspace]) as connection:
                return await _erase(connection, workspace, contact_id, theirs, shards)
    raise StoreUnavailable(f"erasing contact {contact_id} again keeps losing races: does a role run already?")


async def _erase(connection: Connection, workspace: str, contact_id: UUID, theirs: Mapping[UUID, Tombstone], shards: int) -> Iterable[UUID]:
    """Erase one as of when they were; gives every id that went with it. Nobody, where an id before took it along."""
    try:
        await _take_apart(connection, workspace, contact_id, theirs, shards)
        erasing = await erase(connection, workspace, contact_id, RESTORER, shards=shards, again_as_of=theirs[contact_id].at)
    except ContactErased:
        return ()
    (erasure,) = erasing.plan.erasures
    # Behind those that were just written, which know only what the dump held: a younger dump than this one may be restored some day.
    await erased.put_tombstones(connection, {each: theirs[each] for each in erasure.contacts if each in theirs}, shards)
    return erasure.contacts


async def _take_apart(connection: Connection, workspace: str, named: UUID, theirs: Mapping[UUID, Tombstone], shards: int) -> None:
    """Undo merges between who was erased and who was not: they had been undone by then, since erasing takes all that were ever merged."""
    while True:
        root = await root_of(connection, workspace, named)
        if root is None:
            return
        tree = await load_tree(connection, workspace, root)
        mixed = [each.contact_id for each in tree.absorbed.values() if (each.contact_id in theirs) != (each.merged_into in theirs)]
        if not mixed:
            return
        try:
            await unmerge(connection, workspace, mixed[0], RESTORER, shards=shards)
        except MergeNotFound:
            return
