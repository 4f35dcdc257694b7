"""Known visitors, emission included: interactions a second through the resolver, against a pass-through of the same records.

The pass-through consumes, decodes, encodes and produces the same records in the same batches, by the same decoder and the same writer, and
does nothing else; three partitions are in flight in both. Both run in this process, in turn, three times.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import uvloop

from onefold.bootstrap import calm_garbage_collector
from onefold.messages.codec import skim
from onefold.messages.resolved import LineWriter
from onefold.messages.topics import INTERACTIONS_RESOLVED, partition_of
from onefold.topics.producer import IdempotentProducer
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.benchmarks.rig.resolving import produce, progress, resolve, timed
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.topics.consumer import PartitionFeed
    from tests.benchmarks.rig.resolving import Done
    from tests.support.installations import Installation

PARTITIONS, VISITORS, EVENTS, BATCH, REPETITIONS = 3, 3_000, 60_000, 500, 3
CONTACT = b"00000000-0000-5000-8000-000000000000"


async def main() -> int:
    """Make the visitors known, then measure in pairs."""
    calm_garbage_collector()
    async with bench_installation(partitions=PARTITIONS) as mine:
        async with mine.resolvers(1):
            for minutes in (0, 1):
                await produce(mine, visits(VISITORS, minutes=minutes))
                await mine.settled()
        pairs = []
        for _ in range(REPETITIONS):
            await produce(mine, visits(EVENTS, minutes=2))
            baseline = await _pass_through(mine)
            pairs.append((await resolve(mine, EVENTS), baseline))
    return report([figure("hot: known visitors, emission included", "interactions/s", pairs, at_least=0.5)])


def visits(count: int, *, minutes: int) -> list[Interaction]:
    """Events of visitors who are told by a token and an email."""
    return [
        event(f"anonymous_token:t{n % VISITORS}", f"email:p{n % VISITORS}@example.com", minutes=minutes, event_id=f"{minutes}-{n}")
        for n in range(count)
    ]


async def _pass_through(mine: Installation) -> float:
    """Records a second, without resolving."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        partitions = await producer.partitions(INTERACTIONS_RESOLVED)
        began = await progress(mine)

        async def work(feed: PartitionFeed, done: Done) -> None:
            await feed.start_at(began.get(feed.partition, 0), fresh=False)
            write = LineWriter(1, feed.partition, 1)
            while not feed.stopping.is_set():
                records = await feed.take(BATCH)
                lines: dict[int, list[tuple[bytes | None, bytes | None]]] = {}
                for record in records:
                    value = record.value or b""
                    message = skim(value)
                    line = write.seen(record.offset, record.timestamp_ms, CONTACT, 1, value)
                    lines.setdefault(partition_of(message.event_id.encode(), partitions), []).append((CONTACT, line))
                if lines:
                    await producer.send_batches(INTERACTIONS_RESOLVED, lines)
                    feed.done(records[-1].offset + 1, records[-1].timestamp_ms)
                    done(len(records))

        return await timed(mine, "pass-through", work, EVENTS)


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
