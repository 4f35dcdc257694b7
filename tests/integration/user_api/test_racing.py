"""A person, software and interactions at once on one contact (F55): nothing lost, versions without gaps, conflicting edits answered 412."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from onefold.identity.assurance import Assurance
from onefold.messages.contacts import ContactChange
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.store import RACES, Moved
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    import httpx

    from onefold.identity.interaction import Interaction
    from onefold.records.store import Store
    from tests.support.apis import Api

EACH = 15
ANN = "email:ann@example.com"


async def resolve(store: Store, made: Interaction, resolution: Resolution) -> None:
    """As a resolver does: anew where somebody was faster."""
    while True:
        try:
            async with store.transaction(["acme"]) as connection:
                await resolution.resolve(connection, [made], {"acme": EXACT}, "test")
                return
        except (Moved, *RACES):
            continue


async def visits(store: Store) -> None:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    for number in range(EACH):
        visit = event(ANN, f"device_id:device-{number}", attributes={f"seen{number}": number}, assurance=Assurance.ASSERTED, minutes=number)
        await resolve(store, visit, resolution)


async def edits(client: httpx.AsyncClient, url: str, who: str) -> int:
    """Each after a look, as often as it takes; gives how often somebody was faster."""
    stale = 0
    for number in range(EACH):
        while True:
            looked = await client.get(url)
            body = {"attributes": {"unbound": {f"{who}{number}": number}}}
            answer = await client.patch(url, json=body, headers={"if-match": looked.headers["etag"]})
            if answer.status_code == 200:
                break
            assert (answer.status_code, answer.json()["code"]) == (412, "version_conflict"), answer.text
            stale += 1
    return stale


async def identifiers(client: httpx.AsyncClient, url: str) -> None:
    for number in range(EACH):
        answer = await client.post(f"{url}/identifiers", json={"semantic_type": "email", "identifier": f"ann{number}@example.com"})
        assert answer.status_code == 201, answer.text


@pytest.mark.asyncio
async def test_f55_an_edit_by_the_api_and_an_interaction_that_race_lose_nothing(api: Api, store: Store) -> None:
    """F55, S84: through the real resolution and the real API; the last snapshot holds what everybody wrote."""
    async with api.as_role("master") as one, api.as_role("master") as other:
        made = await one.post("/contacts", json={"identifiers": [{"semantic_type": "email", "identifier": "ann@example.com"}]})
        url = f"/contacts/{made.json()['id']}"
        done = await asyncio.gather(visits(store), edits(one, url, "one"), edits(other, url, "other"), identifiers(one, url))
        last = (await one.get(url)).json()
    assert sum(each or 0 for each in done) > 0, "nobody was ever faster, so nothing was shown"
    wanted = {f"{who}{number}": number for who in ("one", "other", "seen") for number in range(EACH)}
    assert last["attributes"]["unbound"] == wanted
    assert last["identifiers_total"] == 1 + 2 * EACH
    async with store.connection() as connection:
        rows = await connection.fetch("select payload from outbox order by id")
    told = [msgspec.json.decode(row["payload"], type=ContactChange) for row in rows]
    assert [each.version for each in told] == list(range(1, last["version"] + 1))
    assert told[-1].contact is not None
    assert told[-1].contact.attributes["unbound"] == wanted
