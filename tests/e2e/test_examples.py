"""The example of each message, replayed: what goes in is resolved, and what comes out has the shape that the schemas promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from onefold.messages.codec import decode, key_of
from onefold.messages.contacts import ContactChange
from onefold.messages.dead_letters import split
from onefold.messages.examples import example
from onefold.messages.resolved import ResolvedInteraction
from onefold.messages.segments import SegmentMembership
from onefold.messages.topics import (
    CONTACTS_CHANGED,
    DEAD_LETTER,
    INTERACTIONS,
    INTERACTIONS_RESOLVED,
    SEGMENTS_MEMBERSHIP,
    SPECS,
)
from onefold.observe import Metrics, SegmentsMetrics
from onefold.topics.tail import follow_topic
from onefold.workspace import segments
from streams.app import Message
from streams.segments import Membership
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

SCHEMAS = Path(__file__).parents[2] / "docs/reference/messages"


def assert_valid(topic: str, message: Any) -> None:
    schema = json.loads((SCHEMAS / f"{topic}.v1.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(message)


def test_every_topic_has_an_example() -> None:
    assert [spec.name for spec in SPECS if not example(spec.name)] == []


@pytest.mark.asyncio
async def test_the_example_of_an_interaction_becomes_a_contact_a_change_a_line_and_a_membership(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    raw = example(INTERACTIONS)
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            await segments.create(connection, "acme", "all", "All", {"field": "type", "operator": "is_not_null"})
        await mine.produce_raw([(key_of(raw), raw)])
        async with mine.resolvers(1):
            await mine.settled()
        (line,) = [record.value async for record in follow_topic(mine.role.kafka, INTERACTIONS_RESOLVED, from_start=True, to_end=True)]
        assert_valid(INTERACTIONS_RESOLVED, json.loads(line or b""))
        assert decode(line, ResolvedInteraction).outcome == "created"
        (change,) = await _outbox(mine, CONTACTS_CHANGED)
        assert_valid(CONTACTS_CHANGED, json.loads(change))
        assert decode(change, ContactChange).contact is not None
        await Membership(mine.store, SegmentsMetrics(Metrics()), mine.role.log).settle([Message(0, b"", change)])
        (membership,) = await _outbox(mine, SEGMENTS_MEMBERSHIP)
        assert_valid(SEGMENTS_MEMBERSHIP, json.loads(membership))
        assert decode(membership, SegmentMembership).transition == "entered"


@pytest.mark.asyncio
async def test_the_examples_of_changes_and_memberships_replay_into_segments(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            await segments.create(connection, "acme", "all", "All", {"field": "type", "operator": "is_not_null"})
        change = example(CONTACTS_CHANGED)
        for _ in range(2):
            await Membership(mine.store, SegmentsMetrics(Metrics()), mine.role.log).settle([Message(0, b"", change)])
        (membership,) = await _outbox(mine, SEGMENTS_MEMBERSHIP)
        assert decode(membership, SegmentMembership).contact_id == decode(change, ContactChange).contact_id
        assert decode(example(SEGMENTS_MEMBERSHIP), SegmentMembership).transition in {"entered", "left"}


def test_the_example_of_a_dead_letter_says_where_it_lay_and_why_it_died() -> None:
    """I13."""
    record = json.loads(example(DEAD_LETTER))
    letter, original = split([(name, value.encode()) for name, value in record["headers"].items()])
    assert letter is not None
    assert original == ()
    assert (letter.origin_topic, letter.origin_partition, letter.origin_offset, letter.error_code) == ("interactions", 3, 41, "truncated")


async def _outbox(mine: Installation, topic: str) -> list[bytes]:
    async with mine.store.begin() as connection:
        rows = await connection.fetch("delete from outbox where topic = $1 returning payload", topic)
    return [row["payload"] for row in rows]
