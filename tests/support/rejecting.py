"""A Postgres that rejects some identifiers for a while: how dead letters come about that can be redriven."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@asynccontextmanager
async def a_store_that_rejects(database: Database, word: str) -> AsyncIterator[None]:
    """While the block runs, Postgres rejects every identifier that begins with `word`: a cause that can be mended."""
    owner = await asyncpg.connect(database.admin_url)
    try:
        await owner.execute(f"alter table identifiers add constraint rejects check (normalised not like '{word}%') not valid")
        yield
        await owner.execute("alter table identifiers drop constraint rejects")
    finally:
        await owner.close()
