"""A partition is worked on by one member, from where our own progress says, and never past what is missing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import structlog
from aiokafka import AIOKafkaProducer

from onefold.errors import Fenced
from onefold.messages.topics import INTERACTIONS
from onefold.topics import consumer as consuming
from onefold.topics.consumer import PartitionedConsumer, PartitionFeed, Record
from onefold.topics.producer import IdempotentProducer
from onefold.topics.transactions import TransactionalProducer
from tests.integration.topics.raw import produce_with_header
from tests.support.retention import delete_before

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from onefold.topics.client import KafkaConnection

    Work = Callable[[PartitionFeed], Awaitable[None]]


class Progress:
    """What Postgres is to the resolver: where to go on, and how often a partition was claimed."""

    def __init__(self) -> None:
        self.next_offset: dict[int, int] = {}
        self.epochs: dict[int, int] = defaultdict(int)
        self.taken: list[Record] = []
        self.working: dict[int, str] = {}
        self.clashes: list[str] = []

    def work(self, member: str, *, seconds: float = 0.0) -> Work:
        """What a member does with a partition: take batches, each for `seconds`, until it is told to stop."""

        async def follow(feed: PartitionFeed) -> None:
            self.epochs[feed.partition] += 1
            offset = await feed.start_at(self.next_offset.get(feed.partition, 0), fresh=self.epochs[feed.partition] == 1)
            while not feed.stopping.is_set():
                records = await feed.take(50)
                if not records:
                    continue
                if self.working.setdefault(feed.partition, member) != member:
                    self.clashes.append(f"{member} and {self.working[feed.partition]} on {feed.partition}")
                await asyncio.sleep(seconds)
                assert records[0].offset >= offset
                self.taken += records
                offset = self.next_offset[feed.partition] = records[-1].offset + 1
                feed.done(offset, records[-1].timestamp_ms)
                self.working.pop(feed.partition, None)

        return follow

    async def has(self, count: int, timeout_seconds: float = 30.0) -> None:
        """Wait until that many records were taken."""
        async with asyncio.timeout(timeout_seconds):
            while len(self.taken) < count:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def member(topics: KafkaConnection, work: Work) -> AsyncIterator[PartitionedConsumer]:
    consumer = PartitionedConsumer(
        connection=topics,
        topic=topics.topic(INTERACTIONS),
        group=topics.topic("group"),
        work=work,
        log=structlog.get_logger(),
        session_timeout_ms=6_000,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


async def fill(topics: KafkaConnection, count: int, *, begin: int = 0) -> None:
    """`count` records on each of three partitions, numbered."""
    async with IdempotentProducer(topics) as producer:
        rows = [(b"k", b"%d" % number) for number in range(begin, begin + count)]
        await producer.send_batches(INTERACTIONS, dict.fromkeys(range(3), rows))


def by_partition(records: list[Record]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for record in records:
        found[record.partition].append(int(record.value or b"-1"))
    return found


@pytest.mark.asyncio
async def test_every_record_is_taken_in_order_and_going_on_begins_where_progress_says(topics: KafkaConnection) -> None:
    """A2: Postgres tells the place, whatever Kafka remembers."""
    await fill(topics, 300)
    progress = Progress()
    async with member(topics, progress.work("a")):
        await progress.has(900)
    assert by_partition(progress.taken) == {partition: list(range(300)) for partition in range(3)}
    assert {record.topic for record in progress.taken} == {topics.topic(INTERACTIONS)}
    progress.taken.clear()
    progress.next_offset = {0: 290, 1: 300, 2: 0}
    async with member(topics, progress.work("b")) as consumer:
        await progress.has(310)
        assert {feed.lag_records for feed in consumer.feeds.values()} == {0}
    assert by_partition(progress.taken) == {0: list(range(290, 300)), 2: list(range(300))}


@pytest.mark.asyncio
async def test_members_share_partitions_and_hand_them_over_between_batches(topics: KafkaConnection) -> None:
    """F38: whoever leaves or gives up a partition finishes what it has in flight first."""
    progress = Progress()
    async with member(topics, progress.work("a", seconds=0.05)) as first:
        for turn in range(3):
            await fill(topics, 100, begin=turn * 200)
            async with member(topics, progress.work(f"b{turn}", seconds=0.05)) as second:
                async with asyncio.timeout(30):
                    while not (first.feeds and second.feeds):
                        await asyncio.sleep(0.02)
                assert len(first.feeds) + len(second.feeds) <= 3
                await fill(topics, 100, begin=turn * 200 + 100)
                await progress.has((turn + 1) * 600)
    assert progress.clashes == []
    assert by_partition(progress.taken) == {partition: list(range(600)) for partition in range(3)}


@pytest.mark.asyncio
async def test_a_partition_whose_place_is_gone_stops_and_the_others_go_on(topics: KafkaConnection) -> None:
    """F39 and F40: retention passed it, or the log went backwards. It never jumps."""
    await fill(topics, 100)
    await delete_before(topics, INTERACTIONS, {0: 50})
    progress = Progress()
    progress.next_offset, progress.epochs = {0: 20, 1: 101, 2: 99}, defaultdict(lambda: 5)
    async with member(topics, progress.work("a")) as consumer:
        await progress.has(1)
        async with asyncio.timeout(10):
            while not (consumer.feeds[0].blocked and consumer.feeds[1].blocked):
                await asyncio.sleep(0.02)
        assert "holds 50 to 100" in str(consumer.feeds[0].blocked)
        assert "offset 101" in str(consumer.feeds[1].blocked)
        assert consumer.feeds[2].blocked is None
        await fill(topics, 5, begin=100)
        await progress.has(6)
    assert by_partition(progress.taken) == {2: [99, 100, 101, 102, 103, 104]}


@pytest.mark.asyncio
async def test_a_partition_without_progress_begins_where_the_log_begins(topics: KafkaConnection) -> None:
    await fill(topics, 100)
    await delete_before(topics, INTERACTIONS, {0: 50})
    progress = Progress()
    async with member(topics, progress.work("a")):
        await progress.has(250)
    assert by_partition(progress.taken) == {0: list(range(50, 100)), 1: list(range(100)), 2: list(range(100))}


@pytest.mark.asyncio
async def test_what_work_raises_is_not_swallowed_and_harms_no_other_partition(topics: KafkaConnection) -> None:
    """The library swallows what a listener raises: here the partition is claimed anew."""
    await fill(topics, 50)
    progress = Progress()
    failures = iter([RuntimeError("a bug"), Fenced("a newer owner")])
    calm = progress.work("a")

    async def work(feed: PartitionFeed) -> None:
        if feed.partition == 0 and (failure := next(failures, None)) is not None:
            raise failure
        await calm(feed)

    async with member(topics, work):
        await progress.has(150)
    assert by_partition(progress.taken) == {partition: list(range(50)) for partition in range(3)}


@pytest.mark.asyncio
async def test_a_member_that_has_nothing_to_do_stays_in_its_group(topics: KafkaConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library leaves the group when nobody polls: a spare would be gone when it is needed."""
    monkeypatch.setattr(consuming, "LONGEST_IDLE_MS", 2_000)
    await fill(topics, 10)
    progress = Progress()
    async with AsyncExitStack() as stack:
        members = [await stack.enter_async_context(member(topics, progress.work(str(number)))) for number in range(4)]
        async with asyncio.timeout(30):
            while sorted(len(each.feeds) for each in members) != [0, 1, 1, 1]:
                await asyncio.sleep(0.1)
        (spare,) = [each for each in members if not each.feeds]
        # As one that never had a partition: a poll that was cancelled counts as one under way for ever.
        spare.kafka._subscription._fetch_count = 0
        await asyncio.sleep(4)
        assert spare.kafka._coordinator.generation > 0
        await next(each for each in members if each.feeds).stop()
        async with asyncio.timeout(30):
            while not spare.feeds:
                await asyncio.sleep(0.1)
    assert progress.clashes == []


@pytest.mark.asyncio
@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_records_are_read_however_they_are_compressed(topics: KafkaConnection, compression: str) -> None:
    """Servers that produce to the topic use what their client does by default."""
    producer = AIOKafkaProducer(bootstrap_servers=topics.servers, compression_type=compression)
    await producer.start()
    for number in range(20):
        await producer.send(topics.topic(INTERACTIONS), value=b"%d" % number, key=b"k", partition=0)
    await producer.stop()
    progress = Progress()
    async with member(topics, progress.work("a")):
        await progress.has(20)
    assert by_partition(progress.taken) == {0: list(range(20))}


@pytest.mark.asyncio
async def test_what_was_never_committed_is_never_taken(topics: KafkaConnection) -> None:
    """F44: aborted transactions and their markers leave gaps between offsets, which are not assumed dense."""
    producer = TransactionalProducer(topics, topics.topic("foreign"))
    for turn in range(3):
        await producer.open()
        with pytest.raises(KeyError):
            async with producer.transaction() as transaction:
                await transaction.send_batches(INTERACTIONS, {0: [(b"k", b"-7")] * 10})
                raise KeyError
        await producer.open()
        async with producer.transaction() as transaction:
            await transaction.send_batches(INTERACTIONS, {0: [(b"k", b"%d" % turn)]})
    await producer.close()
    progress = Progress()
    async with member(topics, progress.work("a")):
        await progress.has(3)
        await asyncio.sleep(0.5)
    assert by_partition(progress.taken) == {0: [0, 1, 2]}
    assert progress.next_offset[0] > 30


@pytest.mark.asyncio
async def test_a_header_that_the_client_cannot_read_stops_its_partition_and_the_others_go_on(topics: KafkaConnection) -> None:
    """Poison 26: aiokafka gives up on a header name that is no UTF-8; no neighbour is skipped, and a person is told why."""
    await fill(topics, 10)
    progress = Progress()
    async with member(topics, progress.work("a")) as consumer:
        await progress.has(30)
        await produce_with_header(topics, INTERACTIONS, b"\xff\xfe", b"10")
        await fill(topics, 5, begin=11)
        await progress.has(40)
        async with asyncio.timeout(30):
            while not consumer.feeds[0].blocked:
                await asyncio.sleep(0.02)
        assert "codec can't decode" in consumer.feeds[0].blocked
        assert consumer.feeds[0].done_offset == 10
        assert {partition: numbers[10:] for partition, numbers in by_partition(progress.taken).items() if partition} == {
            partition: list(range(11, 16)) for partition in (1, 2)
        }
