"""The substrate of the cold path: the rows of new people, put into Postgres by the same statements, with nothing decided.

What a plan writes is recorded beforehand, statement by statement with its arguments; only sending it is timed. As many transactions are
in flight as partitions are.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from onefold.identity.contact import TenureId
from onefold.identity.decide import decide
from onefold.identity.rules import Rules
from onefold.identity.snapshot import Snapshot
from onefold.records.apply import apply
from onefold.records.progress import ADVANCE
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.identity.interaction import Interaction
    from tests.support.installations import Installation

    Statements = list[tuple[str, tuple[Any, ...]]]

BATCH, IN_FLIGHT = 500, 3
RULES = {"acme": Rules()}
_numbers = (TenureId(number) for number in count(200_000_000_000))
_people = count()


def new_people(number: int) -> list[Interaction]:
    """Events, each of a person whom nobody has seen, with a token and an email."""
    return [event(f"anonymous_token:new{n}", f"email:new{n}@example.com", event_id=f"new{n}") for n in _take(number)]


def _take(number: int) -> Iterator[int]:
    return (next(_people) for _ in range(number))


class Recorder:
    """Takes statements in place of a connection."""

    def __init__(self) -> None:
        self.statements: Statements = []

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Keep it."""
        self.statements.append((statement, arguments))


async def insert_people(mine: Installation, number: int) -> float:
    """People a second by raw insertion: contact, two tenures with evidence, outbox row, progress."""
    batches: list[Statements] = []
    for _ in range(number // BATCH):
        recorder = Recorder()
        await apply(recorder, decide(Snapshot(), new_people(BATCH), RULES, _numbers), shards=4, incarnation="raw")  # type: ignore[arg-type]
        batches.append(recorder.statements)
    began = time.perf_counter()
    await asyncio.gather(*(_insert(mine, batches[first::IN_FLIGHT]) for first in range(IN_FLIGHT)))
    return number // BATCH * BATCH / (time.perf_counter() - began)


async def _insert(mine: Installation, batches: list[Statements]) -> None:
    for statements in batches:
        async with mine.store.transaction(["acme"]) as connection:
            for statement, arguments in statements:
                await connection.execute(statement, *arguments)
            await connection.execute(ADVANCE, "raw", "interactions", 0, 1, 1)
