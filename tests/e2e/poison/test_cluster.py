"""Poison 35: a valid event that would merge into a contact of 50,000 identifiers. The cap holds it back, and calls a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from onefold.messages.codec import MAX_IDENTIFIERS
from onefold.workspace import rules
from tests.e2e.poison.cases import record
from tests.support.commands import onefold
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

IDENTIFIERS, AT_ONCE = 50_000, MAX_IDENTIFIERS - 1
HELD = "select identifiers_total from contacts where merged_into is null order by identifiers_total desc"


async def set_limits(mine: Installation, **limits: int) -> None:
    async with mine.store.transaction(["acme"]) as connection:
        planned = await rules.plan(connection, "acme", rules.Edits(keys=[(f"limits.{name}", most) for name, most in limits.items()]))
        await rules.carry_out(connection, planned, actor="test", reason=None)


async def send(mine: Installation, *events: tuple[bytes, bytes]) -> Any:
    """Let a resolver decide on these; gives how often it raised the alarm."""
    await mine.produce_raw(events)
    async with mine.resolvers(1, batch_size=20) as (role,):
        await mine.settled()
    return role.metrics.registry.get_sample_value(
        "onefold_resolver_parked_total", {"workspace": "acme", "limit": "identifiers_per_contact"}
    )


def of(token: str, *more: tuple[str, str], event_id: str) -> tuple[bytes, bytes]:
    """Key and value of an event."""
    return f"acme:{token}".encode(), record(b"", *more, token=token, event_id=event_id)


def giant() -> list[tuple[bytes, bytes]]:
    """A contact that got its identifiers honestly, while limits were higher."""
    numbers = range(1, IDENTIFIERS)
    chunks = [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
    return [of("giant", *(("uuid", f"{n:032x}") for n in chunk), event_id=f"g{chunk[0]}") for chunk in chunks]


@pytest.mark.asyncio
async def test_what_would_merge_into_a_contact_of_50000_identifiers_is_parked_and_harms_nobody(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Poison 35, I12, R11: kept whole, nobody changes, its neighbours resolve, operators see it."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await set_limits(mine, values_per_type=2 * IDENTIFIERS, identifiers_per_contact=2 * IDENTIFIERS)
        assert await send(mine, *giant()) is None
        await set_limits(mine, values_per_type=100, identifiers_per_contact=10_000)
        alarms = await send(
            mine,
            of("bo", ("email", "bo@example.com"), event_id="bo"),
            of("bo", ("uuid", f"{7:032x}"), ("email", "bo@example.com"), event_id="both"),
            of("cy", ("email", "cy@example.com"), event_id="cy"),
        )
        assert alarms == 1
        async with mine.store.transaction(["acme"]) as connection:
            assert [row[0] for row in await connection.fetch(HELD)] == [IDENTIFIERS, 2, 2]
        (parked,) = (await onefold(mine, "parked", "list", "--json")).json()["parked"]
        assert (parked["event_id"], parked["exceeded"]) == ("both", ["identifiers_per_contact"])
        doctor = {each["what"]: each["found"] for each in (await onefold(mine, "doctor", "--json", code=3)).json()}
        assert doctor["parked"] == "1 in acme"
