"""A person is erased by the command, while everything else goes on: topics, segments, timeline, index and later events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.identity.assurance import Assurance
from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP
from onefold.topics.tail import follow_topic
from onefold.workspace import segments as use_cases
from tests.e2e.check.stories import following, quiet
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

ASSERTED = Assurance.ASSERTED
PRO = {"field": "attributes.unbound.plan", "operator": "equals", "value": "pro"}
BEN = ["anonymous_token:ben", "email:ben@example.com"]


async def told(mine: Installation, topic: str) -> list[tuple[str, object]]:
    """Key and value of every record of a topic."""
    return [
        ((record.key or b"").decode(), msgspec.json.decode(record.value) if record.value is not None else None)
        async for record in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)
    ]


@pytest.mark.asyncio
async def test_an_erased_person_is_gone_everywhere_and_stays_so_whatever_comes_again(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S103, S105, S107, F54, I7, I9, I17: a tombstone for every id, `left` for their segments, and a replay that brings nothing back."""
    story = [
        event("anonymous_token:a", "email:ann@example.com", assurance=ASSERTED, attributes={"plan": "pro"}, event_id="one"),
        event("anonymous_token:b", "phone:+4915112345678", assurance=ASSERTED, event_id="two", minutes=1),
        event("anonymous_token:a", "anonymous_token:b", assurance=ASSERTED, event_id="both", minutes=2),
        event(*BEN, assurance=ASSERTED, event_id="ben", minutes=3),
    ]
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            segment = await use_cases.create(connection, "acme", "pro", "Pro", PRO)
        await use_cases.fill(mine.store, segment)
        async with mine.resolvers(1, batch_size=5), following(mine):
            await mine.produce(story)
            await mine.settled()
            await quiet(mine)
            words = ("contacts", "erase", "email:ann@example.com", "--json")
            plan = (await onefold(mine, *words)).json()
            assert (plan["executed"], len(plan["contacts"]), plan["identifiers"], plan["merges"]) == (False, 2, 4, 1)
            assert "say why" in (await onefold(mine, *words, "--execute", code=2)).talk
            done = (await onefold(mine, *words, "--execute", "--reason", "she asked for it")).json()
            assert done == {**plan, "executed": True, "interactions": 3}
            await mine.produce([*story, event("anonymous_token:a", event_id="again", minutes=4)])
            await mine.settled()
            assert await mine.groups() == [BEN]
            await mine.produce([event("anonymous_token:a", "email:ann@example.com", minutes=5_000_000)])
            await mine.settled()
            await quiet(mine)
        assert await mine.groups() == [["anonymous_token:a", "email:ann@example.com"], BEN]
        for named in done["contacts"]:
            for look in ("show", "timeline", "explain"):
                assert "was erased at" in (await onefold(mine, "contacts", look, named, code=4)).talk
            assert "was erased at" in (await onefold(mine, "contacts", "erase", named, "--execute", "--reason", "again", code=4)).talk
            *_, before, last = [value for key, value in await told(mine, CONTACTS_CHANGED) if key == named]
            assert last is None
            assert isinstance(before, dict)
            assert (before["cause"]["rule"], before["contact"]) == ("erased", None)
        transitions = [value["transition"] for _, value in await told(mine, SEGMENTS_MEMBERSHIP) if isinstance(value, dict)]
        assert transitions == ["entered", "left"]
        await onefold(mine, "check")
        await onefold(mine, "index", "verify")
