"""A merge and its undoing through the commands of an operator, between events that a resolver decides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from onefold.identity.assurance import Assurance
from tests.support.commands import onefold
from tests.support.installations import Installation, installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

ANN, BEN, ASSERTED = ["anonymous_token:a", "email:a@example.com"], ["anonymous_token:b", "email:b@example.com"], Assurance.ASSERTED


async def resolve(mine: Installation, *interactions: Interaction) -> None:
    await mine.produce(interactions)
    async with mine.resolvers(1, batch_size=5):
        await mine.settled()


@pytest.mark.asyncio
async def test_a_merge_is_previewed_done_and_undone_and_no_event_does_it_again(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """The index must forget what went back: a known visitor is credited to whom the identifier belongs to now (R19, architecture section 3)."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await resolve(
            mine,
            event("email:a@example.com", "anonymous_token:a", assurance=ASSERTED, fields={"given_name": "Ann"}),
            event("email:b@example.com", "anonymous_token:b", assurance=ASSERTED, fields={"given_name": "Ben"}, minutes=1),
        )
        sides = [
            (await onefold(mine, "contacts", "find", each, "--json")).json()["contact_id"]
            for each in ("email:a@example.com", "email:b@example.com")
        ]
        words = ("contacts", "merge", *sides, "--take", f"given_name={sides[1]}", "--json")
        dry = (await onefold(mine, *words)).json()
        assert dry["executed"] is False
        assert await mine.groups() == [ANN, BEN]
        told = (await onefold(mine, *words[:-1])).data.decode()
        assert re.search(r"^given_name +Ann +2026-11-01 09:00:00Z", told, flags=re.MULTILINE), "what loses, for people to read"
        assert "say why" in (await onefold(mine, *words, "--execute", code=2)).talk
        done = (await onefold(mine, *words, "--execute", "--reason", "one person")).json()
        assert {**done, "executed": False, "lost": dry["lost"]} == dry
        await resolve(mine, event("anonymous_token:b", "anonymous_token:c", minutes=5, assurance=ASSERTED))
        assert await mine.groups() == [sorted([*ANN, *BEN, "anonymous_token:c"])]
        assert "out of" not in (await onefold(mine, "contacts", "show", sides[1])).data.decode()

        assert (await onefold(mine, "contacts", "unmerge", sides[1], "--json")).json()["identifiers"] == 3
        await onefold(mine, "contacts", "unmerge", sides[1], "--execute", "--reason", "two after all", "--actor", "carol")
        apart = [ANN, sorted([*BEN, "anonymous_token:c"])]
        assert await mine.groups() == apart
        await resolve(
            mine,
            event("anonymous_token:a", "anonymous_token:c", minutes=5_000_000, assurance=ASSERTED),
            event("anonymous_token:b", minutes=5_000_001, assurance=ASSERTED),
        )
        assert await mine.groups() == apart
        assert "no merge that is in force" in (await onefold(mine, "contacts", "unmerge", sides[1], code=4)).talk
        said = (await onefold(mine, "contacts", "explain", sides[0], "--not", sides[1], "--as-of", "1s", "--json")).json()
        assert [each["undone"]["actor"] for each in said["undone"]] == ["carol"]
        assert said["apart"]["because"][0]["code"] == "kept_apart"
        shown = await onefold(mine, "contacts", "explain", "anonymous_token:c", "--path", "anonymous_token:c", "email:b@example.com")
        assert "shared_identifier" in shown.data.decode()
        assert "named both" in shown.data.decode()
        for side in sides:
            entries = (await onefold(mine, "contacts", "timeline", side, "--json")).json()["entries"]
            (undone,) = [each["what"] for each in entries if each["kind"] == "unmerge"]
            assert (undone["survivor"], undone["absorbed"], undone["cause"]["actor"]) == (*sides, "carol")
        await onefold(mine, "check")
