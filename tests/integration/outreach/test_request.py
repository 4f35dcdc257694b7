"""Asking for messages: into the outbox, with their transaction or not at all; who does not want any, gets none unasked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.errors import InvalidMessage
from onefold.messages.times import parse_time
from onefold.outreach.request import OutreachRefused, Wish, request
from onefold.records import outreach
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from tests.support.outreach import requested
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.messages.outreach import Reason
    from onefold.records.store import Store
    from onefold.records.users import UserRow

pytestmark = pytest.mark.asyncio

MINUTES = timedelta(minutes=10)


async def contact(store: Store) -> UUID:
    """Somebody who gave an address, and does not want to be written to."""
    async with store.transaction(["acme"]) as connection:
        story = [event("email:Ann@example.com")]
        await Resolution(shards=4, numbers=TenureNumbers(), budget=1_000).resolve(connection, story, {"acme": EXACT}, "test")
        await connection.execute("update identifiers set outreach = false where workspace = 'acme'")
        found: UUID = await connection.fetchval("select contact_id from identifiers")
    return found


async def test_s17_a_message_is_asked_for_when_its_transaction_is_committed_and_not_otherwise(store: Store, user: UserRow) -> None:
    """S17: nothing is sent in a transaction; the outbox carries what was asked for, in the workspace's language and name."""
    wish = Wish("acme", "password_reset", user.email, MINUTES, "security_notice", parameters={"link": "https://x"}, user_id=user.user_id)
    with pytest.raises(RuntimeError):
        async with store.transaction(["acme"]) as connection:
            await request(connection, wish)
            raise RuntimeError
    assert await requested(store) == []
    async with store.transaction(["acme"]) as connection:
        message_id = await request(connection, wish)
    (found,) = await requested(store)
    assert (found.message_id, found.address, found.subject_id) == (message_id, user.email, user.user_id)
    assert (found.language, found.service, found.parameters) == ("de-AT", "acme", {"link": "https://x"})
    assert parse_time(found.expires_at) - parse_time(found.at) == MINUTES


@pytest.mark.parametrize(
    ("reason", "address", "is_sent"),
    [
        ("campaign", "Ann@example.com", False),
        ("campaign", "ann@example.com", False),
        ("asked_by_owner", "Ann@example.com", True),
        ("security_notice", "Ann@example.com", True),
    ],
)
async def test_who_does_not_want_messages_gets_only_what_they_ask_for_and_notices(
    store: Store, reason: Reason, address: str, *, is_sent: bool
) -> None:
    """Product.md, section 3: `outreach: false` on an identifier, however the address is spelt."""
    wish = Wish(
        "acme",
        "verification_link",
        address,
        MINUTES,
        reason,
        parameters={"link": "https://x", "code": "1"},
        contact_id=await contact(store),
    )
    async with store.transaction(["acme"]) as connection:
        if is_sent:
            await request(connection, wish)
        else:
            with pytest.raises(OutreachRefused):
                await request(connection, wish)
    assert len(await requested(store)) == is_sent


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish("acme", "nothing", "a@example.com", MINUTES, "campaign"), "unknown_template"),
        (Wish("acme", "password_reset", "a@example.com", MINUTES, "campaign"), "wrong_parameters"),
        (Wish("acme", "password_changed", "+436601234567", MINUTES, "campaign", "sms"), "wrong_channel"),
        (Wish("acme", "password_changed", "a@example.com", MINUTES, "campaign"), "no_recipient"),
        (Wish("acme", "password_changed", "a@example.com\r\nBcc: b@example.com", MINUTES, "campaign"), "invalid_address"),
        (Wish("acme", "verification_code", "0660", MINUTES, "campaign", "sms", {"code": "1"}), "invalid_address"),
        (Wish("acme", "password_changed", "a@example.com", MINUTES, "campaign", language="de AT"), "invalid_language"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_could_not_be_sent_is_refused_when_it_is_asked_for(store: Store, user: UserRow, wish: Wish, code: str) -> None:
    recipient = None if code == "no_recipient" else user.user_id
    async with store.transaction(["acme"]) as connection:
        with pytest.raises(InvalidMessage) as refused:
            await request(connection, replace(wish, user_id=recipient))
    assert refused.value.code == code


async def test_s103_of_an_erased_person_nothing_is_left_to_send(store: Store) -> None:
    """S103: neither in the outbox, nor in what the sender has, nor in what comes off the topic later."""
    person = await contact(store)
    wish = Wish("acme", "verification_code", "ann@example.com", MINUTES, "asked_by_owner", parameters={"code": "048213"}, contact_id=person)
    async with store.transaction(["acme"]) as connection:
        await request(connection, wish)
    (message,) = await requested(store)
    async with store.transaction(["acme"]) as connection:
        assert await outreach.insert_due(connection, [message]) == 1
    async with store.transaction(["acme"]) as connection:
        await erase(connection, "acme", person, User("ann@host", "she asked for it"), shards=4)
        assert await connection.fetchval("select count(*) from outreach_messages") == 0
        assert await outreach.insert_due(connection, [message]) == 0
    assert await requested(store) == []
