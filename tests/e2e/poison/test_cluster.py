"""Poison 35: a valid event that would merge into a contact of 50,000 identifiers. The cap holds it back, and calls a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.poison.cases import record
from tests.support.commands import onefold
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

IDENTIFIERS = 50_000
HELD = "select identifiers_total from contacts where merged_into is null order by identifiers_total desc"
GROWN = """
insert into identifiers select made.* from identifiers i, generate_series(1, $1) n, lateral jsonb_populate_record(i, jsonb_build_object(
  'tenure_id', -n, 'identifier_key', '\\x' || md5(n::text), 'identifier', md5(n::text), 'normalised', md5(n::text), 'slug', null)) made
where i.semantic_type = 'uuid'
"""
COUNTED = """
update contacts set identifiers_total = $1,
  summary = jsonb_set(jsonb_set(summary, '{open,uuid}', to_jsonb($1 - 1)), '{assurance,1}', to_jsonb($1))
"""


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


async def grow(mine: Installation) -> None:
    """Let the giant hold so many identifiers, as if it had got them while limits were higher; put there by SQL, which takes a tenth of the time."""
    async with mine.store.transaction(["acme"]) as connection:
        await connection.execute(GROWN, IDENTIFIERS - 2)
        await connection.execute(COUNTED, IDENTIFIERS)


@pytest.mark.asyncio
async def test_what_would_merge_into_a_contact_of_50000_identifiers_is_parked_and_harms_nobody(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Poison 35, I12, R11: kept whole, nobody changes, its neighbours resolve, operators see it."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        assert await send(mine, of("giant", ("uuid", f"{7:032x}"), event_id="giant")) is None
        await grow(mine)
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
