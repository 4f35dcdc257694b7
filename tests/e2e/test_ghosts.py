"""Ghosts that never came back are swept by the command and by the worker, from the store, the index and for every subscriber."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.messages.topics import CONTACTS_CHANGED
from onefold.topics.tail import follow_topic
from tests.e2e.check.stories import following, quiet
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

LONG_AGO = -60 * 24 * 365
"""Minutes: a year before the story begins."""
AGE = "update contacts set created_at = last_seen_at, updated_at = last_seen_at where type = 'ghost' and last_seen_at < '2026-01-01'"
"""What was appended just now is as old as it says."""


@pytest.mark.asyncio
async def test_the_command_sweeps_ghosts_and_who_comes_back_is_a_new_one(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I3, I6, I17: nothing of the index names a ghost that is gone; each ends with a last change and a tombstone."""
    name = {"given_name": "Ann", "last_name": "Lee"}
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.resolvers(1, batch_size=5), following(mine):
            await mine.produce(
                [
                    event("anonymous_token:gone", minutes=LONG_AGO),
                    event("anonymous_token:ann", "email:ann@example.com", fields=name, minutes=LONG_AGO),
                    event("anonymous_token:here", minutes=0),
                ]
            )
            await mine.settled()
            async with mine.store.transaction(["acme"]) as connection:
                await connection.execute(AGE)
            assert "ghosts for ever" in (await onefold(mine, "ghosts", "show")).talk
            assert "keeps ghosts for ever: say --days" in (await onefold(mine, "ghosts", "sweep", code=1)).talk
            kept = (await onefold(mine, "ghosts", "keep", "300", "--json")).json()
            assert (kept["delete_ghosts_inactive_for"], kept["version"]) == (300, 1)
            planned = (await onefold(mine, "ghosts", "sweep", "--dry-run", "--json")).json()
            assert planned["ghosts"] == 1
            gone = await mine.groups()
            swept = (await onefold(mine, "ghosts", "sweep", "--json")).json()
            assert (swept["state"], swept["destroyed"], swept["kept"]) == ("done", 1, 0)
            assert [each for each in gone if each not in await mine.groups()] == [["anonymous_token:gone"]]
            await mine.produce([event("anonymous_token:gone", minutes=1), event("anonymous_token:gone", minutes=LONG_AGO, event_id="late")])
            await mine.settled()
            await quiet(mine)
            assert sorted(await mine.groups()) == sorted(gone)
        said: dict[str, list[object]] = {}
        async for record in follow_topic(mine.role.kafka, CONTACTS_CHANGED, from_start=True, to_end=True):
            change = msgspec.json.decode(record.value) if record.value is not None else None
            said.setdefault((record.key or b"").decode(), []).append(change and change["cause"]["rule"])
        assert ["new_visitor", "cleaned_up", None] in said.values()
        assert [each for each in said.values() if None in each] == [["new_visitor", "cleaned_up", None]]
        assert (await onefold(mine, "index", "verify", "--json")).json()["is_true"] is True
        checked = await onefold(mine, "check", "--json")
        assert checked.code == 0, checked.talk
