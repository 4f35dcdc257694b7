"""What a person decides of a contact, through the commands, told on the topic like any other change (R19, S47, S101)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

ANN = "email:ann@example.com"
WHY = ("--execute", "--reason", "a test", "--actor", "carol")


@pytest.mark.asyncio
async def test_a_contact_is_changed_by_hand_and_no_event_takes_it_back(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        told = {"given_name": "Ann", "last_name": "Lee", "plan": "free"}
        visits = [
            event(ANN, "anonymous_token:t", assurance=Assurance.ASSERTED, minutes=minute, fields=told, attributes={"plan": plan})
            for minute, plan in ((0, "free"), (9_000, "gold"))
        ]
        await mine.produce(visits[:1])
        async with mine.resolvers(1, batch_size=5):
            await mine.settled()
            words = ("contacts", "edit", ANN, "given_name=Anna", 'attributes.unbound.plan={"name": "pro"}', "--clear", "last_name")
            dry = (await onefold(mine, *words, "--json")).json()
            assert (dry["executed"], sorted(dry["changes"][0]["changes"])) == (
                False,
                ["attributes.unbound.plan", "given_name", "last_name", "type"],
            )
            assert "at version 1 by now, not at 7" in (await onefold(mine, *words, "--if-version", "7", code=4)).talk
            assert "nothing that can be set" in (await onefold(mine, "contacts", "edit", ANN, "type=vendor", code=1)).talk
            await onefold(mine, *words, *WHY)
            await onefold(mine, "contacts", "validate", ANN, *WHY)
            await onefold(mine, "contacts", "archive", ANN, *WHY)
            await onefold(mine, "contacts", "consent", ANN, "newsletter", "denied", "--source", "call", *WHY)
            await mine.produce(visits[1:])
            await mine.settled()
        contact = (await onefold(mine, "contacts", "show", ANN, "--json")).json()["contact"]
        assert (contact["given_name"], contact["last_name"], contact["attributes"]["unbound"]["plan"]) == ("Anna", None, {"name": "pro"})
        assert (contact["type"], contact["archived_at"] is not None, contact["version"]) == ("ghost", True, 5)
        assert contact["consent"]["newsletter"]["state"] == "denied"
        assert "nothing would change" in (await onefold(mine, "contacts", "archive", ANN)).data.decode()
