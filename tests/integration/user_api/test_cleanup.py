"""The setting of the ghost cleanup, and the sweep that a worker begins by itself where a workspace wants one (product.md, section 11)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.contacts import ghosts as use_cases
from onefold.records import ghosts
from tests.support.working import carry_out

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.store import Store
    from tests.support.apis import Api

DAY = timedelta(days=1)


@pytest.mark.asyncio
async def test_the_setting_is_changed_by_version_and_logged_and_makes_a_sweep_due_once_a_day(api: Api, store: Store) -> None:
    """Product.md, sections 9 and 11: days, unset is never; Super Admin or Master, no Service Account."""
    path = "/settings/ghost-cleanup"
    async with api.as_role("master") as client, api.as_role("coach") as reader:
        unset = await reader.get(path)
        assert (unset.status_code, unset.json()["delete_ghosts_inactive_for"]) == (200, None)
        assert (await client.put(path, json={"delete_ghosts_inactive_for": 90})).status_code == 428
        changed = await client.put(path, json={"delete_ghosts_inactive_for": 90}, headers={"if-match": unset.headers["etag"]})
        assert (changed.status_code, changed.json()["delete_ghosts_inactive_for"]) == (200, 90)
        stale = await client.put(path, json={"delete_ghosts_inactive_for": 30}, headers={"if-match": unset.headers["etag"]})
        assert stale.status_code == 412
        for wrong in (0, -1, 36_501, "90 days"):
            answer = await client.put(path, json={"delete_ghosts_inactive_for": wrong}, headers={"if-match": "*"})
            assert answer.status_code == 422, answer.text
        assert (await reader.put(path, json={"delete_ghosts_inactive_for": 1}, headers={"if-match": "*"})).status_code == 403
        async with api.as_role("service_account") as machine:
            assert (await machine.put(path, json={"delete_ghosts_inactive_for": 1}, headers={"if-match": "*"})).status_code == 403
        (entry,) = (await client.get("/log", params={"object_type": "cleanup"})).json()["items"]
        assert entry["changes"] == [{"type": "setting", "slug": "delete_ghosts_inactive_for", "old_value": None, "new_value": 90}]

        assert await due(store) == [("acme", 90)]
        async with store.transaction(["acme"]) as connection:
            now: datetime = await connection.fetchval("select clock_timestamp()")
            job = await use_cases.begin(connection, "acme", 90, now, use_cases.SWEEPER)
        assert await due(store) == [], "one is under way"
        await carry_out(store)
        assert await due(store) == [], "one was done today"
        assert (await client.get(f"/jobs/{job.job_id}")).json()["progress"]["destroyed"] == 0
        await client.put(path, json={"delete_ghosts_inactive_for": None}, headers={"if-match": "*"})
        assert await due(store, timedelta(0)) == []


async def due(store: Store, every: timedelta = DAY) -> list[tuple[str, int]]:
    async with store.transaction(["acme", "other"]) as connection:
        return await ghosts.due(connection, ["acme", "other"], use_cases.KIND, every)
