"""What is due to webhooks: written once an event and webhook, claimed by a lease, and settled (decision 0039).

A claim is an attempt: whoever dies in the middle of one leaves the delivery to the next sender when its lease is over. What is due about
one contact to one webhook goes out in the order in which it came: nothing is claimed before what is earlier has ended. Written by the
stream of webhooks and by use cases, claimed and settled by its sender.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from onefold.records.store import Connection

# A transaction id first: whoever purges an erased person waits for those that are lower than theirs (`erased.now_at_work`).
BEGIN = "select pg_current_xact_id()"
ERASED = "select contact_id from contacts where workspace = any($1::text[]) and contact_id = any($2::uuid[]) and erased_at is not null"
INSERT = """
insert into webhook_deliveries (workspace, delivery_id, webhook_id, event_id, kind, contact_id, contact_version, body)
select n.workspace, n.delivery_id, n.webhook_id, n.event_id, n.kind, n.contact_id, n.contact_version, n.body
from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::bigint[], $8::bytea[]) with ordinality
  as n (workspace, delivery_id, webhook_id, event_id, kind, contact_id, contact_version, body, number)
order by n.number
on conflict (event_id, webhook_id, workspace) do nothing
returning 1
"""

_COLUMNS = "delivery_id, webhook_id, seq, event_id, kind, contact_id, state, attempts, next_attempt_at, last_status, last_error, created_at"
_SHOWN = f"{_COLUMNS}, finished_at, octet_length(body) as bytes"
PAGE = f"""
select {_SHOWN} from webhook_deliveries
where webhook_id = $2 and workspace = $1 and seq < coalesce($3, 9223372036854775807) and ($4::text is null or state = $4)
order by seq desc limit $5
"""
GET = f"select {_SHOWN} from webhook_deliveries where delivery_id = $3 and webhook_id = $2 and workspace = $1"
# Of one that is being sent the lease stays.
AGAIN = f"""
update webhook_deliveries set state = 'waiting', finished_at = null,
  attempts = case when state = 'waiting' then attempts else 0 end,
  claim = case when state = 'waiting' then claim else claim + 1 end,
  next_attempt_at = case when state = 'waiting' then next_attempt_at else clock_timestamp() end
where delivery_id = $3 and webhook_id = $2 and workspace = $1 returning {_SHOWN}
"""

# Those with something due, and how far a sender may go with each: one at a time where nothing arrives just now.
READY = """
select w.workspace, w.webhook_id, w.url, w.failing_since is not null as is_failing from webhooks w
where w.workspace = any($1::text[]) and w.is_enabled and (w.paused_until is null or w.paused_until <= clock_timestamp())
  and (
    select d.next_attempt_at from webhook_deliveries d
    where d.webhook_id = w.webhook_id and d.workspace = w.workspace and d.state = 'waiting'
    order by d.next_attempt_at limit 1) <= statement_timestamp()
"""
# What is earlier is looked up one by one, by its contact: `is not distinct from` keeps the planner from walking through all that is due to
# the webhook for each. So a claim takes 2 ms at 20,000 that wait; on a table that was never analysed it takes minutes (`know_yourself`).
CLAIM = """
update webhook_deliveries d set attempts = d.attempts + 1, claim = d.claim + 1, next_attempt_at = clock_timestamp() + $4
from (
  select n.delivery_id, n.workspace from webhook_deliveries n left join lateral (
    select true as is_there from webhook_deliveries e
    where e.workspace = $1 and e.contact_id = n.contact_id and e.seq < n.seq
      and e.webhook_id is not distinct from n.webhook_id and e.state = 'waiting'
    order by e.seq desc limit 1
  ) earlier on true
  where n.webhook_id = $2 and n.workspace = $1 and n.state = 'waiting' and n.next_attempt_at <= statement_timestamp()
    and earlier.is_there is null
  order by n.next_attempt_at, n.seq limit $3 for update of n skip locked
) as free
where d.delivery_id = free.delivery_id and d.workspace = free.workspace
returning d.workspace, d.webhook_id, d.delivery_id, d.claim, d.event_id, d.kind, d.attempts, d.body
"""
ARRIVED = """
update webhook_deliveries set state = 'delivered', last_status = $4, last_error = null, finished_at = clock_timestamp()
where delivery_id = $2 and workspace = $1 and claim = $3 and state = 'waiting'
"""
RECOVERED = """
update webhooks set failing_since = null, failures = 0, paused_until = null
where webhook_id = $2 and workspace = $1 and failing_since is not null
"""
NOT_ARRIVED = """
update webhook_deliveries set last_status = $4, last_error = $5, next_attempt_at = clock_timestamp() + coalesce($6::interval, '0'),
  state = case when $6::interval is null then 'failed' else 'waiting' end,
  finished_at = case when $6::interval is null then clock_timestamp() end
where delivery_id = $2 and workspace = $1 and claim = $3 and state = 'waiting'
"""
FAILING = """
update webhooks set failing_since = coalesce(failing_since, clock_timestamp()), failures = failures + ($3::interval is not null)::integer,
  paused_until = coalesce(clock_timestamp() + $3::interval, paused_until)
where webhook_id = $2 and workspace = $1
returning is_enabled and failing_since < clock_timestamp() - $4::interval
"""
DISABLE = """
update webhooks set is_enabled = false, disabled_because = $3, updated_at = clock_timestamp()
where webhook_id = $2 and workspace = $1 and is_enabled
"""
FAILURES = "select failures from webhooks where webhook_id = $2 and workspace = $1"

WAITING = """
select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from (
  select d.created_at from webhook_deliveries d join webhooks w on w.webhook_id = d.webhook_id and w.workspace = d.workspace
  where d.workspace = any($1::text[]) and d.state = 'waiting' and w.is_enabled limit 10000) as open
"""
KNOWN = "select reltuples::bigint from pg_class where oid = 'webhook_deliveries'::regclass"
ANALYZE = "analyze webhook_deliveries"
PRUNE = """
delete from webhook_deliveries d using (
  select delivery_id, workspace from webhook_deliveries
  where workspace = $1 and state <> 'waiting' and finished_at < clock_timestamp() - $2::interval limit $3) as old
where d.delivery_id = old.delivery_id and d.workspace = old.workspace
"""
# Of a webhook that is disabled nothing is tried, so nothing ends by itself.
GIVE_UP = """
update webhook_deliveries d set state = 'failed', finished_at = clock_timestamp(), last_error = 'the webhook was disabled for too long'
from webhooks w
where d.workspace = $1 and d.state = 'waiting' and d.created_at < clock_timestamp() - $2::interval
  and w.webhook_id = d.webhook_id and w.workspace = d.workspace and not w.is_enabled
"""
FORGET = "delete from webhook_deliveries where workspace = $1 and contact_id = any($2::uuid[])"
# The last change of an erased contact says nothing of the person, and must arrive.
FORGET_OLDER = """
delete from webhook_deliveries d using contacts c
where d.workspace = $1 and d.contact_id = any($2::uuid[]) and d.kind = 'contact.changed'
  and c.contact_id = d.contact_id and c.workspace = d.workspace and d.contact_version < c.version
"""


class DeliveryNotFound(Refused):
    """The webhook has no delivery of this id; it may have been pruned."""

    code = "delivery_not_found"


class Due(NamedTuple):
    """Something that is due to one webhook."""

    workspace: str
    delivery_id: UUID
    webhook_id: UUID
    event_id: str
    kind: str
    contact_id: UUID | None
    contact_version: int | None
    body: bytes


class Delivery(NamedTuple):
    """What became of something that was due, without its body."""

    delivery_id: UUID
    webhook_id: UUID
    seq: int
    event_id: str
    kind: str
    contact_id: UUID | None
    state: str
    """waiting, delivered, failed."""
    attempts: int
    next_attempt_at: datetime
    last_status: int | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None
    bytes: int


class Ready(NamedTuple):
    """A webhook to which something is due now."""

    workspace: str
    webhook_id: UUID
    url: str
    is_failing: bool


class Claimed(NamedTuple):
    """A delivery that is the caller's to send, until its lease ends."""

    workspace: str
    webhook_id: UUID
    delivery_id: UUID
    claim: int
    event_id: str
    kind: str
    attempts: int
    """This one among them."""
    body: bytes


async def begin(connection: Connection) -> None:
    """To be done before anything is looked up from which deliveries are made."""
    await connection.execute(BEGIN)


async def erased_among(connection: Connection, workspaces: Iterable[str], contacts: Iterable[UUID]) -> set[UUID]:
    """Which of these contacts were erased: what topics still say of them goes nowhere any more."""
    return {row["contact_id"] for row in await connection.fetch(ERASED, sorted(workspaces), list(contacts))}


async def insert_due(connection: Connection, due: Sequence[Due]) -> int:
    """Keep what is due, in this order, each event once a webhook; gives how many are new."""
    if not due:
        return 0
    return len(await connection.fetch(INSERT, *(list(column) for column in zip(*due, strict=True))))


async def page(
    connection: Connection, workspace: str, webhook_id: UUID, *, before: int | None, state: str | None, limit: int
) -> list[Delivery]:
    """Deliveries of a webhook, the latest first."""
    return [Delivery(*row.values()) for row in await connection.fetch(PAGE, workspace, webhook_id, before, state, limit)]


async def find_delivery(connection: Connection, workspace: str, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """One delivery. Raises DeliveryNotFound."""
    row = await connection.fetchrow(GET, workspace, webhook_id, delivery_id)
    if row is None:
        raise DeliveryNotFound(f"webhook {webhook_id} has no delivery {delivery_id}; old ones are deleted")
    return Delivery(*row.values())


async def send_again(connection: Connection, workspace: str, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Let a delivery that has ended be due anew, with all its attempts; one that waits goes on waiting. Raises DeliveryNotFound."""
    row = await connection.fetchrow(AGAIN, workspace, webhook_id, delivery_id)
    if row is None:
        raise DeliveryNotFound(f"webhook {webhook_id} has no delivery {delivery_id}; old ones are deleted")
    return Delivery(*row.values())


async def ready(connection: Connection, workspaces: Sequence[str]) -> list[Ready]:
    """The webhooks to which something is due now, and that are not left alone."""
    return [Ready(*row.values()) for row in await connection.fetch(READY, list(workspaces))]


async def claim(connection: Connection, webhook: Ready, most: int, lease: timedelta) -> list[Claimed]:
    """Up to so many deliveries of a webhook that are due and nobody's, now the caller's for the length of the lease."""
    return [Claimed(*row.values()) for row in await connection.fetch(CLAIM, webhook.workspace, webhook.webhook_id, most, lease)]


async def arrived(connection: Connection, delivery: Claimed, status: int) -> None:
    """Say that a delivery was taken. Of one that is somebody else's by now nothing changes."""
    await connection.execute(ARRIVED, delivery.workspace, delivery.delivery_id, delivery.claim, status)
    await connection.execute(RECOVERED, delivery.workspace, delivery.webhook_id)


async def not_arrived(connection: Connection, delivery: Claimed, status: int | None, error: str, pause: timedelta | None) -> None:
    """Say that an attempt came to nothing, and when the next one is; None: there is none."""
    await connection.execute(NOT_ARRIVED, delivery.workspace, delivery.delivery_id, delivery.claim, status, error, pause)


async def failures(connection: Connection, delivery: Claimed) -> int:
    """How many attempts in a row came to nothing at the webhook of a delivery."""
    return await connection.fetchval(FAILURES, delivery.workspace, delivery.webhook_id) or 0


async def failing(connection: Connection, delivery: Claimed, rest: timedelta | None, patience: timedelta) -> bool:
    """Count an attempt that came to nothing, and leave the webhook alone for a while; says whether it has failed for longer than that."""
    return bool(await connection.fetchval(FAILING, delivery.workspace, delivery.webhook_id, rest, patience))


async def disable(connection: Connection, workspace: str, webhook_id: UUID, because: str) -> bool:
    """Send nothing more to a webhook until a person enables it. Gives whether it was enabled."""
    return bool(await connection.execute(DISABLE, workspace, webhook_id, because) == "UPDATE 1")


async def waiting(connection: Connection, workspaces: Sequence[str]) -> tuple[int, float]:
    """How many deliveries of enabled webhooks wait, counted up to 10,000, and the age of the oldest in seconds."""
    (row,) = await connection.fetch(WAITING, list(workspaces))
    return row[0], row[1]


async def know_yourself(connection: Connection, waiting: int) -> bool:
    """Let the planner look at the table where it knows of fewer rows than wait: autovacuum comes too late for the first thousands."""
    is_behind = bool(await connection.fetchval(KNOWN) < waiting)
    if is_behind:
        await connection.execute(ANALYZE)
    return is_behind


async def prune(connection: Connection, workspace: str, kept: timedelta, most: int) -> tuple[int, int]:
    """Delete some of what ended longer ago, and give up what waits for a disabled webhook for as long: how many of each."""
    given_up, deleted = await connection.execute(GIVE_UP, workspace, kept), await connection.execute(PRUNE, workspace, kept, most)
    return int(deleted.split()[-1]), int(given_up.split()[-1])


async def forget_contacts(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> None:
    """Delete all that was due about these contacts, sent or not."""
    await connection.execute(FORGET, workspace, list(contacts))


async def forget_older(connection: Connection, workspace: str, contacts: Sequence[UUID]) -> None:
    """Delete what was due about versions of these contacts before the one that they are at."""
    await connection.execute(FORGET_OLDER, workspace, list(contacts))
