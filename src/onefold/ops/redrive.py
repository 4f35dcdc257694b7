"""Decide on dead letters: put them back where they lay (redrive), or leave them for good (drop).

A letter goes back onto its own topic and partition with its original key, bytes and headers, in the order of the dead-letter topic, which
is the order of its key. It is produced first and recorded then: whoever is killed in between produces it twice, and the same event
again changes nothing (R7). What is to be done is fixed when the job begins, up to the end of the topic at that time, so that a letter
that dies again is not taken in the same run. Called by the command line.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from onefold.errors import InvalidMessage
from onefold.failpoints import reach
from onefold.messages.dead_letters import redriven_headers
from onefold.messages.topics import DEAD_LETTER, MAX_DEAD_LETTER_BYTES, SPECS
from onefold.ops.dead_letters import Filters, Stretch, everything, letters_of, named
from onefold.records import jobs
from onefold.records.decisions import Verdict, record_decisions
from onefold.topics.producer import IdempotentProducer, Placed
from onefold.topics.ranges import reading

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from uuid import UUID

    from onefold.ops.dead_letters import Letter, LetterId
    from onefold.records.jobs import HeldJob, Job
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection

CHUNK: Final = 100
"""Letters that are produced and recorded together."""
SHOWN: Final = 20
_POLICIES: Final = {spec.name: spec.config["cleanup.policy"] for spec in SPECS if spec.name != DEAD_LETTER}


class Plan(msgspec.Struct, frozen=True):
    """What a redrive or a drop is to do; never changed once it began."""

    stretches: list[Stretch]
    filters: Filters
    """Which letters of the stretches are meant."""
    limit: int | None = None
    per_second: int | None = None


@dataclass(slots=True)
class Tally:
    """What a walk over the letters of a plan found."""

    letters: int = 0
    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By error code and origin topic."""
    kept: dict[str, str] = field(default_factory=dict)
    """Letters that cannot be redriven, with the reason; the first ones."""
    kept_count: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """What deciding on dead letters works with."""

    store: Store
    kafka: KafkaConnection
    actor: str
    worker: str


async def plan(
    desk: Desk, filters: Filters, letter_ids: Sequence[LetterId], *, limit: int | None = None, per_second: int | None = None
) -> Plan:
    """What would be done now: to the letters that are named, else to all that the filters admit. Raises LetterNotFound."""
    async with reading(desk.kafka, DEAD_LETTER) as reader:
        stretches = await named(reader, letter_ids) if letter_ids else await everything(reader, filters)
    return Plan(stretches, filters, limit, per_second)


async def look(desk: Desk, todo: Plan, *, redriving: bool) -> Tally:
    """What the plan comes to, without doing it."""
    tally, partitions = Tally(), None
    if redriving:
        async with _producer(desk) as producer:
            partitions = await _partitions(producer)
    async with aclosing(_meant(desk, todo, Mark())) as chunks:
        async for letters, _ in chunks:
            _sort(letters, partitions, tally, todo.limit)
            if tally.letters == todo.limit:
                break
    return tally


async def redrive(desk: Desk, todo: Plan, *, reason: str | None, begun: Callable[[Job], None]) -> HeldJob:
    """Redrive as a new job; gives it when it is done. Raises JobHeld where another redrive or drop is under way."""
    async with jobs.turn(desk.store, "redrive") as turn:
        async with desk.store.begin() as connection:
            job = await jobs.create(connection, "redrive", msgspec.to_builtins(todo), actor=desk.actor, reason=reason)
        begun(job)
        held = await turn.take(job.job_id, desk.worker)
        await _redrive(desk, held)
        return held


async def resume(desk: Desk, job_id: UUID) -> HeldJob:
    """Go on with a redrive that was interrupted. Raises JobNotFound, JobEnded, JobHeld."""
    async with jobs.turn(desk.store, "redrive") as turn:
        held = await turn.take(job_id, desk.worker)
        await _redrive(desk, held)
        return held


async def drop(desk: Desk, todo: Plan, *, reason: str) -> Tally:
    """Decide that these letters stay where they are and are open no more. Raises JobHeld while a redrive is under way."""
    tally = Tally()
    async with jobs.turn(desk.store, "redrive"), aclosing(_meant(desk, todo, Mark())) as chunks:
        async for letters, _ in chunks:
            verdicts = [Verdict(*letter.letter_id) for letter in _sort(letters, None, tally, todo.limit)]
            async with desk.store.begin() as connection:
                await record_decisions(connection, "dropped", verdicts, reason=reason, actor=desk.actor)
            if tally.letters == todo.limit:
                break
    return tally


@dataclass(slots=True)
class Mark:
    """How far a walk is: the next letter to look at is at `offset` of stretch number `stretch`."""

    stretch: int = 0
    offset: int = 0


async def _redrive(desk: Desk, held: HeldJob) -> None:
    todo = msgspec.convert(held.job.plan, Plan)
    done = held.progress
    tally = Tally(letters=done.get("redriven", 0), kept_count=done.get("kept", 0), kept=dict(done.get("kept_why", {})))
    mark = Mark(done.get("stretch", 0), done.get("offset", 0))
    async with _producer(desk) as producer, aclosing(_meant(desk, todo, mark)) as chunks:
        partitions = await _partitions(producer)
        async for letters, reached in chunks:
            if tally.letters == todo.limit:
                break
            going = _sort(letters, partitions, tally, todo.limit)
            verdicts = await _produce(producer, going)
            await reach("redrive.produced")
            done.update(redriven=tally.letters, kept=tally.kept_count, kept_why=tally.kept, stretch=reached.stretch, offset=reached.offset)
            async with desk.store.begin() as connection:
                await record_decisions(
                    connection, "redriven", verdicts, job_id=held.job.job_id, reason=held.job.reason, actor=held.job.actor
                )
                await held.save(connection)
            await asyncio.sleep(len(going) / todo.per_second if todo.per_second else 0)
    async with desk.store.begin() as connection:
        await held.finish(connection)


async def _meant(desk: Desk, todo: Plan, mark: Mark) -> AsyncGenerator[tuple[list[Letter], Mark], None]:
    """The open letters that the plan means, from a mark on, with the mark after each chunk. A chunk may be empty."""
    size = min(CHUNK, todo.per_second or CHUNK)
    async with reading(desk.kafka, DEAD_LETTER) as reader:
        for number, stretch in enumerate(todo.stretches):
            if number < mark.stretch:
                continue
            begin = max(stretch.first, mark.offset) if number == mark.stretch else stretch.first
            async with aclosing(letters_of(desk.store, reader, stretch._replace(first=begin), size)) as chunks:
                async for chunk in chunks:
                    after = Mark(number, chunk[-1].letter_id.offset + 1)
                    yield [letter for letter in chunk if letter.decision is None and todo.filters.admit(letter)], after


def _sort(letters: Sequence[Letter], partitions: dict[str, int] | None, tally: Tally, limit: int | None) -> list[Letter]:
    """Those that go; counts them, and what stays. Without `partitions` all may go."""
    going = []
    for letter in letters:
        if tally.letters == limit:
            break
        obstacle = _obstacle(letter, partitions) if partitions is not None else None
        if obstacle is None:
            going.append(letter)
            tally.letters += 1
            tally.by_kind[letter.error_code, letter.origin_topic] += 1
            continue
        tally.kept_count += 1
        if len(tally.kept) < SHOWN:
            tally.kept[str(letter.letter_id)] = obstacle
    return going


def _obstacle(letter: Letter, partitions: dict[str, int]) -> str | None:
    """Why a letter cannot go back, or None."""
    topic, death = letter.origin_topic, letter.death
    if topic not in _POLICIES:
        return f"its topic, {topic}, is none that Onefold reads: have its producer send it again, or drop it"
    if _POLICIES[topic] == "compact":
        return (
            f"{topic} keeps the last snapshot of each contact, and an old one put behind newer ones would become it:"
            " drop it, and run `onefold segments fill SLUG`, which reads the contacts themselves"
        )
    if death is None:
        return "its headers do not say where it lay: have its producer send it again, or drop it"
    if not 0 <= death.origin_partition < partitions[topic]:
        return f"{topic} has no partition {death.origin_partition} any more: have its producer send it again, or drop it"
    return None


async def _produce(producer: IdempotentProducer, letters: Sequence[Letter]) -> list[Verdict]:
    """Put letters back, in their order, and wait for all acknowledgements."""
    try:
        return [verdict for topic, group in _by_topic(letters) for verdict in await _send(producer, topic, group)]
    except InvalidMessage as error:
        if len(letters) == 1:
            letter = letters[0].letter_id
            raise InvalidMessage(
                f"letter {letter} cannot go back: {error}. Drop it (`onefold dead-letters drop {letter} --reason … --execute`) and resume",
                code=error.code,
            ) from error
    return [verdict for letter in letters for verdict in await _produce(producer, [letter])]


async def _send(producer: IdempotentProducer, topic: str, letters: Sequence[Letter]) -> list[Verdict]:
    records = [
        Placed(
            letter.death.origin_partition,
            letter.record.key,
            letter.record.value,
            redriven_headers(letter.record.headers, str(letter.letter_id)),
        )
        for letter in letters
        if letter.death is not None
    ]
    written = await producer.send_placed(topic, records)
    return [Verdict(*letter.letter_id, topic, where.partition, where.offset) for letter, where in zip(letters, written, strict=True)]


def _by_topic(letters: Sequence[Letter]) -> list[tuple[str, list[Letter]]]:
    topics = dict.fromkeys(letter.origin_topic for letter in letters)
    return [(topic, [letter for letter in letters if letter.origin_topic == topic]) for topic in topics]


async def _partitions(producer: IdempotentProducer) -> dict[str, int]:
    return {topic: await producer.partitions(topic) for topic in _POLICIES}


@asynccontextmanager
async def _producer(desk: Desk) -> AsyncIterator[IdempotentProducer]:
    """A producer for whatever a topic took once: compressed, as it may have been."""
    async with IdempotentProducer(desk.kafka, max_message_bytes=10 * MAX_DEAD_LETTER_BYTES, compression="gzip") as producer:
        yield producer
