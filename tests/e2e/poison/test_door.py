"""Every poison at the collector's door: real HTTP, real Kafka, and what the resolver then makes of all that was taken (I1, I12)."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from onefold.messages.topics import DEAD_LETTER
from onefold.settings import CollectorSettings
from onefold.topics.tail import follow_topic
from tests.e2e.poison.cases import Person, call, named
from tests.e2e.poison.door_cases import CASES
from tests.e2e.poison.store import Stored, differences, expected, people
from tests.support.collectors import RunningCollector, collector_on
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.e2e.poison.cases import DoorCase
    from tests.support.servers import Database, Services

OPENING, CLOSING = b'{"batch":[', b"]}"


def who(number: int) -> str:
    return f"p{CASES[number].number}.{number}"


def title(number: int) -> str:
    return f"{who(number)} {CASES[number].kind}"


def neighbour(name: str) -> bytes:
    return named(call(type="track", event="Seen"), name)


@asynccontextmanager
async def running(
    services: Services, database: Database, prefix: str, redis_url: str
) -> AsyncIterator[tuple[Installation, RunningCollector]]:
    """A collector and what the resolver needs, on the same topics."""
    async with installation(services, database, prefix, redis_url, partitions=2) as mine:
        settings = mine.role.settings.model_copy(update={"collector": CollectorSettings(port=0)})
        async with collector_on(settings, mine.store) as collector:
            yield mine, collector


class Caller:
    """Somebody who sends."""

    def __init__(self, client: httpx.AsyncClient, collector: RunningCollector) -> None:
        self._client = client
        self._collector = collector

    async def send(self, body: bytes, case: DoorCase, *, path: str | None = None) -> tuple[int, Any]:
        """Status and answer."""
        key = self._collector.secret_key if case.secret else self._collector.public_key
        headers = [(name.encode(), value) for name, value in case.headers.items()]
        reply = await self._client.post(path or case.path, content=body, headers=headers, auth=(key, ""))
        return reply.status_code, reply.json()

    async def send_alone(self, number: int) -> str:
        """The call alone, in one word."""
        case = CASES[number]
        body = named(case.body, who(number))
        status, answer = await self.send(OPENING + body + CLOSING if case.path == "/v1/batch" and body else body, case)
        if status == 200:
            assert answer["success"] is True
            return f"200 {answer['rejected'][0]['code'] if 'rejected' in answer else 'taken'}"
        assert set(answer) == {"code", "message", "request_id"}
        return f"{status} {answer['code']}"

    async def send_between(self, number: int) -> str:
        """The call between two good neighbours, in one word."""
        case = CASES[number]
        before, after = neighbour(f"before-{number}"), neighbour(f"after-{number}")
        status, answer = await self.send(
            OPENING + b",".join((before, named(case.body, who(number)), after)) + CLOSING, case, path="/v1/batch"
        )
        if status != 200:
            return f"{status} {answer['code']}"
        refused = [f"{each['index']} {each['code']}" for each in answer.get("rejected", [])]
        return " ".join(("200", *refused))


def wanted_alone(case: DoorCase) -> str:
    return f"{200 if case.word == 'taken' else case.status} {case.word}"


def wanted_between(case: DoorCase) -> str:
    if case.within == "malformed":
        return "400 malformed_body"
    return "200" if case.word == "taken" else f"200 1 {case.word}"


@pytest.mark.asyncio
async def test_every_poison_at_the_door_ends_where_the_table_says(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I12, A6: alone and between neighbours; nothing that the door takes is poison to the resolver, and it is stored exactly."""
    numbers = range(len(CASES))
    batched = [number for number in numbers if CASES[number].within != "alone"]
    async with running(services, database, topic_prefix, redis_url) as (mine, collector):
        async with httpx.AsyncClient(base_url=collector.host, timeout=30) as client:
            caller = Caller(client, collector)
            alone = {title(number): await caller.send_alone(number) for number in numbers}
            between = {title(number): await caller.send_between(number) for number in batched}
        assert differences(alone, {title(number): wanted_alone(CASES[number]) for number in numbers}) == ""
        assert differences(between, {title(number): wanted_between(CASES[number]) for number in batched}) == ""
        async with mine.resolvers(1):
            await mine.settled()
        assert differences(await people(mine.store), dict(stored(batched))) == ""
        assert [each async for each in follow_topic(mine.role.kafka, DEAD_LETTER, from_start=True, to_end=True)] == []


def stored(batched: Iterable[int]) -> Iterable[tuple[frozenset[str], Stored]]:
    """Who must be there: whom the cases say, and the neighbours of each batch that could be cut."""
    for number, case in enumerate(CASES):
        yield from (expected(person, who(number)) for person in case.people)
    for number in batched:
        if CASES[number].within == "rejected":
            yield from (expected(Person(), f"{side}-{number}") for side in ("before", "after"))
