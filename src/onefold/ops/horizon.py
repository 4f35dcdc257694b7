"""Up to when resolvers have decided on what came: whoever was not seen until then was not there.

A partition that is decided on to its end holds nothing back; one that lags does, by the record that is next. Called by the sweep of ghosts.
"""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from onefold.messages.times import from_milliseconds
from onefold.messages.topics import INTERACTIONS
from onefold.records.ghosts import decided_up_to
from onefold.topics.ranges import Span, reading

if TYPE_CHECKING:
    from onefold.records.store import Store
    from onefold.topics.client import KafkaConnection

CONSUMER: Final = "resolver"


async def decided_until(kafka: KafkaConnection, store: Store) -> datetime:
    """The append time of the oldest interaction that waits, or now. Raises LogUnavailable, StoreUnavailable."""
    now = datetime.now(UTC)
    async with reading(kafka, INTERACTIONS) as reader:
        held = await reader.held()
        async with store.connection() as connection:
            decided = await decided_up_to(connection, CONSUMER, INTERACTIONS)
        for partition, span in held.items():
            position = max(decided.get(partition, span.first), span.first)
            if position < span.end:
                async with aclosing(reader.read(partition, Span(position, span.end), 1)) as chunks:
                    async for first, *_ in chunks:
                        now = min(now, from_milliseconds(first.timestamp_ms))
                        break
    return now
