"""Commands of ours as processes of their own, as an operator gives them, armed or not."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.installations import Installation

WITHIN_SECONDS = 90.0
HELD = """
select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""


class Said(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    data: bytes
    talk: str

    def json(self) -> Any:
        """Its data, as JSON."""
        return msgspec.json.decode(self.data)


async def begin(mine: Installation, *words: str, armed: Sequence[str] = ()) -> asyncio.subprocess.Process:
    """Start a command; `armed` are failpoints as `tests.support.armed` takes them."""
    module = ["tests.support.armed", *armed, "--"] if armed else ["onefold"]
    environment = {**os.environ, **mine.environment, "NO_COLOR": "1"}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", *module, *words, env=environment, stdout=PIPE, stderr=PIPE)


async def onefold(mine: Installation, *words: str, code: int = 0) -> Said:
    """Run a command to its end, which must be this one."""
    process = await begin(mine, *words)
    async with asyncio.timeout(WITHIN_SECONDS):
        data, talk = await process.communicate()
    said = Said(process.returncode or 0, data, talk.decode())
    assert said.code == code, f"onefold {' '.join(words)}: exit {said.code}\n{data.decode(errors='replace')}{said.talk}"
    assert "Traceback" not in said.talk, said.talk
    return said


async def let_go(mine: Installation) -> None:
    """Wait until the server noticed that a process is gone, and let go of what it held."""
    async with asyncio.timeout(WITHIN_SECONDS), mine.store.connection() as connection:
        while await connection.fetchval(HELD):
            await asyncio.sleep(0.1)
