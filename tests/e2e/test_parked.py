"""What limits hold back, through the commands of an operator: seen, called for, released, dropped (R11, guard 5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from onefold.identity.plan import Limit
from tests.support.commands import begin, let_go, onefold
from tests.support.installations import Installation, installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

SHARED = "email:shared@example.com"
VISITORS = 6
JOINED = [*(f"anonymous_token:t{number}" for number in range(4)), SHARED]


def flood() -> list[Interaction]:
    """An email, then visitors who each give it; the last two of them on a day when it has joined enough."""
    joining = [event(f"anonymous_token:t{number}", SHARED, minutes=10 + number) for number in range(VISITORS)]
    return [event(SHARED), *(event(f"anonymous_token:t{number}", minutes=1) for number in range(VISITORS)), *joining]


async def resolve(mine: Installation, interactions: Sequence[Interaction] = ()) -> float:
    """Append these and wait until all is decided; gives how often the alarm was raised."""
    await mine.produce(interactions)
    async with mine.resolvers(1, batch_size=5) as (role,):
        await mine.settled()
    # Counted after the commit that settles: whoever stopped has counted.
    values = [
        role.metrics.registry.get_sample_value("onefold_resolver_parked_total", {"workspace": "acme", "limit": each}) for each in Limit
    ]
    return sum(value or 0 for value in values)


@pytest.mark.asyncio
async def test_a_value_that_joined_too_many_is_listed_and_released_with_what_it_held_back(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """The learning quarantine, end to end: found out, left alone by everybody, released, decided again."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await onefold(mine, "rules", "set", "limits.contacts_per_value_day=5", "--execute")
        assert await resolve(mine, flood()) == 1
        assert JOINED in await mine.groups()
        (value,) = (await onefold(mine, "quarantine", "list", "--json")).json()
        assert (value["identifier"], value["contacts_that_day"], value["state"]) == ("shared@example.com", 5, "held")
        doctor = {each["what"]: each["found"] for each in (await onefold(mine, "doctor", "--json", code=3)).json()}
        assert (doctor["parked"], doctor["quarantine"]) == ("1 in acme", "1 in acme")

        await resolve(mine, [event("anonymous_token:t5", SHARED, minutes=3 * 24 * 60)])
        assert ["anonymous_token:t5"] in await mine.groups(), "it resolves no more, on another day either"
        dry = (await onefold(mine, "quarantine", "release", SHARED, "--redecide", "--json")).json()
        assert (dry["executed"], dry["events"]) == (False, 1)
        words = ("quarantine", "release", "email: Shared@Example.com", "--redecide", "--reason", "a family", "--execute", "--json")
        assert (await onefold(mine, *words)).json()["events"] == 1
        assert "not in quarantine" in (await onefold(mine, *words, code=4)).talk

        assert await resolve(mine) == 0
        (everybody,) = [group for group in await mine.groups() if SHARED in group]
        held_back = set(everybody) - set(JOINED)
        assert len(held_back) == 1, "who tripped the limit is decided again"
        await resolve(mine, [event("anonymous_token:t9", SHARED, minutes=4 * 24 * 60)])
        assert any({SHARED, "anonymous_token:t9"} <= set(group) for group in await mine.groups()), "and it resolves again"
        (shown,) = (await onefold(mine, "quarantine", "show", SHARED, "--json")).json()
        assert (shown["state"], shown["reason"]) == ("released", "a family")
        assert (await onefold(mine, "parked", "list", "--json")).json()["open"] == 0
        await onefold(mine, "check")


@pytest.mark.asyncio
async def test_what_did_not_fit_is_released_once_there_is_room_or_dropped(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """R11: kept whole until a person decides; released under a limit that still holds, it is parked anew."""
    story = [event("anonymous_token:t", f"email:{name}@example.com", minutes=minute) for minute, name in enumerate("abc")]
    async with installation(services, database, topic_prefix, redis_url, partitions=2) as mine:
        await onefold(mine, "rules", "set", "limits.values_per_type=1", "--execute")
        assert await resolve(mine, story) == 2
        listed = (await onefold(mine, "parked", "list", "--json")).json()
        assert (listed["open"], listed["by_limit"]) == (2, {"values_per_type": 2})
        b, c = listed["parked"]
        (shown,) = (await onefold(mine, "parked", "show", b["id"], "--json")).json()
        assert json.loads(shown["message"])["event_id"] == b["event_id"] == story[1].event_id
        assert "nothing of workspace acme was parked at 0/999" in (await onefold(mine, "parked", "show", "0/999", code=4)).talk

        assert (await onefold(mine, "parked", "drop", c["id"], "--reason", "a test's", "--execute", "--json")).json()["events"] == 1
        assert (await onefold(mine, "parked", "release", "--json")).json() == {
            "executed": False,
            "events": 1,
            "by_limit": {"values_per_type": 1},
        }
        assert (await onefold(mine, "parked", "release", "--execute", "--json")).json()["events"] == 1
        assert await resolve(mine) == 1, "there is no more room than before"
        assert await mine.groups() == [["anonymous_token:t", "email:a@example.com"]]

        await onefold(mine, "rules", "set", "limits.values_per_type=2", "--execute")
        process = await begin(mine, "parked", "release", "--execute", armed=["parked.produced=kill"])
        await process.communicate()
        assert process.returncode not in {0, None}
        await let_go(mine)
        assert (await onefold(mine, "parked", "release", "--exceeded", "values_per_type", "--execute", "--json")).json()["events"] == 1
        assert await resolve(mine) == 0, "whoever is killed in between releases it twice, which changes nothing"
        assert await mine.groups() == [["anonymous_token:t", "email:a@example.com", "email:b@example.com"]]
        states = [each["state"] for each in (await onefold(mine, "parked", "list", "--all", "--json")).json()["parked"]]
        assert sorted(states) == ["dropped", "released", "released"]
        await onefold(mine, "check")
