"""`onefold rules` beside a running resolver: what is set decides the next batch, without a restart (R18)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from onefold.identity.catalog import Catalog, CatalogEntry
from onefold.identity.rules import Rules
from tests.support.commands import onefold
from tests.support.installations import installation
from tests.support.worlds import event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Database, Services

CARDS = Rules(catalog=Catalog({**Catalog().entries, "loyalty_card": CatalogEntry("loyalty_card")}))
"""Under which these events name cards, whatever the workspace says."""


@pytest.mark.asyncio
async def test_what_is_set_decides_the_next_batch_without_a_restart(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """R18, guard 5: an added type resolves from then on, a blocked value no longer; the index brings neither back."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1, recency_seconds=3_600) as mine, mine.resolvers(1):
        await mine.produce([event("anonymous_token:t1", "user_id:test-1", minutes=0), event("loyalty_card:7", minutes=0, rules=CARDS)])
        await mine.settled()
        assert await mine.groups() == [["anonymous_token:t1", "user_id:test-1"]]
        words = ["catalog.loyalty_card.priority=8", 'blocked.user_id.patterns=["^test-"]']
        shown = await onefold(mine, "rules", "set", *words)
        assert "nothing was done yet" in shown.talk
        await mine.produce([event("anonymous_token:t2", "loyalty_card:8", minutes=1, rules=CARDS)])
        await mine.settled()
        assert ["anonymous_token:t2"] in await mine.groups()
        trial = (await onefold(mine, "rules", "set", *words, "--last", "2", "--json")).json()["trial"]
        assert (trial["events"], trial["diff"]["gone"], trial["diff"]["new"]) == (2, [], ["loyalty_card:7", "loyalty_card:8"])
        told = await onefold(mine, "rules", "set", *words, "--last", "100")
        assert "the last 3 events, decided from nothing: 2 contacts before, 3 after" in told.talk
        assert "--execute" in (await onefold(mine, "rules", "set", *words, "--last", "5", "--execute", code=2)).talk
        made = (await onefold(mine, "rules", "set", *words, "--execute", "--reason", "cards", "--json")).json()
        assert (made["executed"], made["version"]) == (True, 2)
        later = [
            event("anonymous_token:t3", "loyalty_card:8", minutes=2, rules=CARDS),
            event("anonymous_token:t4", "user_id:test-1", minutes=2),
        ]
        await mine.produce(later)
        await mine.settled()
        assert await mine.groups() == sorted(
            [
                ["anonymous_token:t1", "user_id:test-1"],
                ["anonymous_token:t2"],
                ["anonymous_token:t3", "loyalty_card:8"],
                ["anonymous_token:t4"],
            ]
        )
        for who in ("loyalty_card:8", "user_id:test-1"):  # what is held is found, also where it resolves no more
            assert (await onefold(mine, "contacts", "find", who)).data


@pytest.mark.slow
@pytest.mark.asyncio
async def test_the_document_goes_out_and_comes_back_and_its_history_is_kept(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """R28, C5: exit 1 for what is wrong, 2 for what is no command, 4 for who comes too late."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        whole = (await onefold(mine, "rules", "show", "--json")).json()
        assert (await onefold(mine, "rules", "show", "--given", "--json")).json() == {}
        file = tmp_path / "RULES.json"
        file.write_text(json.dumps({"limits": {**whole["limits"], "values_per_type": 9}}), encoding="utf-8")
        plan = (await onefold(mine, "rules", "set", "--file", str(file), "--json")).json()
        assert not plan["executed"]
        changed = [(each["key"], each["before"], each["after"]) for each in plan["changes"] if each["kind"] == "changed"]
        assert changed == [("limits.values_per_type", whole["limits"]["values_per_type"], 9)]
        await onefold(mine, "rules", "set", "--file", str(file), "--if-version", "1", "--execute")
        late = await onefold(mine, "rules", "set", "policy=strict", "--if-version", "1", "--execute", code=4)
        assert "are at version 2 now, by " in late.talk
        wrong = await onefold(mine, "rules", "set", "limits.values_per_typ=9", "--execute", code=1)
        assert "did you mean values_per_type?" in wrong.talk
        for words in ([], ["policy"], ["--file", str(tmp_path / "none.json")]):
            await onefold(mine, "rules", "set", *words, code=2)
        await onefold(mine, "rules", "show", "--workspace", "nobody", code=4)
        idle = await onefold(mine, "rules", "set", "limits.values_per_type=9", "--execute")
        assert "nothing would change" in idle.talk
        (entry,) = (await onefold(mine, "rules", "history", "--json")).json()
        assert (entry["version"], entry["before"], entry["after"]["limits"]["values_per_type"]) == (2, {}, 9)
        assert "@" in entry["actor"]
        assert b"limits.values_per_type" in (await onefold(mine, "rules", "history")).data
