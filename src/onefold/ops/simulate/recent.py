"""What other rules would have made of the latest interactions of a workspace, as they lie on the log. Both runs begin from nothing.

With the stored contacts these interactions would change nothing: resolvers decided on them already. Called by `onefold rules set`.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from msgspec import Struct

from onefold.messages.topics import INTERACTIONS
from onefold.ops.simulate.report import contacts_shown, difference_of
from onefold.ops.simulate.run import CHUNK, Run, from_empty, same_everywhere
from onefold.ops.simulate.shapes import Difference
from onefold.topics.ranges import Span, reading

if TYPE_CHECKING:
    from onefold.identity.rules_document import Document
    from onefold.topics.client import KafkaConnection


class Trial(Struct):
    """The latest interactions under the present rules and under others."""

    events: int
    """Interactions that were decided on, at most as many as were asked for."""
    looked_at: int
    """Records that were read to find them: of each partition the latest, whosever they are."""
    unreadable: int
    """Of the workspace's, those that are no interactions."""
    contacts: tuple[int, int]
    """That the two runs end with."""
    diff: Difference


async def tried(kafka: KafkaConnection, workspace: str, most: int, present: Document, other: Document) -> Trial:
    """What `other` would have made of the latest `most` interactions, against `present`. Raises LogUnavailable."""
    latest, looked_at = await _latest(kafka, workspace, most)
    runs = [Run(same_everywhere(each)) for each in (present, other)]
    bad = from_empty(enumerate(latest, start=1), runs)
    before, after = (len(contacts_shown(each.world)) for each in runs)
    return Trial(len(runs[1].outcomes), looked_at, len(bad), (before, after), difference_of(runs[0], runs[1]))


async def _latest(kafka: KafkaConnection, workspace: str, most: int) -> tuple[list[bytes], int]:
    """The values of a workspace's latest records, in the order of their append, and how many records were read."""
    mine, looked_at = f"{workspace}:".encode(), 0
    newest: list[tuple[int, int, int, bytes]] = []
    async with reading(kafka, INTERACTIONS) as reader:
        for partition, held in (await reader.held()).items():
            async for records in reader.read(partition, Span(max(held.first, held.end - most), held.end), CHUNK):
                looked_at += len(records)
                for each in records:
                    if each.key is not None and each.key.startswith(mine) and each.value is not None:
                        item = (each.timestamp_ms, each.partition, each.offset, each.value)
                        heappush(newest, item)
                        if len(newest) > most:
                            heappop(newest)
    return [value for *_, value in sorted(newest)], looked_at
