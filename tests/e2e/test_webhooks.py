"""Webhooks by processes of their own commands: events in, and a receiver hears of the contact (S87)."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from onefold import bootstrap
from onefold.workspace import segments, webhooks
from tests.support.installations import installation
from tests.support.receivers import receiver, shown_verify
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

LEADS = {"field": "type", "operator": "equals", "value": "lead"}
LEASE_OVER = "update webhook_deliveries set next_attempt_at = clock_timestamp() where state = 'waiting'"
HERE = {"ONEFOLD_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.1/32"]'}


@pytest.mark.slow  # four processes, one of them killed: the group notices after its session timeout
@pytest.mark.asyncio
async def test_s87_events_come_in_and_a_receiver_hears_of_them_though_the_sender_is_killed_before_it_commits(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S87: what was posted and not recorded arrives again under its id; a contact's versions in order; who entered a segment, too."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine, receiver() as here:
        async with mine.store.transaction(["acme"]) as connection:
            segment = await segments.create(connection, "acme", "leads", "Leads", LEADS)
        await segments.fill(mine.store, segment)
        secret = await _made(mine, here.url)
        async with mine.resolvers(1), mine.running("relay"), mine.running("segments-worker"):
            async with mine.running("webhooks-worker", "webhooks.posted=kill@1", **HERE) as victim:
                await mine.produce([event("anonymous_token:a", "email:ann@example.com", event_id="one")])
                assert await asyncio.wait_for(victim.wait(), 60) == -signal.SIGKILL
            await mine.produce([event("anonymous_token:a", fields={"given_name": "Ann", "last_name": "Lee"}, event_id="two", minutes=1)])
            async with mine.store.transaction(["acme"]) as connection:
                await connection.execute(LEASE_OVER)
            async with mine.running("webhooks-worker", **HERE):
                await here.has(4, within_seconds=60)
                await asyncio.sleep(1.0)
    verify = shown_verify()
    assert all(verify(secret, each.headers, each.body) for each in here.got)
    changes = [(each.id, each.said["data"]["version"]) for each in here.got if each.said["type"] == "contact.changed"]
    assert changes[0] == changes[1]
    assert [version for _, version in changes] == [1, 1, 2]
    (entered,) = [each.said["data"] for each in here.got if each.said["type"] == "segment.membership"]
    assert (entered["segment"]["slug"], entered["transition"], entered["contact_version"]) == ("leads", "entered", 2)


async def _made(mine: Installation, url: str) -> str:
    """A webhook there; gives its secret."""
    rules = bootstrap.webhook_rules(mine.role)._replace(allows_http=True)
    async with mine.store.transaction(["acme"]) as connection:
        _, secret = await webhooks.create_webhook(connection, "acme", webhooks.Wish("CRM", url), rules)
    return secret
