"""From what is asked for to what is sent, on real Postgres and real mail servers: once, later, never, or nobody knows."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
import structlog

from onefold.failpoints import arm, disarm
from onefold.local.mailbox import Mailbox
from onefold.messages.times import time_text
from onefold.observe import Metrics, OutreachMetrics
from onefold.outreach.mail import Writes
from onefold.outreach.mail_folder import FolderSender
from onefold.outreach.smtp import Server, SmtpSender
from onefold.records import outreach
from streams.app import Message
from streams.delivering import Delivering, Limits
from streams.outreach import Requests
from tests.support.letters import letter
from tests.support.mail_servers import mail_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from pathlib import Path

    from onefold.messages.outreach import Channel, OutreachRequested
    from onefold.outreach.sending import Sender
    from onefold.records.outreach import MessageRow
    from onefold.records.store import Store

pytestmark = pytest.mark.asyncio

WRITES = Writes("no-reply@rivers.example")
SOON = "update outreach_messages set next_attempt_at = clock_timestamp() - interval '1 second' where state = 'waiting'"


@dataclass
class Post:
    """A store, and what sends what is asked for there."""

    store: Store
    metrics: OutreachMetrics = field(default_factory=lambda: OutreachMetrics(Metrics()))

    async def take(self, *messages: OutreachRequested | bytes | None) -> None:
        """What the stream does with a batch."""
        values = [each if isinstance(each, bytes) or each is None else msgspec.json.encode(each) for each in messages]
        await Requests(self.store, self.metrics, structlog.get_logger()).settle([Message(n, b"k", value) for n, value in enumerate(values)])

    @asynccontextmanager
    async def delivering(self, senders: Mapping[Channel, Sender], workers: int = 1) -> AsyncIterator[None]:
        """Senders for as long as the block runs."""
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                worker = Delivering(self.store, senders, Limits(at_once=5, seconds=2.0), self.metrics, structlog.get_logger())
                tasks.create_task(worker.run(stopping))
            try:
                yield
            finally:
                stopping.set()

    async def rows(self) -> list[MessageRow]:
        """What became of everything."""
        async with self.store.transaction(["acme"]) as connection:
            return await outreach.latest(connection, "acme", 100)

    async def settled(self, *states: tuple[str, int, str | None]) -> None:
        """Wait until messages have ended so, after so many attempts, for that reason; says how they are if they never do."""
        found: list[tuple[str, int, str | None]] = []
        try:
            async with asyncio.timeout(10):
                while sorted(found, key=str) != sorted(states, key=str):
                    await asyncio.sleep(0.03)
                    found = [(each.state, each.attempts, each.outcome) for each in await self.rows()]
        except TimeoutError:
            raise AssertionError(found) from None

    async def later(self) -> None:
        """Time passes: pauses and claims are over."""
        async with self.store.transaction(["acme"]) as connection:
            await connection.execute(SOON)

    async def kept(self) -> str:
        """All that the table says."""
        async with self.store.transaction(["acme"]) as connection:
            return str([dict(row) for row in await connection.fetch("select * from outreach_messages")])


@pytest.fixture
def post(store: Store) -> Iterator[Post]:
    yield Post(store)
    disarm()


def mails(port: int, seconds: float = 2.0) -> dict[Channel, Sender]:
    return {"email": SmtpSender(Server("127.0.0.1", port, "none", seconds=seconds), WRITES)}


def fresh(template: str = "verification_code", channel: str = "email", **other: Any) -> OutreachRequested:
    return letter(template, channel, **{"message_id": uuid4(), **other})


async def test_what_is_asked_for_again_is_sent_once_by_however_many_workers(post: Post) -> None:
    """S17: the topic tells a message at least once, workers share the table, and each message is one mail."""
    messages = [fresh() for _ in range(12)]
    async with mail_server() as server, post.delivering(mails(server.port), workers=3):
        await post.take(*messages, *messages[:4])
        await post.take(*messages)
        await post.settled(*[("sent", 1, None)] * 12)
        await post.take(*messages)
        await asyncio.sleep(0.5)
        assert len(server.got) == 12
        assert len({_id_of(each) for each in server.got}) == 12
    kept = await post.kept()
    assert "048213" not in kept, "what was sent is kept by nobody"
    assert "ann.lee" not in kept


async def test_what_is_refused_for_now_is_tried_again_and_arrives_under_the_same_id(post: Post) -> None:
    async with mail_server() as server, post.delivering(mails(server.port)):
        server.rcpt, server.data = ["450 4.2.0 greylisted"], ["451 4.3.0 later"]
        await post.take(fresh())
        for attempts in (1, 2):
            await post.settled(("waiting", attempts, "smtp_450" if attempts == 1 else "smtp_451"))
            await post.later()
        await post.settled(("sent", 3, None))
        assert len({_id_of(each) for each in server.got}) == 1


async def test_what_is_refused_for_good_is_not_tried_again(post: Post) -> None:
    async with mail_server() as server, post.delivering(mails(server.port)):
        server.rcpt = ["550 5.1.1 <ann.lee@example.com>: nobody here"]
        await post.take(fresh())
        await post.settled(("failed", 1, "smtp_550"))
    assert "ann.lee" not in await post.kept()


async def test_without_an_answer_nothing_is_sent_again(post: Post) -> None:
    """Decision 0041: rather none than two."""
    async with mail_server() as server, post.delivering(mails(server.port)):
        server.data = ["drop"]
        await post.take(fresh())
        await post.settled(("unclear", 1, "no_answer"))
        await post.later()
        await asyncio.sleep(0.5)
        assert len(server.got) == 1


@pytest.mark.parametrize(
    ("point", "row", "mails_sent"),
    [
        ("outreach.claimed", ("sent", 2, None), 1),
        ("outreach.handed_over", ("unclear", 1, "interrupted"), 0),
        ("outreach.answered", ("unclear", 1, "interrupted"), 1),
    ],
)
async def test_who_dies_before_handing_over_leaves_it_to_the_next_and_who_dies_later_to_nobody(
    post: Post, point: str, row: tuple[str, int, str | None], mails_sent: int
) -> None:
    """S17, decision 0041: wherever a worker ends, its message is never sent twice."""
    died = asyncio.Event()

    async def die() -> None:
        died.set()
        raise RuntimeError("the worker is gone")

    async with mail_server() as server:
        arm(point, die)
        async with post.delivering(mails(server.port)):
            await post.take(fresh())
            await asyncio.wait_for(died.wait(), 5)
        disarm()
        await post.later()
        async with post.delivering(mails(server.port)):
            await post.settled(row)
            await asyncio.sleep(0.3)
        assert len(server.got) == mails_sent


async def test_what_comes_too_late_is_not_sent(post: Post) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    async with mail_server() as server, post.delivering(mails(server.port)):
        await post.take(fresh(at=time_text(past - timedelta(minutes=10)), expires_at=time_text(past)))
        await post.settled(("expired", 0, None))
        assert server.got == []
    assert "048213" not in await post.kept()


async def test_a_provider_that_is_dead_holds_up_no_other_channel_and_not_the_stream(post: Post, tmp_path: Path) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    dead = await asyncio.start_server(never, "127.0.0.1", 0)
    senders = mails(dead.sockets[0].getsockname()[1], seconds=1.0)
    senders["sms"] = FolderSender(Mailbox(tmp_path))
    async with dead, post.delivering(senders):
        await post.take(*(fresh() for _ in range(20)))
        await post.take(fresh(channel="sms"))
        async with asyncio.timeout(5):
            while sum(each.state == "sent" for each in await post.rows()) == 0:  # it lies in the folder before its row says so
                await asyncio.sleep(0.03)
        assert len(Mailbox(tmp_path).mails()) == 1
        assert sum(each.state == "waiting" for each in await post.rows()) == 20


async def test_what_cannot_be_read_is_dropped_and_buried_nowhere(post: Post) -> None:
    """Decision 0041: a dead letter would keep a code for months."""
    broken = msgspec.json.encode(fresh()).replace(b'"acme"', b'"ac,me"')
    await post.take(
        b"{", None, broken, msgspec.json.encode(fresh(expires_at="soon")), fresh(user_id=None), fresh(workspace="nowhere"), fresh()
    )
    assert [each.state for each in await post.rows()] == ["waiting"]
    async with post.store.connection() as connection:
        assert await connection.fetchval("select count(*) from outbox") == 0


async def test_what_was_settled_long_ago_is_forgotten(post: Post) -> None:
    async with mail_server() as server, post.delivering(mails(server.port)):
        await post.take(fresh())
        await post.settled(("sent", 1, None))
    async with post.store.transaction(["acme"]) as connection:
        assert await outreach.prune(connection, ["acme"], timedelta(hours=1)) == 0
        assert await outreach.prune(connection, ["acme"], timedelta(0)) == 1


def _id_of(mail: bytes) -> bytes:
    (found,) = [line for line in mail.splitlines() if line.lower().startswith(b"message-id:")]
    return found
