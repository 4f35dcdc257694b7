"""The collector on a real broker: what lies on the topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold.messages.codec import decode, key_of
from onefold.messages.interactions import InteractionMessage
from onefold.messages.topics import INTERACTIONS
from onefold.topics.tail import follow_topic
from tests.support.collectors import running_collector

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

EVENT = {"anonymousId": "a", "event": "x", "type": "track", "messageId": "m1"}


@pytest.mark.asyncio
async def test_what_is_answered_200_lies_on_the_topic_under_its_key(database: Database, services: Services, topic_prefix: str) -> None:
    """I1; product.md section 5: the key is `workspace:anonymous token`, and readers take the record as it is."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, httpx.AsyncClient() as client:
        for key, user in ((collector.public_key, 7), (collector.secret_key, "u2")):
            events = [{**EVENT, "userId": user, "messageId": f"{user}-{n}", "anonymousId": f"visitor {n}"} for n in range(50)]
            answer = await client.post(f"{collector.host}/v1/batch", json={"batch": events}, auth=(key, ""))
            assert (answer.status_code, answer.json()) == (200, {"success": True})
        records = [record async for record in follow_topic(collector.role.kafka, INTERACTIONS, from_start=True, to_end=True)]
    messages = [decode(record.value, InteractionMessage) for record in records]
    assert [record.key for record in records] == [key_of(record.value) for record in records]
    assert {message.event_id for message in messages} == {f"{user}-{n}" for user in (7, "u2") for n in range(50)}
    assert {(message.identifiers[1].identifier, message.assurance) for message in messages} == {(7, "claimed"), ("u2", "asserted")}


@pytest.mark.asyncio
async def test_no_write_key_reaches_the_topic(database: Database, services: Services, topic_prefix: str) -> None:
    """S60: wherever it was sent."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector, httpx.AsyncClient() as client:
        public, secret = collector.public_key, collector.secret_key
        await client.post(f"{collector.host}/v1/track", json={**EVENT, "writeKey": public})
        await client.post(f"{collector.host}/v1/batch", json={"batch": [{**EVENT, "writeKey": public}]})
        await client.post(f"{collector.host}/beacon/v1/batch?writeKey={public}", content=json.dumps({"batch": [EVENT]}))
        await client.post(f"{collector.host}/v1/batch", json={"batch": [EVENT], "writeKey": secret}, auth=(secret, "x"))
        written = await collector.written()
    assert len(written) == 4
    assert public not in repr(written)
    assert secret not in repr(written)
