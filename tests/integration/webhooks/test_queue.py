"""The queue at some size: how Postgres finds what is due."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.records import webhook_deliveries as deliveries

if TYPE_CHECKING:
    from tests.support.posts import Post

FILL = """
insert into webhook_deliveries (workspace, delivery_id, webhook_id, event_id, kind, contact_id, contact_version, body, state, finished_at)
select 'acme', gen_random_uuid(), $1, 'e' || n, 'contact.changed', md5((n % 500)::text)::uuid, n, 'x',
  case when n <= 2000 then 'delivered' else 'waiting' end, case when n <= 2000 then now() end
from generate_series(1, 5000) n
"""


@pytest.mark.asyncio
async def test_what_is_due_is_found_along_indexes_once_the_planner_has_looked(post: Post) -> None:
    """No sequential scan; before autovacuum came by, the sender lets it look (minutes for one claim otherwise, measured at 20,000)."""
    webhook, _ = await post.webhook("https://a.example/")
    async with post.store.transaction(["acme"]) as connection:
        await connection.execute(FILL, webhook.webhook_id)
        assert (await deliveries.waiting(connection, ["acme"]))[0] == 3_000
        assert await deliveries.know_yourself(connection, 3_000)
        assert not await deliveries.know_yourself(connection, 3_000), "once is enough"
        claim = await connection.fetch(f"explain {deliveries.CLAIM}", "acme", webhook.webhook_id, 5, timedelta(seconds=1))
        ready = await connection.fetch(f"explain {deliveries.READY}", ["acme"])
        plans = "\n".join(row[0] for row in (*claim, *ready))
        assert "Seq Scan on webhook_deliveries" not in plans, plans
        assert plans.count("using webhook_deliveries_due") == 2, plans
        assert "using webhook_deliveries_contact" in plans, plans
        found = await deliveries.ready(connection, ["acme"])
        claimed = await deliveries.claim(connection, found[0], 5, timedelta(seconds=60))
    assert [each.event_id for each in sorted(claimed, key=lambda each: each.event_id)] == [f"e{n}" for n in range(2_001, 2_006)]
