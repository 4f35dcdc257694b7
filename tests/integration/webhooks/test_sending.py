"""What is due is sent, signed, to addresses that were checked, again where it does not arrive, and nobody is held up (S87)."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.records import log
from onefold.workspace import webhooks
from onefold.workspace.webhooks import Rules
from tests.support.gates import failing
from tests.support.posts import SECRETS
from tests.support.providers import certificate_for
from tests.support.receivers import receiver, shown_verify, status
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.posts import Post

REDIRECT = "HTTP/1.1 307 Elsewhere\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.asyncio
async def test_s87_a_change_arrives_once_signed_with_both_secrets_of_an_overlap(post: Post) -> None:
    """S87: the body is the message as it lay on the topic; a topic that is read again makes nothing due anew."""
    verify = shown_verify()
    async with receiver() as here:
        webhook, secret = await post.webhook(here.url, kinds=["contact.changed"])
        async with post.store.transaction(["acme"]) as connection:
            newer = await webhooks.rotate_secret(connection, webhook, timedelta(hours=1), Rules(SECRETS))
        told = await post.resolve(event("anonymous_token:a", "email:ann@example.com"))
        for _ in range(2):
            await post.notice(told)
        async with post.sending(workers=3):
            (got,) = await here.has(1)
            (delivery,) = await post.settled(webhook, ("delivered", 1))
            await asyncio.sleep(0.7)
        assert len(here.got) == 1
    assert verify(secret, got.headers, got.body)
    assert verify(newer, got.headers, got.body)
    assert not verify(secret, got.headers, got.body + b" ")
    assert got.said["data"]["event_id"] == got.id == delivery.event_id
    assert (got.said["type"], got.said["data"]["version"], got.said["data"]["contact"]["email"]) == (
        "contact.changed",
        1,
        "ann@example.com",
    )
    assert (delivery.last_status, delivery.last_error) == (204, None)
    assert got.headers["content-type"] == "application/json"
    assert "cookie" not in got.headers


@pytest.mark.asyncio
async def test_s87_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere(post: Post) -> None:
    """S87, rebinding server: 127.0.0.2 stands for what may be reached, 127.0.0.1 for what may not; the same port listens on both.

    One look-up an attempt, and the connection goes to what was looked at: were the name looked up again to connect, the first message
    would go to 127.0.0.1. `resolve` is there for installations whose names are known elsewhere than in DNS.
    """
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2" if len(asked) % 2 else "127.0.0.1"]

    async with receiver("127.0.0.2") as allowed:
        port = int(allowed.url.split(":")[2].split("/")[0])
        async with receiver("127.0.0.1", port=port) as inside:
            webhook, _ = await post.webhook(f"http://rebinding.example:{port}/hook")
            first = await post.ping(webhook)
            async with post.sending("127.0.0.2/32", resolve=rebinding):
                await post.settled(webhook, ("delivered", 1))
                await post.ping(webhook)
                _, second = await post.settled(webhook, ("delivered", 1), ("waiting", 1))
            assert [each.id for each in allowed.got] == [first.event_id]
            assert inside.got == []
    assert asked == ["rebinding.example"] * 2
    assert second.last_error == "rebinding.example leads to an address that may not be reached without TLS"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "https://127.0.0.1:{}/", "http://localhost:{}/", "http://0x7f.1:{}/", "https://[::ffff:127.0.0.1]:{}/"]
)
async def test_s87_what_is_not_public_is_not_reached_unless_the_installation_says_so(post: Post, url: str) -> None:
    """S87: in whatever spelling, since what is looked at is what the system makes of it."""
    async with receiver() as here:
        webhook, _ = await post.webhook(url.format(here.url.split(":")[2].split("/")[0]))
        await post.ping(webhook)
        async with post.sending("10.0.0.0/8"):
            (delivery,) = await post.settled(webhook, ("waiting", 1))
        assert here.got == []
    assert "may not be reached" in str(delivery.last_error)


@pytest.mark.asyncio
async def test_s87_a_name_of_which_one_address_may_not_be_reached_is_not_followed_at_all(post: Post) -> None:
    """S87: nor does the order of the answers matter."""

    async def both(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1", "10.0.0.7"]

    async with receiver() as here:
        webhook, _ = await post.webhook(here.url)
        await post.ping(webhook)
        async with post.sending(resolve=both):
            await post.settled(webhook, ("waiting", 1))
        assert here.got == []


@pytest.mark.asyncio
async def test_s87_a_redirect_is_a_failure_and_nobody_goes_there(post: Post) -> None:
    """S87."""
    async with receiver() as elsewhere, receiver() as here:
        here.answers = [REDIRECT.format(elsewhere.url)]
        webhook, _ = await post.webhook(here.url)
        await post.ping(webhook)
        async with post.sending():
            (delivery,) = await post.settled(webhook, ("waiting", 1))
        assert (delivery.last_status, elsewhere.got) == (307, [])
    assert delivery.last_error == "the receiver answered 307: redirects are not followed"


@pytest.mark.asyncio
async def test_s87_a_certificate_must_count_for_the_name(post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S87: the connection goes to a number, and what is verified is the name."""
    certificate, key = certificate_for("localhost", tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    async with receiver(tls=tls) as here:
        webhook, _ = await post.webhook(here.url)

        async def to_here(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        await post.ping(webhook)
        async with post.sending(resolve=to_here):
            (delivery,) = await post.settled(webhook, ("waiting", 1))
        assert "certificate" in str(delivery.last_error)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        await post.later()
        async with post.sending(resolve=to_here):
            await post.settled(webhook, ("delivered", 2))
        other, _ = await post.webhook(here.url.replace("localhost", "other.example"))
        await post.ping(other)
        async with post.sending(resolve=to_here):
            await post.settled(other, ("waiting", 1))
        assert len(here.got) == 1


@pytest.mark.asyncio
async def test_what_fails_comes_again_and_a_contacts_next_change_waits_for_it(post: Post) -> None:
    """In order by contact, though another one's goes ahead; the same id and body at every attempt."""
    async with receiver() as here:
        webhook, _ = await post.webhook(here.url, kinds=["contact.changed"])
        here.answers = [status(422)]
        await post.notice(await post.resolve(event("anonymous_token:a", attributes={"n": 1})))
        async with post.sending():
            await post.settled(webhook, ("waiting", 1))
            await post.notice(
                await post.resolve(event("anonymous_token:a", attributes={"n": 2}, minutes=1), event("anonymous_token:b", minutes=2))
            )
            await post.settled(webhook, ("waiting", 1), ("waiting", 0), ("delivered", 1))
            await post.later()
            await post.settled(webhook, ("delivered", 2), ("delivered", 1), ("delivered", 1))
        first, bens, again, second = here.got
    assert (first.id, first.body) == (again.id, again.body)
    assert [each.said["data"]["version"] for each in (first, bens, again, second)] == [1, 1, 1, 2]
    async with post.store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select failing_since from webhooks") is None


@pytest.mark.asyncio
async def test_a_dead_receiver_holds_up_no_other_and_is_asked_with_one_delivery_at_a_time(post: Post) -> None:
    """S87's fan-out: five dead ones of one workspace, and the others of it and of another hear at once."""
    post.limits = post.limits._replace(seconds=3.0, per_workspace=20, per_webhook=2, at_once=25)
    async with receiver() as dead, receiver() as alive:
        dead.is_dead = True
        dying = [(await post.webhook(f"{dead.url}{number}"))[0] for number in range(5)]
        for webhook in dying:
            for _ in range(4):
                await post.ping(webhook)
        timeouts = post.metrics.attempts.labels("timeout")
        living, strangers = (await post.webhook(alive.url))[0], (await post.webhook(alive.url, workspace="other"))[0]
        async with post.sending():
            await dead.has(10)
            for webhook in (living, strangers):
                for _ in range(3):
                    await post.ping(webhook)
            await alive.has(6)
            assert timeouts._value.get() == 0, "before the first dead one is given up"
            assert set(dead.most_open.values()) == {2}
            async with asyncio.timeout(10):
                while len([each for webhook in dying for each in await post.deliveries(webhook) if each.last_error is not None]) < 10:
                    await asyncio.sleep(0.05)
            dead.most_open.clear()
            await post.later()
            await dead.has(15)
            await asyncio.sleep(0.6)
            assert set(dead.most_open.values()) == {1}
        states = [await post.deliveries(each) for each in dying]
    assert {each.last_error for found in states for each in found} == {"127.0.0.1 does not answer within 3 s", None}


@pytest.mark.asyncio
async def test_whoever_dies_between_post_and_commit_leaves_it_to_the_next_who_posts_it_again_under_its_id(post: Post) -> None:
    """At least once; and nobody takes it before the lease is over."""
    async with receiver() as here:
        webhook, _ = await post.webhook(here.url)
        ping = await post.ping(webhook)

        with failing("webhooks.posted", 1):
            async with post.sending(workers=2):
                await here.has(1)
                await asyncio.sleep(1.2)
        assert len(here.got) == 1
        async with post.sending():
            await post.later()
            await post.settled(webhook, ("delivered", 2))
    assert [each.id for each in here.got] == [ping.event_id] * 2


@pytest.mark.asyncio
async def test_a_webhook_where_nothing_arrives_for_long_is_disabled_by_itself_and_the_log_says_so(post: Post) -> None:
    """So is one that answers 410; what waits waits on, and goes out once a person enables it."""
    async with receiver() as here:
        here.answers = [status(500)] * 2
        webhook, _ = await post.webhook(here.url)
        await post.ping(webhook)
        async with post.sending():
            await post.settled(webhook, ("waiting", 1))
            await post.set("failing_since = clock_timestamp() - interval '73 hours'", webhook.webhook_id)
            await post.later()
            await post.settled(webhook, ("waiting", 2))
            await post.later()
            await asyncio.sleep(0.7)
            assert len(here.got) == 2
            async with post.store.transaction(["acme"]) as connection:
                rows = await connection.fetch("select is_enabled, disabled_because from webhooks")
                (entry,) = await log.page(connection, "acme", log.Wanted(), before=None, limit=9)
                await webhooks.edit_webhook(connection, webhook, Rules(SECRETS, allows_http=True))
            await post.settled(webhook, ("delivered", 3))
            here.answers = [status(410)]
            await post.ping(webhook)
            await post.settled(webhook, ("delivered", 3), ("waiting", 1))
    assert [tuple(row) for row in rows] == [(False, "nothing has arrived there for 72 hours")]
    assert (entry.actor, entry.action, entry.object_id) == ("webhooks-worker", "disabled", str(webhook.webhook_id))
    async with post.store.transaction(["acme"]) as connection:
        assert await connection.fetchval("select disabled_because from webhooks") == "the receiver answered 410 Gone"


@pytest.mark.asyncio
async def test_a_delivery_that_fails_for_good_is_listed_and_can_be_sent_again(post: Post) -> None:
    """Never lost silently; what ended long ago is pruned, also what waited for a webhook that nobody enabled."""
    async with receiver() as here:
        here.answers = [status(500)]
        webhook, _ = await post.webhook(here.url)
        ping = await post.ping(webhook)
        async with post.store.transaction(["acme"]) as connection:
            await connection.execute("update webhook_deliveries set attempts = 12")
        async with post.sending():
            (failed,) = await post.settled(webhook, ("failed", 13))
            assert (failed.last_status, failed.last_error) == (500, "the receiver answered 500")
            await post.later()
            async with post.store.transaction(["acme"]) as connection:
                await webhooks.send_again(connection, webhook, ping.delivery_id)
            await post.settled(webhook, ("delivered", 1))
    await post.ping(webhook)
    await post.set("is_enabled = false", webhook.webhook_id)
    async with post.store.transaction(["acme"]) as connection:
        await connection.execute(
            "update webhook_deliveries set finished_at = finished_at - interval '15 days', created_at = created_at - interval '15 days'"
        )
    async with post.sending():
        async with asyncio.timeout(5):
            while [each.state for each in await post.deliveries(webhook)] != ["failed"]:
                await asyncio.sleep(0.05)
    assert Counter(each.id for each in here.got) == {ping.event_id: 2}
