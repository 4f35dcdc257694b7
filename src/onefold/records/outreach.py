"""Messages that are to be sent: into the outbox, and from their topic into the table that their sender works through (decision 0041).

What is to be sent is `onefold.outreach`; `streams.outreach` calls the second half. A message is claimed, then marked as handed over, then
settled, each in a transaction of its own, none of which is open while anything is sent (security.md, S17).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from onefold.messages.cloudevents import headers
from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import parse_time
from onefold.messages.topics import OUTREACH_REQUESTED
from onefold.records.outbox import INSERT as INSERT_OUTBOX
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.messages.outreach import Channel
    from onefold.records.store import Connection

SPEAKS = "select title, language, clock_timestamp() as now from workspaces where workspace = $1"
SET_LANGUAGE = "update workspaces set language = $2 where workspace = $1"
TAKES = """
select coalesce(bool_and(outreach), true) from identifiers
where workspace = $1 and contact_id = $2 and semantic_type = $3 and $4 in (normalised, identifier) and held_until is null
"""
# Of an erased person nothing is sent any more: what lay on the topic meanwhile comes to nothing.
INSERT_DUE = """
insert into outreach_messages (workspace, message_id, contact_id, user_id, challenge_id, channel, template, body, requested_at, expires_at)
select n.* from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::bytea[], $9::timestamptz[],
  $10::timestamptz[]) as n (workspace, message_id, contact_id, user_id, challenge_id, channel, template, body, requested_at, expires_at)
where exists (select from workspaces w where w.workspace = n.workspace)
  and not exists (select from contacts c where c.contact_id = n.contact_id and c.workspace = n.workspace and c.erased_at is not null)
on conflict do nothing returning message_id
"""
_OVER = "body = null, claim = null, settled_at = clock_timestamp()"
CLAIM = """
update outreach_messages m set claim = gen_random_uuid(), attempts = attempts + 1, next_attempt_at = clock_timestamp() + $4::interval
from (
  select message_id, workspace from outreach_messages
  where channel = $2 and state = 'waiting' and next_attempt_at <= clock_timestamp() and handed_over_at is null
    and expires_at > clock_timestamp() and workspace = any($1::text[])
  order by next_attempt_at limit $3 for update skip locked) as due
where m.message_id = due.message_id and m.workspace = due.workspace
returning m.workspace, m.message_id, m.claim, m.attempts, m.body
"""
HAND_OVER = """
update outreach_messages set handed_over_at = clock_timestamp()
where message_id = $2 and workspace = $1 and claim = $3 and state = 'waiting' and expires_at > clock_timestamp()
returning true
"""
# Whoever was slow and heard of it only now, still knows better than that it is unclear.
SETTLE = f"""
update outreach_messages set state = $4, outcome = $5, {_OVER}
where message_id = $2 and workspace = $1 and (claim = $3 or state = 'unclear')
"""
AGAIN = """
update outreach_messages set next_attempt_at = clock_timestamp() + $4::interval, outcome = $5, claim = null, handed_over_at = null
where message_id = $2 and workspace = $1 and claim = $3
"""
ABANDONED = f"""
update outreach_messages set state = 'unclear', outcome = 'interrupted', {_OVER}
where state = 'waiting' and handed_over_at is not null and next_attempt_at <= clock_timestamp() and workspace = any($1::text[])
returning channel
"""
EXPIRE = f"""
update outreach_messages set state = 'expired', {_OVER}
where state = 'waiting' and handed_over_at is null and expires_at <= clock_timestamp() and workspace = any($1::text[])
returning channel
"""
PRUNE = """
delete from outreach_messages where ctid in (
  select ctid from outreach_messages
  where state <> 'waiting' and settled_at < clock_timestamp() - $2::interval and workspace = any($1::text[])
  limit $3 for update skip locked)
"""
BACKLOG = """
select count(*) as waiting, coalesce(extract(epoch from clock_timestamp() - min(requested_at)), 0)::float8 as age
from outreach_messages where state = 'waiting' and workspace = any($1::text[])
"""
FIND = """
select message_id, channel, template, state, attempts, outcome, requested_at, settled_at from outreach_messages
where workspace = $1 order by requested_at desc limit $2
"""
FORGET = "delete from outreach_messages where contact_id = any($2::uuid[]) and workspace = $1"
FORGET_CHALLENGES = "delete from outreach_messages where challenge_id = any($2::uuid[]) and workspace = $1"
UNSAY = "delete from outbox where topic = $1 and key = any($2::bytea[])"

MOST_PRUNED: Final = 2_000
_decode = msgspec.json.Decoder(OutreachRequested).decode


class Speaks(NamedTuple):
    """How a workspace speaks to people."""

    service: str
    language: str
    now: datetime
    """By the store's clock, which also judges what has expired (S4)."""


class Claimed(NamedTuple):
    """A message that is this sender's to send."""

    workspace: str
    message_id: UUID
    claim: UUID
    attempts: int
    """This one included."""
    message: OutreachRequested


class MessageRow(NamedTuple):
    """What became of a message. Where it went, and what it said, is not kept."""

    message_id: UUID
    channel: str
    template: str
    state: str
    attempts: int
    outcome: str | None
    requested_at: datetime
    settled_at: datetime | None


class Backlog(NamedTuple):
    """What waits to be sent."""

    messages: int
    age_seconds: float


async def speaks(connection: Connection, workspace: str) -> Speaks | None:
    """How a workspace speaks; None where there is no such workspace."""
    row = await connection.fetchrow(SPEAKS, workspace)
    return Speaks(*row.values()) if row is not None else None


async def set_language(connection: Connection, workspace: str, language: str) -> bool:
    """Let a workspace speak this language where nobody says otherwise; gives whether there is the workspace."""
    changed: str = await connection.execute(SET_LANGUAGE, workspace, language)
    return changed == "UPDATE 1"


async def takes_messages(connection: Connection, workspace: str, contact_id: UUID, semantic_type: str, address: str) -> bool:
    """Whether a contact's identifier may be written to. What the contact does not hold forbids nothing."""
    found: bool = await connection.fetchval(TAKES, workspace, contact_id, semantic_type, address)
    return found


async def enqueue(connection: Connection, message: OutreachRequested) -> None:
    """Put a message into the outbox: it is asked for when the transaction is committed, and not before."""
    key = str(message.subject_id)
    shards = await connection.fetchval("select count from relay_shards")
    tags = headers(OUTREACH_REQUESTED, event_id=str(message.message_id), workspace=message.workspace, subject=key, at=message.at)
    await connection.execute(
        INSERT_OUTBOX,
        [message.subject_id.int % shards],
        [OUTREACH_REQUESTED],
        [key.encode()],
        [msgspec.json.encode(message)],
        [to_json(tags)],
    )


async def insert_due(connection: Connection, messages: Sequence[OutreachRequested]) -> int:
    """Keep what is to be sent, unless it is known already; gives how many were not."""
    rows = await connection.fetch(
        INSERT_DUE,
        [each.workspace for each in messages],
        [each.message_id for each in messages],
        [each.contact_id for each in messages],
        [each.user_id for each in messages],
        [each.challenge_id for each in messages],
        [each.channel for each in messages],
        [each.template for each in messages],
        [msgspec.json.encode(each) for each in messages],
        [parse_time(each.at) for each in messages],
        [parse_time(each.expires_at) for each in messages],
    )
    return len(rows)


async def claim(connection: Connection, workspaces: Sequence[str], channel: Channel, most: int, lease: timedelta) -> list[Claimed]:
    """Take some of what is due, for as long as the lease."""
    rows = await connection.fetch(CLAIM, list(workspaces), channel, most, lease)
    return [Claimed(row[0], row[1], row[2], row[3], _decode(row[4])) for row in rows]


async def hand_over(connection: Connection, claimed: Claimed) -> bool:
    """Mark that the other side may act from now on; False where it must not: the claim is over, or the message has expired."""
    return bool(await connection.fetchval(HAND_OVER, claimed.workspace, claimed.message_id, claimed.claim))


async def settle(connection: Connection, claimed: Claimed, state: str, outcome: str | None) -> None:
    """Say what became of a message. Where it went, and what it said, is forgotten."""
    await connection.execute(SETTLE, claimed.workspace, claimed.message_id, claimed.claim, state, outcome)


async def try_again(connection: Connection, claimed: Claimed, pause: timedelta, outcome: str) -> None:
    """Let a message wait for another attempt."""
    await connection.execute(AGAIN, claimed.workspace, claimed.message_id, claimed.claim, pause, outcome)


async def give_up(connection: Connection, workspaces: Sequence[str]) -> Counter[tuple[str, str]]:
    """Settle what nobody will send: expired, or handed over by whoever died before they heard of it. Counts channels and states."""
    found: Counter[tuple[str, str]] = Counter()
    for statement, state in ((ABANDONED, "unclear"), (EXPIRE, "expired")):
        found.update((row["channel"], state) for row in await connection.fetch(statement, list(workspaces)))
    return found


async def prune(connection: Connection, workspaces: Sequence[str], kept: timedelta) -> int:
    """Forget some of what was settled longer ago than that; gives how many."""
    done: str = await connection.execute(PRUNE, list(workspaces), kept, MOST_PRUNED)
    return int(done.rpartition(" ")[2])


async def backlog(connection: Connection, workspaces: Sequence[str]) -> Backlog:
    """What waits, in all these workspaces."""
    (row,) = await connection.fetch(BACKLOG, list(workspaces))
    return Backlog(row["waiting"], row["age"])


async def latest(connection: Connection, workspace: str, limit: int) -> list[MessageRow]:
    """What became of the latest messages, the last one first."""
    return [MessageRow(*row.values()) for row in await connection.fetch(FIND, workspace, limit)]


async def forget_contacts(connection: Connection, workspace: str, contacts: Iterable[UUID]) -> None:
    """Delete what is, or was, to be sent to these contacts, in the outbox too (S103)."""
    ids = list(contacts)
    await connection.execute(FORGET, workspace, ids)
    await connection.execute(UNSAY, OUTREACH_REQUESTED, [str(each).encode() for each in ids])


async def forget_challenges(connection: Connection, workspace: str, challenges: Sequence[UUID]) -> None:
    """Delete what brings, or brought, these codes and links, in the outbox too (S103)."""
    await connection.execute(FORGET_CHALLENGES, workspace, list(challenges))
    await connection.execute(UNSAY, OUTREACH_REQUESTED, [str(each).encode() for each in challenges])
