"""Decide on interactions that a limit parked: let them go (release), or leave them for good (drop).

What is released goes onto the log once more, at the end of its partition, with its own key and event time, under a header that says so: it
is decided again by the rules of then, and what is counted over time does not hold it back again. What still does not fit is parked anew. It
is produced first and recorded then: whoever is killed in between produces it twice, and the same event again changes nothing (R7). Called
by the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onefold.failpoints import reach
from onefold.messages.codec import key_of
from onefold.messages.interactions import RELEASED
from onefold.messages.reading import with_event_time
from onefold.messages.topics import INTERACTIONS
from onefold.records import parked as records
from onefold.topics.producer import Placed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from onefold.records.parked import Meant, ParkedEvent
    from onefold.records.store import Connection, Store
    from onefold.topics.producer import IdempotentProducer

CHUNK: Final = 100
"""Interactions that are decided on in one transaction."""


async def release(
    store: Store, producer: IdempotentProducer, meant: Meant, *, most: int | None = None, actor: str, reason: str | None
) -> int:
    """Put open ones back onto the log, the oldest first; gives how many. Two at once share the work. Raises LogUnavailable."""
    partitions = await producer.partitions(INTERACTIONS)

    async def let_go(connection: Connection, events: Sequence[ParkedEvent]) -> None:
        await producer.send_placed(INTERACTIONS, [_again(each, partitions) for each in events])
        await reach("parked.produced")
        await records.decide_on(connection, events, "released", actor=actor, reason=reason)

    return await _by_chunks(store, meant, most, let_go)


async def drop(store: Store, meant: Meant, *, most: int | None = None, actor: str, reason: str) -> int:
    """Decide that open ones stay as they are; gives how many."""

    async def leave(connection: Connection, events: Sequence[ParkedEvent]) -> None:
        await records.decide_on(connection, events, "dropped", actor=actor, reason=reason)

    return await _by_chunks(store, meant, most, leave)


async def _by_chunks(
    store: Store, meant: Meant, most: int | None, work: Callable[[Connection, Sequence[ParkedEvent]], Awaitable[None]]
) -> int:
    """Work on those that are open now, a chunk a transaction."""
    async with store.transaction([meant.workspace]) as connection:
        meant = await records.as_of_now(connection, meant)
    done, size = 0, CHUNK
    while meant.until is not None and size == CHUNK:
        wanted = CHUNK if most is None else min(CHUNK, most - done)
        async with store.transaction([meant.workspace]) as connection:
            events = await records.take(connection, meant, wanted)
            if events:
                await work(connection, events)
        size = len(events)
        done += size
    return done


def _again(event: ParkedEvent, partitions: int) -> Placed:
    """The record to append: on the partition where it lay, as long as the topic has that."""
    message = event.message or b""
    headers = ((RELEASED, str(event.parked_id).encode()),)
    return Placed(event.partition % partitions, key_of(message), with_event_time(message, event.appended_at), headers)
