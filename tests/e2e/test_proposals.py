"""Proposals through the commands of an operator: seen, explained, refused, accepted (product.md, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

ANN, BO, CY, ASSERTED = "email:ann@example.com", "email:bo@example.com", "email:cy@example.com", Assurance.ASSERTED


@pytest.mark.asyncio
async def test_proposals_are_listed_explained_and_decided_on(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Two people whom a claim would have joined with Ann: the one is, the other never will be."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1, policy="careful") as mine:
        await mine.produce(
            [
                event(ANN, "anonymous_token:a", assurance=ASSERTED),
                event(BO, "anonymous_token:b", assurance=ASSERTED, minutes=1),
                event(CY, "anonymous_token:c", assurance=ASSERTED, minutes=2),
                event("anonymous_token:b", ANN, minutes=3),
                event("anonymous_token:c", ANN, minutes=4),
            ]
        )
        async with mine.resolvers(1, batch_size=5) as (role,):
            await mine.settled()
        counted = role.metrics.registry.get_sample_value("onefold_resolver_proposed_total", {"workspace": "acme", "guard": "known"})
        assert counted == 2
        both = (await onefold(mine, "proposals", "list", "--json")).json()
        assert [(each["state"], each["cause"], each["semantic_type"]) for each in both] == [("open", "known", "anonymous_token")] * 2
        (first,) = (await onefold(mine, "proposals", "list", "--contact", BO, "--json")).json()
        (second,) = [each for each in both if each != first]
        shown = await onefold(mine, "proposals", "show", first["proposal_id"])
        assert f"interactions 0/{first['last']['offset']}" in shown.data.decode()
        assert "proposals accept" in shown.talk
        said = (await onefold(mine, "contacts", "explain", BO, "--not", ANN, "--json")).json()
        assert said["apart"]["because"][0]["facts"]["proposal_id"] == first["proposal_id"]

        dry = (await onefold(mine, "proposals", "accept", first["proposal_id"], "--json")).json()
        assert (dry["executed"], len(await mine.groups())) == (False, 3)
        await onefold(mine, "proposals", "refuse", second["proposal_id"], "--reason", "mother and daughter", "--execute")
        done = (await onefold(mine, "proposals", "accept", first["proposal_id"], "--reason", "one", "--execute", "--json")).json()
        assert {**done, "executed": False} == {**dry, "lost": done["lost"]}
        assert await mine.groups() == [sorted(["anonymous_token:a", "anonymous_token:b", ANN, BO]), ["anonymous_token:c", CY]]
        assert "one by now" in (await onefold(mine, "proposals", "accept", first["proposal_id"], code=4)).talk
        states = {each["proposal_id"]: each["state"] for each in (await onefold(mine, "proposals", "list", "--all", "--json")).json()}
        assert states == {first["proposal_id"]: "accepted", second["proposal_id"]: "refused"}
