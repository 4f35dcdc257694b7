"""Imports and renames by the roles' own commands, killed midway (decision 0035)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest

from onefold.records import workspace_jobs
from onefold.workspace import organizations
from onefold.workspace.organizations import Edit, New
from tests.support.installations import installation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

NAMES = "select organization_name, version, count(*) from contacts group by 1, 2"
QUICK = {"ONEFOLD_JOBS__LEASE_SECONDS": "1"}


async def ended(mine: Installation, job_id: UUID) -> dict[str, Any]:
    async with asyncio.timeout(90):
        while True:
            async with mine.store.transaction(["acme"]) as connection:
                job = await workspace_jobs.find(connection, "acme", job_id)
            if job.state not in {"waiting", "running"}:
                assert (job.state, job.error) == ("done", None)
                return job.progress
            await asyncio.sleep(0.1)


@pytest.mark.asyncio
async def test_an_import_and_a_rename_go_on_after_workers_are_killed(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """Killed after what a chunk does is written and before it is committed, and right after a commit: no line twice, no contact left out."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        async with mine.store.transaction(["acme"]) as connection:
            mill = (await organizations.create(connection, "acme", New("Mill"))).organization_id
        file = tmp_path / "people.jsonl"
        file.write_bytes(
            b"\n".join(
                msgspec.json.encode({"given_name": f"N{n}", "email": f"n{n}@example.com", "organization": "mill"}) for n in range(1_600)
            )
        )
        code, said = await mine.command("import", str(file), "--detach", "--json")
        assert code == 0
        job_id = msgspec.convert(msgspec.json.decode(said)["job_id"], UUID)
        await killed(mine, "jobs.carried=kill@2")
        async with mine.running("jobs-worker", **QUICK):
            assert (await ended(mine, job_id))["created"] == 1_600
        async with mine.store.transaction(["acme"]) as connection:
            renaming = (await organizations.edit(connection, "acme", mill, Edit("New"), "user:ann")).renaming
        assert renaming is not None
        await killed(mine, "jobs.committed=kill@1")
        async with mine.running("jobs-worker", **QUICK):
            assert (await ended(mine, renaming.job_id))["rewritten"] == 1_600
        async with mine.store.transaction(["acme"]) as connection:
            assert [tuple(row) for row in await connection.fetch(NAMES)] == [("New", 2, 1_600)]


async def killed(mine: Installation, armed: str) -> None:
    """A worker that ends itself there."""
    process = await mine.start_process("jobs-worker", armed, **QUICK, ONEFOLD_HEALTH__PORT="0")
    assert await asyncio.wait_for(process.wait(), 60) != 0


@pytest.mark.asyncio
async def test_the_command_imports_and_tells_what_it_refused(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """Without a worker: this process carries the job out."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        file = tmp_path / "people.csv"
        file.write_text("given_name,email\nAnn,ann@example.com\nBen,nowhere\n")
        code, said = await mine.command("import", str(file), "--json")
        told = msgspec.json.decode(said)
        assert (code, told["state"], told["created"], told["refused"]) == (0, "done", 1, 1)
        assert [(each["line"], each["code"]) for each in told["refused_lines"]] == [(3, "invalid_identifier")]
        assert (await mine.command("import", str(tmp_path / "none.txt")))[0] != 0
