"""Every command of the page on the index runs, as a reader would type it: those that look at once, then the others in their order."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from onefold.ops.index.rebuild import begin
from onefold.records import jobs
from tests.e2e.index.keeping import kept, written_back
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

PAGE = Path(__file__).parents[3] / "docs/how-to/index.md"
PREFIX = "./dev run onefold "


@pytest.mark.asyncio
async def test_every_command_of_the_page_runs(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    commands = [line.removeprefix(PREFIX) for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(PREFIX)]
    assert len(commands) == 7
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce([event("anonymous_token:t")])
            await written_back(role, 1)
        changing = [command for command in commands if "--execute" in command or "--resume" in command]
        looking = [here.run(*shlex.split(command, comments=True)) for command in commands if command not in changing]
        assert [ended.code for ended in await asyncio.gather(*looking)] == [0] * 4
        for command in changing:
            words = shlex.split(command, comments=True)
            if "JOB" in words:
                words[words.index("JOB")] = str((await begin(here.mine.store, actor="tests", reason=None)).job_id)
            ended = await here.run(*words)
            assert (ended.code, "Traceback" in ended.stderr) == (0, False), ended.stderr
        async with here.mine.store.connection() as connection:
            assert [job.state for job in await jobs.of_kind(connection, "index-rebuild")] == ["done", "done"]
        assert (await here.verify()).is_complete
