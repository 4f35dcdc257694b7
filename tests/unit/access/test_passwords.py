"""Passwords, hashed and compared as typed (S18 to S22, S25)."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onefold.access.passwords import AT_ONCE, LONGEST, MOST_WAITING, SHORTEST, Passwords, judge
from onefold.errors import InvalidMessage, TemporaryError
from tests.support.apis import PASSWORD, QUICK

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """With the parameters that we run with."""
    found = Passwords()
    yield found
    found.close()


@pytest.mark.asyncio
async def test_a_hash_says_what_it_is_made_with(passwords: Passwords) -> None:
    """S18: argon2id, at or above 19 MiB, two passes, one lane; salted."""
    one, two = [await passwords.hash(PASSWORD) for _ in range(2)]
    found = extract_parameters(one.partition("v0")[2])
    assert found.type is Type.ID
    assert (found.memory_cost >= 19_456, found.time_cost >= 2, found.parallelism) == (True, True, 1)
    assert found.salt_len >= 16
    assert one != two


QUICKLY = Passwords(hasher=QUICK)
LONG_ENOUGH = st.text(min_size=SHORTEST, max_size=LONGEST)


@given(LONG_ENOUGH, LONG_ENOUGH)
@settings(max_examples=100, deadline=None)
def test_s21_only_the_same_text_is_the_password(chosen: str, typed: str) -> None:
    """S21: any Unicode, no trimming, no truncation, no folding of case; composed and decomposed are one and the same."""

    async def holds(stored: str, text: str) -> bool:
        return (await QUICKLY.verify(stored, text)).holds

    async def run() -> None:
        assume(SHORTEST <= len(unicodedata.normalize("NFC", chosen)) <= LONGEST)
        stored = await QUICKLY.hash(chosen)
        assert await holds(stored, chosen)
        assert await holds(stored, unicodedata.normalize("NFD", chosen))
        normal = unicodedata.normalize("NFC", chosen)
        for other in (typed, chosen[:-1], chosen + " ", " " + chosen, chosen.swapcase(), chosen.strip(), chosen + "x" * LONGEST):
            assert await holds(stored, other) == (unicodedata.normalize("NFC", other) == normal)

    asyncio.run(run())


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ["", "x" * (SHORTEST - 1), "x" * (LONGEST + 1), "é" * (LONGEST + 1), "e\u0301" * (SHORTEST - 1)])
async def test_s21_too_short_and_too_long_are_counted_in_characters(text: str) -> None:
    """S21: after NFC: an e and its accent are one character."""
    with pytest.raises(InvalidMessage, match="12 to 128"):
        await QUICKLY.hash(text)


@pytest.mark.asyncio
async def test_s21_the_shortest_and_the_longest_are_taken() -> None:
    """S21: of four bytes a character, too."""
    for text in ("\U0001f40e" * SHORTEST, "\U0001f40e" * LONGEST):
        stored = await QUICKLY.hash(text)
        assert (await QUICKLY.verify(stored, text)).holds


@pytest.mark.parametrize(
    "common",
    [
        "passwordpassword",
        "123456789012",
        "qwertyuiopasdf",
        "iloveyou1234",
        "P@ssw0rd1234",
        "letmeinletmein",
        "administrator",
        "1qaz2wsx3edc",
        "abcdefghijkl",
        "dragondragon1",
        "111111111111",
        "january2026!",
    ],
)
def test_s22_common_passwords_are_refused(common: str) -> None:
    """S22: without asking anybody."""
    with pytest.raises(InvalidMessage) as caught:
        judge(common, [])
    assert caught.value.code == "weak_password"
    assert common not in str(caught.value)


def test_s22_words_around_the_user_make_no_password() -> None:
    """S22: what is good for others is not for who is called so: tenant, and the e-mail's parts."""
    judge("vandersteen-onderwijs", [])
    with pytest.raises(InvalidMessage):
        judge("vandersteen-onderwijs", ["vandersteen@onderwijs.example"])
    judge(PASSWORD, ["ann@example.com", "Ann", "Lee", "acme"])


@pytest.mark.asyncio
async def test_s25_peppers_rotate() -> None:
    """S25: a hash says which pepper it has; an older one still holds, and asks to be made anew; one that is gone opens nothing."""
    first, both, second = [Passwords(peppers, hasher=QUICK) for peppers in ({1: b"old"}, {1: b"old", 2: b"new"}, {2: b"new"})]
    stored = await first.hash(PASSWORD)
    assert (await first.verify(stored, PASSWORD)) == (True, False)
    assert (await both.verify(stored, PASSWORD)) == (True, True)
    anew = await both.hash(PASSWORD)
    assert (await both.verify(anew, PASSWORD)) == (True, False)
    assert (await second.verify(anew, PASSWORD)) == (True, False)
    assert not (await second.verify(stored, PASSWORD)).holds
    assert not (await Passwords({2: b"other"}, hasher=QUICK).verify(anew, PASSWORD)).holds
    assert (await both.verify(await QUICKLY.hash(PASSWORD), PASSWORD)) == (True, True), "one from before there were any"


@pytest.mark.asyncio
async def test_s19_a_weaker_hash_asks_to_be_made_anew(passwords: Passwords) -> None:
    """S19: whatever parameter it is weaker by; and none of another kind holds."""
    for time_cost, memory_cost in ((1, 19_456), (2, 8_192)):
        hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_cost, parallelism=1)
        assert (await passwords.verify("v0" + hasher.hash(PASSWORD), PASSWORD)) == (True, True)
    for odd in ("", "v0", "v0$argon2id$", "$2b$12$abc", "v9999$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA", PASSWORD):
        assert not (await passwords.verify(odd, PASSWORD)).holds


@pytest.mark.asyncio
async def test_s20_so_many_wait_and_the_others_are_told_to_come_back(passwords: Passwords) -> None:
    """S20: a bounded queue; whoever gives up leaves his place."""
    results = await asyncio.gather(*(passwords.verify(None, PASSWORD) for _ in range(3 * MOST_WAITING)), return_exceptions=True)
    refused = [each for each in results if isinstance(each, TemporaryError)]
    assert len(refused) == 2 * MOST_WAITING
    assert all(each.retry_after_seconds >= 1 for each in refused)
    tasks = [asyncio.ensure_future(passwords.verify(None, PASSWORD)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    for task in tasks[AT_ONCE:]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not (await passwords.verify(None, PASSWORD)).holds
