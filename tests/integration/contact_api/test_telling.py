"""What is decided on at once lies on the log as well, and is decided there again, to no effect (R7, I2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from onefold.identity.interaction import Position
from onefold.messages.codec import encode
from onefold.messages.reading import Arrival, identify, read
from onefold.messages.topics import CONTACTS_CHANGED, INTERACTIONS
from onefold.records import said
from onefold.records.numbers import TenureNumbers
from onefold.records.resolution import Resolution
from onefold.records.rules_versions import rules_in_force
from tests.integration.contact_api.test_me import added, id_of
from tests.integration.contact_api.test_sessions import ANN, registered
from tests.support.contact_apis import PASSWORD

if TYPE_CHECKING:
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection, Store
    from tests.support.contact_apis import ContactApi

pytestmark = pytest.mark.asyncio
CHANGES = "select count(*) from outbox where topic = $1"


async def resolved(connection: Connection, api: ContactApi) -> Plan:
    """What the resolver makes of everything that was said, as it lies on the log."""
    rules = await rules_in_force(connection, ["acme"], recency=timedelta(hours=1))
    at = await said.now(connection)
    interactions = []
    for offset, message in enumerate(await api.said()):
        identifiers, dropped = identify(message.identifiers, rules["acme"])
        arrival = Arrival(Position(INTERACTIONS, 0, offset), at, None, encode(message))
        interactions.append(read(message, identifiers, arrival, rules["acme"], dropped))
    resolution = Resolution(shards=api.parts.shards, numbers=TenureNumbers(), budget=10_000)
    return await resolution.resolve(connection, interactions, rules, "test")


async def test_the_log_says_nothing_that_is_not_so_already(api: ContactApi) -> None:
    """Claims that were waiting attach nothing that the proof did not bring, and no version follows, the second time least of all."""
    async with api.browser() as browser:
        lead = {**ANN, "attributes": {"plan": "pro"}, "consent": {"news": "granted"}, "validation": "otp"}
        await browser.confirm(await browser.ask("/leads", **lead))
        await registered(browser)
        await browser.call("PATCH", "/me", {"given_name": "Anna"})
        assert await added(browser, "second@example.com") == 200
        me = await browser.me()
        replaced = id_of(me, "ann@example.com")
        assert await added(browser, "third@example.com", replaces=replaced) == 200
        before = await browser.me()
        for _ in range(2):
            async with api.store.transaction(["acme"]) as connection:
                count = await connection.fetchval(CHANGES, CONTACTS_CHANGED)
                plan = await resolved(connection, api)
                assert len(plan.outcomes) == len(await api.said())
                assert [each.changes for each in plan.changes] == []
                assert await connection.fetchval(CHANGES, CONTACTS_CHANGED) == count
        assert {**await browser.me(), "updated_at": 0} == {**before, "updated_at": 0}


async def test_whatever_somebody_does_lies_on_the_log_with_no_visitor_made_up(api: ContactApi, store: Store) -> None:
    """Product.md, section 6: what is asked for, done and left; a call that tells no token brings none to the contact."""
    async with api.browser() as browser:
        await registered(browser)
        assert await added(browser, "second@example.com") == 200
        me = await browser.me()
        await browser.call("DELETE", f"/me/identifiers/{id_of(me, 'second@example.com')}")
        body = {"present_password": PASSWORD, "new_password": "nineteen loud cormorants"}
        assert (await browser.call("PUT", "/me/password", body)).status_code == 200
        assert (await browser.call("POST", "/me/export")).status_code == 200
        await browser.call("PUT", "/me/consent", {"consent": {"news": "granted"}})
        await browser.ask("/password-resets", email="ann@example.com")
        await browser.call("DELETE", "/session")
    assert [each.name for each in await api.said()] == [
        "Registration asked for",
        "Registered",
        "Profile given",
        "Identifier added",
        "Identifier added",
        "Identifier removed",
        "Password changed",
        "Data exported",
        "Consent given",
        "Password reset asked for",
        "Signed out",
    ]
    async with store.transaction(["acme"]) as connection:
        await resolved(connection, api)
        held = await connection.fetch("select normalised from identifiers where held_until is null order by semantic_type")
    assert [row["normalised"] for row in held] == [browser.token, "ann@example.com"]
