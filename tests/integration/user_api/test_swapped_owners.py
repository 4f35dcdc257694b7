"""S77: a Journey Manager, with the ids of what only another one owns, in every place of every call of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.apis import WEBHOOKS, api_on
from tests.support.furnished import describe, propose, records
from tests.support.operations import REFUSED, calls_of, operations
from tests.support.swapping import amiss, naming, swaps

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.apis import Api

CANARY = "Canary"
NOT_THEIRS = frozenset({"owners"})
"""What a Journey Manager may not write (S78)."""


@pytest.mark.asyncio
async def test_s77_no_operation_reads_or_moves_what_another_owns(store: Store) -> None:
    """S31, S77: in its path, its query or its body, alone or together; then the same calls with one's own ids, which are let in."""
    async with api_on(store, webhooks=WEBHOOKS) as api:
        await _swap_all(api, store)


async def _swap_all(api: Api, store: Store) -> None:
    async with api.as_role("super_admin") as boss:
        described = await describe(api, boss, "acme", "Mill")
    async with api.as_role("journey_manager") as client, api.as_role("journey_manager") as another:
        own = await records(store, client, "acme", "one", "Mill")
        others = await records(store, another, "acme", "other", CANARY)
        others["shared_proposal"] = await propose(store, "acme", own["proposed"], others["proposed"])
        before = await naming(store, "acme", others.values())
        document = (await client.get("/openapi.json")).json()
        told: list[str] = []
        for operation in operations(document):
            for call in calls_of(document, operation, without=NOT_THEIRS):
                places = [place for place in call.places if call.kinds([place]) & others.keys()]
                for swapped in swaps(places) if places or operation.is_read else ():
                    answer = await client.request(**call.request({**described, **own}, {**described, **others}, swapped))
                    told += amiss(call, swapped, answer, others, CANARY)
        assert not told, "\n".join(told)
        assert await naming(store, "acme", others.values()) == before
        refused = []
        for operation in operations(document):
            for call in calls_of(document, operation, without=NOT_THEIRS):
                answer = await client.request(**call.request({**described, **own}))
                if (
                    not answer.is_success
                    and answer.json()["code"] not in {"not_allowed", "not_signed_in"}
                    and str(operation) not in REFUSED
                ):
                    refused.append(f"{operation} {call.query} {call.body}: {answer.text[:300]}")
        assert not refused, "\n".join(refused)
        for path in ("accept", "refuse"):
            assert (await client.post(f"/proposals/{others['shared_proposal']}/{path}")).status_code == 404
