"""Codes by which visitors prove an address: once, for a while, in the browser that asked, and never by guessing (S3 to S9)."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from onefold.errors import InvalidMessage
from onefold.visitors.challenges import Attempt, ChallengeRefused
from tests.support.outreach import requested

if TYPE_CHECKING:
    from tests.integration.visitors.asking import Asking, Sent

pytestmark = pytest.mark.asyncio

PAUSE = timedelta(minutes=11)
"""After it anybody may ask once more."""


async def test_the_code_that_was_sent_proves_the_address_once(asking: Asking) -> None:
    """S6: a second use fails; what was held for the proof comes back with it, and lies nowhere any more."""
    sent = await asking.ask(identifier=" Ann@Example.com", held={"slug": "work"}, anonymous_token="a-1", language="de")
    assert (sent.message.address, sent.message.template, sent.message.language) == ("ann@example.com", "sign_in_code", "de")
    assert sent.message.challenge_id == sent.asked.challenge_id
    found = await asking.confirm(sent, f" {sent.code[:3]} {sent.code[3:]} ")
    assert (found.identifier, found.purpose, found.method) == ("ann@example.com", "sign_in", "otp")
    assert (found.held, found.anonymous_token, found.in_asking_browser) == ({"slug": "work"}, "a-1", True)
    assert [row[0] for row in await asking.fetch("select held from challenges")] == ["{}"]
    with pytest.raises(ChallengeRefused):
        await asking.confirm(sent)


async def test_s5_of_a_hundred_parallel_tries_exactly_five_are_compared(asking: Asking) -> None:
    """S5: counted before comparing, in one statement. The right code is tried, so that each comparison shows."""
    sent = await asking.ask()

    async def attempt() -> Attempt:
        return await asking.challenges.count_attempt(asking.store, "acme", sent.asked.challenge_id, sent.code, sent.asked.browser)

    results = await asyncio.gather(*[attempt() for _ in range(100)], return_exceptions=True)
    compared = [each for each in results if isinstance(each, Attempt)]
    assert len(compared) == 5
    assert {type(each) for each in results} == {Attempt, ChallengeRefused}
    with pytest.raises(ChallengeRefused):
        await asking.confirm(sent)


async def test_s5_after_five_wrong_codes_the_right_one_is_void(asking: Asking) -> None:
    sent = await asking.ask()
    for _ in range(5):
        with pytest.raises(ChallengeRefused):
            await asking.confirm(sent, sent.wrong)
    with pytest.raises(ChallengeRefused):
        await asking.confirm(sent)


async def test_s6_of_two_at_once_one_uses_the_code(asking: Asking) -> None:
    sent = await asking.ask()
    results = await asyncio.gather(*[asking.confirm(sent) for _ in range(4)], return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["ChallengeRefused"] * 3 + ["Confirmed"]


async def test_s7_s41_a_proof_ends_what_else_was_asked_for_the_address(asking: Asking) -> None:
    """S7: issue three, use one. S41: of other browsers also what has another purpose: what it holds was set without proof."""
    first, second, third = [await _after_a_pause(asking) for _ in range(3)]
    hijack = await _after_a_pause(asking, purpose="register", held={"password": "argon2"})
    own = await _after_a_pause(asking, purpose="validate", browser=second.asked.browser)
    await asking.fetch("update challenges set code_expires_at = clock_timestamp() + '9m', created_at = clock_timestamp() where true")
    await asking.fetch("update challenges set expires_at = clock_timestamp() + '9m' where true")
    assert (await asking.confirm(second)).identifier == "ann@example.com"
    for other in (first, third, hijack):
        with pytest.raises(ChallengeRefused):
            await asking.confirm(other)
    assert not await asking.fetch("select from challenges where held <> '{}'")
    assert (await asking.confirm(own)).purpose == "validate"


async def test_s8_a_new_code_ends_the_old_one_in_the_same_browser(asking: Asking) -> None:
    """S8; and asking in another browser ends nothing, so that no stranger does (S36)."""
    old = await asking.ask()
    await asking.later(timedelta(seconds=31))
    new = await asking.ask(browser=old.asked.browser)
    await asking.later(timedelta(seconds=61))
    await asking.ask()
    with pytest.raises(ChallengeRefused):
        await asking.confirm(old)
    assert (await asking.confirm(new)).identifier == "ann@example.com"


async def test_asking_again_keeps_what_the_first_one_held(asking: Asking) -> None:
    first = await asking.ask(purpose="register", held={"password": "argon2"}, anonymous_token="a-1")
    await asking.later(timedelta(seconds=31))
    again = replace(first.ask, browser=first.asked.browser, purpose="sign_in", held={})
    async with asking.store.transaction(["acme"]) as connection:
        asked = await asking.challenges.ask_again(connection, first.asked.challenge_id, again)
    message = (await requested(asking.store))[-1]
    found = await asking.challenges.confirm(asking.store, "acme", asked.challenge_id, message.parameters["code"], asked.browser)
    assert (found.purpose, found.held, found.anonymous_token) == ("register", {"password": "argon2"}, "a-1")
    with pytest.raises(ChallengeRefused):
        async with asking.store.transaction(["acme"]) as connection:
            await asking.challenges.ask_again(connection, first.asked.challenge_id, again)


async def test_s9_a_challenge_is_bound_to_purpose_workspace_identifier_and_browser(asking: Asking) -> None:
    """S9: swap each, be refused; a row to which another's hash is copied proves nothing either."""
    sent, other = await asking.ask(), await asking.ask(identifier="bob@example.com")
    for swapped in (
        {"workspace": "other"},
        {"browser": other.asked.browser},
        {"browser": None},
        {"challenge_id": other.asked.challenge_id},
        {"challenge_id": uuid.uuid4()},
    ):
        with pytest.raises(ChallengeRefused):
            await asking.confirm(sent, **swapped)
    with pytest.raises(ChallengeRefused):
        await asking.challenges.count_attempt(
            asking.store, "acme", sent.asked.challenge_id, sent.code, sent.asked.browser, purpose="reset_password"
        )
    await asking.fetch("update challenges set identifier = 'eve@example.com' where challenge_id = $1", sent.asked.challenge_id)
    with pytest.raises(ChallengeRefused):
        await asking.confirm(sent)


async def test_s4_a_code_lives_ten_minutes_by_the_clock_of_the_store(asking: Asking) -> None:
    sent = await asking.ask()
    (row,) = await asking.fetch("select code_expires_at - created_at as life from challenges")
    assert row["life"] == timedelta(minutes=10)
    await asking.later(timedelta(minutes=10))
    with pytest.raises(ChallengeRefused):
        await asking.confirm(sent)


async def test_s3_no_table_tells_a_code_a_link_or_a_browser(asking: Asking) -> None:
    """S3: neither in the clear nor as a plain hash that a million tries would open; the outbox has it until it is sent (decision 0041)."""
    sent = await asking.ask(method="magic_link")
    (row,) = await asking.fetch("select c.*, encode(code_hash, 'hex') as hex from challenges c")
    text = repr(dict(row))
    for known in (sent.code, sent.token.partition(".")[2], sent.asked.browser):
        assert known not in text.replace(str(row["challenge_id"]), "")
    tried = await asking.fetch(
        "select from generate_series(0, 999999) as n where encode(sha256(lpad(n::text, 6, '0')::bytea), 'hex') = $1", row["hex"]
    )
    assert tried == []


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"identifier": "nobody"}, "invalid_email"),
        ({"semantic_type": "phone", "identifier": "0660"}, "invalid_phone"),
        ({"purpose": "reset_password", "method": "magic_link"}, "wrong_method"),
        ({"semantic_type": "phone", "identifier": "+436601234567", "method": "magic_link"}, "wrong_method"),
        ({"language": "no language"}, "invalid_language"),
    ],
    ids=["email", "phone", "reset_by_link", "link_by_sms", "language"],
)
async def test_what_cannot_be_asked_for_is_refused_before_anything_is_counted(asking: Asking, other: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidMessage) as refused:
        await asking.ask(**other)
    assert refused.value.code == code
    assert await asking.fetch("select from validation_counts") == []


async def _after_a_pause(asking: Asking, **other: Any) -> Sent:
    await asking.later(PAUSE)
    return await asking.ask(**other)
