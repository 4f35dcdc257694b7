"""Connections that are held for longer, whose locks stand for something: a shard of the outbox, a relay's presence, a job."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from onefold.records.store import hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.store import Connection, Store

SILENCE = "select set_config(name, $1, false) from unnest('{idle_session_timeout,transaction_timeout,tcp_user_timeout}'::text[]) as name"


@asynccontextmanager
async def session(store: Store, *, silence_seconds: float) -> AsyncIterator[Connection]:
    """A connection whose locks and settings the pool takes back when it returns. Raises StoreUnavailable.

    After `silence_seconds` without a statement the server ends it, wherever its process was stopped: between statements, between
    preparing one and running it (which counts as a transaction, not as idleness), or while it takes the rows of an answer.
    """
    async with store.connection() as connection:
        hold(connection)
        await connection.execute(SILENCE, str(int(silence_seconds * 1000)))
        yield connection
