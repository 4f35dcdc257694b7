"""Somebody of whom every table that can says something, in values that are looked for afterwards; and Ben, who is somebody else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import msgspec

from onefold.contacts.acting import User
from onefold.contacts.merge import Wish, merge
from onefold.contacts.unmerge import unmerge
from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import Excess, Limit, Parked, Proposed, Quarantined, Reason
from onefold.messages.codec import decode
from onefold.messages.interactions import InteractionMessage, WireIdentifier
from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import to_milliseconds
from onefold.messages.topics import OUTREACH_REQUESTED
from onefold.outreach import request as asking
from onefold.records import outreach, parked, proposals, quarantine, timeline, webhook_deliveries
from onefold.records.challenges import know_browser
from onefold.records.histories import tenure_then
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder
from onefold.records.resolution import Resolution
from onefold.records.said import say
from onefold.records.webhook_deliveries import Due
from onefold.visitors.challenges import Ask, Challenges
from onefold.workspace import webhooks
from onefold.workspace.webhook_secrets import SigningSecrets
from tests.support.worlds import EXACT, at, event

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Outcome
    from onefold.records.store import Store
    from tests.support.servers import Database

ANN = User("ann@host", "she asked for it")
ASSERTED = Assurance.ASSERTED
EAGER = replace(EXACT, policy="eager")
CANARY = "canary"
HOUR = timedelta(hours=1)
SIGNS = webhooks.Rules(SigningSecrets({1: b"w" * 32}))
TABLES = """
select c.relname as name, array(select a.attname from pg_attribute a where a.attrelid = c.oid and a.atttypid = 'bytea'::regtype) as binary
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> 'alembic_version'
"""
NEVER = 5_000_000
"""Minutes: later than the clock."""


async def play(store: Store, *interactions: Interaction) -> list[Outcome]:
    resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        return (await resolution.resolve(connection, interactions, {"acme": EAGER}, "test")).outcomes


async def holder(store: Store, identifier: str) -> UUID:
    kind, _, value = identifier.partition(":")
    async with store.transaction(["acme"]) as connection:
        found = await find_holder(connection, ["acme"], kind, value)
    assert found is not None
    return found[1]


async def left(database: Database, text: str) -> list[str]:
    """Tables in which a text lies, whatever column it is in."""
    found = []
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("select set_config('onefold.workspaces', 'acme', false)")
        for row in await connection.fetch(TABLES):
            columns = ["t::text", *(f"coalesce(encode(t.{name}, 'escape'), '')" for name in row["binary"])]
            looked = f"select strpos(lower(concat({', '.join(columns)})), $1) > 0 as is_there from {row['name']} t"  # noqa: S608
            if any(each["is_there"] for each in await connection.fetch(looked, text)):
                found.append(row["name"])
    finally:
        await connection.close()
    return found


def story() -> list[Interaction]:
    """Somebody of three contacts, all of whose values are canaries, and Ben."""
    return [
        event(
            "user_id:canary1",
            "anonymous_token:canary-a",
            assurance=ASSERTED,
            fields={"given_name": "Canary"},
            event_id="one",
            attributes={"n": 1},
        ),
        event("email:canary@example.com", "anonymous_token:canary-b", attributes={"plan": "canary-plan"}, event_id="two", minutes=1),
        event("email:canary@example.com", "user_id:canary1", assurance=ASSERTED, event_id="three", minutes=2),
        event("anonymous_token:canary-c", "device_id:canary-d", event_id="four", minutes=3, fields={"last_name": "Canary"}),
        event("user_id:ben", "anonymous_token:ben-a", assurance=ASSERTED, event_id="ben", minutes=4),
    ]


async def everything(store: Store) -> tuple[UUID, UUID]:
    """The story told, with all that may say something of a person; gives her and Ben."""
    await play(store, *story())
    her, third, ben = [await holder(store, each) for each in ("user_id:canary1", "anonymous_token:canary-c", "user_id:ben")]
    late = event("email:canary@example.com", "phone:+4915112345678", event_id="five", minutes=5)
    late = msgspec.structs.replace(late, raw=b'{"identifiers": [{"semantic_type": "email", "identifier": " Canary@example.com"}]}')
    async with store.transaction(["acme"]) as connection:
        await merge(connection, "acme", Wish(her, third, {}), ANN, shards=4)
        await merge(connection, "acme", Wish(her, ben, {}), User("ann@host", "canary thinks so"), shards=4)
        await unmerge(connection, "acme", ben, User("ann@host", "canary does not"), shards=4)
        held = await tenure_then(connection, "acme", identifier_key("email", "canary@example.com"), None)
        assert held is not None
        await quarantine.put(connection, [Quarantined(held, 50, late)])
        excess = Excess(Limit.CONTACTS_PER_VALUE_DAY, "email", held.key)
        elsewhere = msgspec.structs.replace(late, event_id="six", position=late.position._replace(offset=1_000_000))
        others = Parked(elsewhere, (Excess(Limit.BYTES_PER_CONTACT),), ContactId(ben))
        await parked.park(connection, [Parked(late, (excess,), held.contact_id), others])
        wish = asking.Wish(
            "acme", "verification_code", "canary@example.com", HOUR, "asked_by_owner", parameters={"code": "1"}, contact_id=her
        )
        await asking.request(connection, wish)
        waiting = await connection.fetchval("select payload from outbox where topic = $1", OUTREACH_REQUESTED)
        await outreach.insert_due(connection, [decode(waiting, OutreachRequested)])
        challenges = Challenges(b"c" * 32)
        asked = await challenges.ask(connection, Ask("acme", "validate", "email", "canary@example.com", "https://a.example"))
        confirmed = await connection.fetchrow(
            "select identifier_key, browser_hash from challenges where challenge_id = $1", asked.challenge_id
        )
        assert confirmed is not None
        await know_browser(connection, "acme", *confirmed.values())
        waiting = await connection.fetchval("select payload from outbox where key = $1", str(asked.challenge_id).encode())
        await outreach.insert_due(connection, [decode(waiting, OutreachRequested)])
        webhook, _ = await webhooks.create_webhook(connection, "acme", webhooks.Wish("T", "https://a.example"), SIGNS)
        due = Due("acme", uuid4(), webhook.webhook_id, "seven", "contact.changed", her, 1, b'{"email": "canary@example.com"}')
        await webhook_deliveries.insert_due(connection, [due])
        await say(connection, words("lead", "  CANARY@example.com"), shards=4)
        sides = sorted((her, ben))
        await proposals.propose(connection, [Proposed("acme", ContactId(sides[0]), ContactId(sides[1]), Reason.KNOWN, "email", late)])
    return her, ben


def words(event_id: str, email: str) -> InteractionMessage:
    """A lead, as the Contact API takes it."""
    identifiers = [WireIdentifier("anonymous_token", f"browser-{event_id}"), WireIdentifier("email", email)]
    return InteractionMessage(event_id, "acme", "form", "web", identifiers=identifiers, traits={"last_name": email.strip()})


def line(number: int, tenure: int, contact_id: UUID) -> timeline.Entry:
    """A line of the person, as the timeline stores it."""
    at_ms = to_milliseconds(at(number))
    key, name = timeline.event_key("acme", f"l{number}"), "Pricing"
    return timeline.Entry(
        key, "acme", 1, 0, number, 1, at_ms, tenure, f"l{number}", str(contact_id), "page", "web", name, "seen", None, '{"p": "canary"}'
    )


async def put(store: Store, entries: Sequence[timeline.Entry]) -> None:
    async with store.begin() as connection:
        await timeline.store_entries(connection, entries)
