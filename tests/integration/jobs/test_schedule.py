"""What a worker of jobs begins by itself, on real Postgres and Kafka (product.md, section 11)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from onefold.contacts import ghosts as use_cases
from onefold.records import ghosts
from onefold.records.store import Store
from onefold.topics.admin import ensure_topics
from onefold.topics.client import KafkaConnection
from streams import jobs
from tests.support.working import carry_out, worker
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

NAMED = ["acme", "beta", "coda"]
NEWER = """update workspaces set rules = '{"policy": "eager", "clairvoyance": true}' where workspace = 'beta'"""
READABLE = """update workspaces set rules = '{"policy": "eager"}' where workspace = 'beta'"""


@pytest.mark.asyncio
async def test_a_workspace_that_cannot_be_swept_holds_back_no_other(database: Database, services: Services, topic_prefix: str) -> None:
    """Of several workers that find them due at once, one begins each; unreadable rules are tried again by the next round."""
    kafka = KafkaConnection(services.kafka_servers, topic_prefix)
    await ensure_topics(kafka, partitions=1)
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, *NAMED)
        async with store.transaction(NAMED) as connection:
            for each in NAMED:
                await ghosts.keep_for(connection, each, 90)
            await connection.execute(NEWER)
        await asyncio.gather(*(jobs.begin_sweeps(worker(store, name), kafka) for name in ("first", "second")))
        assert {each.workspace: each.kind for each in await carry_out(store)} == {"acme": use_cases.KIND, "coda": use_cases.KIND}
        async with store.transaction(NAMED) as connection:
            await connection.execute(READABLE)
        await jobs.begin_sweeps(worker(store), kafka)
        assert [each.workspace for each in await carry_out(store)] == ["beta"]
    finally:
        await store.close()
