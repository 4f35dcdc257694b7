"""`onefold seeds plan|apply|export`, as an operator types them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from onefold.installation.demo.sample import sample_seed
from tests.support.installations import installation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Database, Services


@pytest.mark.asyncio
async def test_a_seed_is_planned_applied_and_written_again(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """Product.md, section 10: plan changes nothing, apply does it once, export writes what import reads; a bad item ends with a refusal."""
    file = tmp_path / "seed.json"
    file.write_text(json.dumps(sample_seed()))
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        code, said = await mine.command("seeds", "plan", str(file), "--json")
        planned = json.loads(said)
        assert (code, sum(each["action"] == "created" for each in planned)) == (0, len(planned) - 6)
        assert json.loads((await mine.command("seeds", "export"))[1]) == [], "a plan changes nothing"
        code, said = await mine.command("seeds", "apply", str(file), "--reason", "a new workspace", "--json")
        done = [(each["item"], each["name"], each["action"]) for each in json.loads(said)]
        assert (code, done) == (0, [(each["item"], each["name"], each["action"]) for each in planned])
        code, written = await mine.command("seeds", "export")
        assert code == 0
        file.write_text(written)
        code, said = await mine.command("seeds", "plan", str(file), "--json")
        assert {each["action"] for each in json.loads(said)} == {"unchanged"}
        file.write_text('[{"object_type": "tags", "data": {"slug": "x"}}]')
        assert (await mine.command("seeds", "apply", str(file)))[0] == 1
        code, _ = await mine.command("check", "--only", "I7")
        assert code in {0, 3}, "what waits in the outbox is told"
