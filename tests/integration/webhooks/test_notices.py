"""What is due is written once, for whoever listens, and says nothing of an erased person (S103)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.messages.codec import decode
from onefold.messages.contacts import ContactChange
from onefold.ops import purge
from onefold.records import erased, webhook_deliveries
from onefold.records.erased_checks import left_over
from streams.webhooks import Decoded
from tests.support.gates import gate
from tests.support.receivers import receiver
from tests.support.worlds import event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection
    from tests.support.posts import Post

ANN = User("ann@host", "she asked for it")
CANARY = event("anonymous_token:a", "email:canary@example.com", event_id="one")
BODIES = "select convert_from(body, 'UTF8') as body from webhook_deliveries order by seq"


async def gone(post: Post) -> UUID:
    """Erase whoever there is."""
    async with post.store.transaction(["acme"]) as connection:
        her: UUID = await connection.fetchval("select contact_id from contacts where erased_at is null")
        await erase(connection, "acme", her, ANN, shards=4)
    return her


async def bodies(connection: Connection) -> list[str]:
    return [row["body"] for row in await connection.fetch(BODIES)]


async def seen(post: Post) -> tuple[list[str], list[object]]:
    """What lies there about anybody, and what `onefold check` says of the erased."""
    async with post.store.transaction(["acme"]) as connection:
        found = await left_over(connection, timedelta(hours=1), 10)
        return await bodies(connection), [tuple(row) for row in found if "delivery" in row["place"]]


@pytest.mark.asyncio
async def test_s103_what_waits_about_an_erased_person_goes_and_only_their_last_change_is_sent(post: Post) -> None:
    """S103, I17: what was sent already, too, and what still lies on the topic makes nothing due."""
    async with receiver() as here:
        webhook, _ = await post.webhook(here.url, fields=["email"])
        old = await post.resolve(CANARY)
        await post.notice(old)
        assert "canary" in (await seen(post))[0][0]
        await gone(post)
        assert await seen(post) == ([], [])
        last = await post.told()
        await post.notice([*old, *last])
        async with post.sending():
            (got,) = await here.has(1)
            await post.settled(webhook, ("delivered", 1))
    assert got.said["data"]["contact"] is None
    assert "erased_at" in got.said["data"]["changes"]
    assert "canary" not in str(await seen(post))


@pytest.mark.asyncio
async def test_s103_what_a_stream_writes_that_read_the_person_before_they_were_erased_is_swept(post: Post) -> None:
    """S103: the purge waits for it, and `onefold check` would have seen what it left. The last change stays."""
    await post.webhook("http://127.0.0.1:9/", kinds=["contact.changed"])
    old = await post.resolve(CANARY)
    async with gate("webhooks.looked_up") as closed:
        slow = asyncio.create_task(post.notice(old))
        await closed.reached()
        await gone(post)
        await post.notice(await post.told())
        async with post.store.transaction(["acme"]) as connection:
            (waiting,) = await erased.unfinished(connection, "acme")
        purging = asyncio.create_task(purge.purge(post.store, "acme", waiting))
        await asyncio.sleep(0.3)
        assert not purging.done()
        closed.open()
        await slow
    assert post.metrics.due.labels("contact.changed")._value.get() == 2, "the old one was written, after the person was erased"
    await purging
    lying, wrong = await seen(post)
    assert (len(lying), wrong) == (1, [])
    assert "erased_at" in lying[0]
    assert "canary" not in lying[0]


@pytest.mark.asyncio
async def test_a_check_finds_what_is_still_due_about_an_erased_person(post: Post) -> None:
    """I17: were it not deleted, `onefold check` would say so."""
    webhook, _ = await post.webhook("http://127.0.0.1:9/")
    (old,) = await post.resolve(CANARY)
    await gone(post)
    async with post.store.transaction(["acme"]) as connection:
        due = Decoded(old, decode(old.value or b"", ContactChange)).due_to(webhook, "contact.changed")
        await webhook_deliveries.insert_due(connection, [due])
    _, wrong = await seen(post)
    assert len(wrong) == 1


@pytest.mark.asyncio
async def test_s88_a_workspace_hears_of_its_own_contacts_only(post: Post) -> None:
    """S88, S94; and a message that is none is buried, and harms no neighbour."""
    mine, _ = await post.webhook("http://127.0.0.1:9/")
    theirs, _ = await post.webhook("http://127.0.0.1:9/", workspace="other")
    told = await post.resolve(event("anonymous_token:a"))
    await post.notice([told[0]._replace(value=b"{]"), told[0], told[0]._replace(value=None)])
    assert [(each.kind, each.state) for each in await post.deliveries(mine)] == [("contact.changed", "waiting")]
    assert await post.deliveries(theirs) == []
    async with post.store.begin() as connection:
        assert await connection.fetchval("select payload from outbox where topic = 'interactions.dead-letter'") == b"{]"
        assert await bodies(connection) == [], "no workspace named, no rows (S90)"
