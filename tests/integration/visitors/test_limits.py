"""How often codes may be asked for and tried: each limit, by moving the rows' times (security.md, S14, S15, S29, S34 to S36)."""

from __future__ import annotations

import asyncio
import itertools
import sys
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from onefold.identity.assurance import Assurance
from onefold.records.store import Store
from onefold.records.validation_settings import Breaker, SmsSettings, ValidationSettings
from onefold.visitors.challenges import Asked, ChallengeRefused, Challenges
from onefold.visitors.limits import DestinationRefused, TooManyRequests
from tests.integration.contacts.canaries import play
from tests.integration.visitors.asking import Asking
from tests.support.worlds import event

if TYPE_CHECKING:
    from tests.integration.visitors.asking import Sent
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio

PHONE: dict[str, Any] = {"semantic_type": "phone", "identifier": "+436601234567", "purpose": "validate"}
AUSTRIA = ValidationSettings(otp_sms=SmsSettings(countries=("AT",)))
_people = itertools.count()


def anybody() -> str:
    """An address that was not asked for before."""
    return f"somebody{next(_people)}@example.com"


async def wait_told(asking: Asking, **other: Any) -> int | None:
    """Ask: None where that was answered, else after how many seconds to ask again."""
    try:
        await asking.ask(**other)
    except TooManyRequests as error:
        return error.retry_after_seconds
    return None


async def test_s14_the_pause_before_another_code_doubles_and_an_hour_has_five(asking: Asking) -> None:
    """S14: 30 s, 60 s, 2 min, 4 min; then nothing until the hour that began with the first is over. What is told is when to come."""
    for pause in (30, 60, 120, 240):
        sent = await asking.ask()
        assert (sent.asked.resend_at - await now(asking)).total_seconds() == pytest.approx(pause, abs=2)
        assert await wait_told(asking) == pytest.approx(pause, abs=2)
        await asking.later(timedelta(seconds=pause - 2))
        assert await wait_told(asking) is not None, "too soon"
        await asking.later(timedelta(seconds=2))
    await asking.ask()
    await asking.later(timedelta(minutes=12))
    assert await wait_told(asking) == pytest.approx(3_600 - 450 - 720, abs=5), "five in this hour"
    await asking.later(timedelta(minutes=41))
    assert await wait_told(asking) is None


async def test_s14_of_fifty_who_ask_at_once_for_one_address_one_is_sent_to(asking: Asking) -> None:
    """S14: counted in the statement that decides."""
    results = await asyncio.gather(*[wait_told(asking) for _ in range(50)])
    assert results.count(None) == 1
    assert len(await asking.fetch("select from challenges")) == 1


async def test_s14_twenty_an_hour_from_one_block_of_addresses(asking: Asking) -> None:
    """S14: for whatever addresses; an IPv6 block is a household's /64."""
    for number in range(20):
        await asking.ask(identifier=anybody(), address=f"2001:db8:1:2::{number:x}")
    assert await wait_told(asking, identifier=anybody(), address="2001:db8:1:2:ffff::1") == pytest.approx(3_600, abs=30)
    for elsewhere in ("2001:db8:1:3::1", "192.0.2.1"):
        assert await wait_told(asking, identifier=anybody(), address=elsewhere) is None
    await asking.later(timedelta(minutes=60))
    assert await wait_told(asking, identifier=anybody(), address="2001:db8:1:2::1") is None


async def test_s14_ten_wrong_codes_an_hour_across_challenges_and_its_owner_goes_on(asking: Asking) -> None:
    """S14: however many codes are asked for. S36: in a browser that proved the address before, the owner is held up by none of it."""
    owner = await asking.ask()
    await asking.confirm(owner)
    for _ in range(2):
        await asking.later(timedelta(minutes=5))
        sent = await asking.ask()
        for _ in range(5):
            with pytest.raises(ChallengeRefused):
                await asking.confirm(sent, sent.wrong)
    await asking.later(timedelta(minutes=5))
    third = await asking.ask()
    with pytest.raises(TooManyRequests):
        await asking.confirm(third)
    again = await asking.ask(browser=owner.asked.browser)
    assert (await asking.confirm(again)).identifier == "ann@example.com"
    await asking.later(timedelta(minutes=61))
    later = await asking.ask()
    assert (await asking.confirm(later)).identifier == "ann@example.com"


async def test_s14_while_hardly_anybody_comes_back_only_so_many_may_ask(asking: Asking) -> None:
    """S14: slowed down, not stopped; S36: and never a browser that proved the address before."""
    breaker = Breaker(least_success_percent=20, sample=10, then_per_minute=2)
    await asking.set(ValidationSettings(breaker=breaker))
    owner = await asking.ask()
    await asking.confirm(owner)
    sent = [await asking.ask(identifier=anybody()) for _ in range(9)]
    assert await wait_told(asking, identifier=anybody()) is None, "the newest may still come"
    await asking.later(timedelta(minutes=5))
    assert [await wait_told(asking, identifier=anybody()) for _ in range(3)][:2] == [None, None]
    assert await wait_told(asking, identifier=anybody()) == pytest.approx(60, abs=5)
    assert await wait_told(asking, browser=owner.asked.browser) is None
    assert await wait_told(asking, workspace="other", identifier=anybody()) is None, "each workspace by itself"
    for each in sent[:2]:
        await asking.confirm(each)
    assert [await wait_told(asking, identifier=anybody()) for _ in range(3)] == [None] * 3


async def test_s15_no_text_without_a_country_and_none_that_costs_more(asking: Asking) -> None:
    """S15: refused before anything is counted or sent, whatever the number; e-mail goes on."""
    with pytest.raises(DestinationRefused):
        await asking.ask(**PHONE)
    await asking.set(AUSTRIA)
    for number in ("+4915112345678", "+43900123456", "+43810123456", "+881612345678"):
        with pytest.raises(DestinationRefused):
            await asking.ask(**{**PHONE, "identifier": number})
    assert await asking.fetch("select from validation_counts") == []
    assert (await asking.ask(**PHONE)).message.channel == "sms"
    assert (await asking.ask()).message.channel == "email"


async def test_s15_texts_to_a_range_of_numbers_and_of_a_day_have_budgets(asking: Asking) -> None:
    """S15: numbers that are rented for pumping lie side by side. From many addresses, so that no other limit is met."""
    await asking.set(ValidationSettings(otp_sms=SmsSettings(countries=("AT",), per_range_and_hour=3, per_day=5)))

    async def text(number: str) -> int | None:
        return await wait_told(asking, **{**PHONE, "identifier": number, "address": f"10.{next(_people) % 250}.0.1"})

    assert [await text(f"+43660123{number:04}") for number in range(4)] == [None] * 3 + [pytest.approx(3_600, abs=30)]
    assert [await text(f"+43660124{number:04}") for number in range(3)] == [None] * 2 + [pytest.approx(86_400, abs=30)]
    await asking.later(timedelta(minutes=61))
    assert await text("+436601259999") is not None, "the day's budget is spent"
    await asking.later(timedelta(hours=23))
    assert await text("+436601259999") is None


async def test_s15_texts_that_nobody_brings_back_slow_texts_down_and_not_mails(asking: Asking) -> None:
    """S15: the ratio of sent to verified is judged by channel, so that pumping shows among however many mails."""
    settings = AUSTRIA.model_copy(update={"breaker": Breaker(least_success_percent=50, sample=10, then_per_minute=1)})
    await asking.set(settings)
    for number in range(10):
        await asking.ask(**{**PHONE, "identifier": f"+4366012{number}4567", "address": f"10.0.{number}.1"})
    await asking.later(timedelta(minutes=5))
    texts = [await wait_told(asking, **{**PHONE, "identifier": f"+4366013{number}4567", "address": "10.1.0.1"}) for number in range(2)]
    assert texts == [None, pytest.approx(60, abs=5)]
    assert [await wait_told(asking, identifier=anybody()) for _ in range(3)] == [None] * 3


async def test_s29_an_address_that_nobody_has_is_counted_as_somebodys(asking: Asking) -> None:
    """S29: the same answers, waits and refusals, for whatever purpose; and there is a code to type in each case."""
    await play(asking.store, event("email:ann@example.com", assurance=Assurance.PROVED, proof="email:ann@example.com", event_id="proved"))
    assert len(await asking.fetch("select from identifiers where is_validated")) == 1
    for purpose in ("sign_in", "register", "reset_password", "validate"):
        waits: dict[str, list[Any]] = {"ann@example.com": [], "nobody@example.com": []}
        for address, told in waits.items():
            for pause in (20, 11, 62):
                told.append(await wait_told(asking, purpose=purpose, identifier=address) is None)
                await asking.later(timedelta(seconds=pause))
            sent = await after(asking, purpose=purpose, identifier=address)
            told.append(shape(sent.asked))
            for _ in range(5):
                with pytest.raises(ChallengeRefused):
                    await asking.confirm(sent, sent.wrong)
            with pytest.raises(ChallengeRefused):
                await asking.confirm(sent)
            await asking.later(timedelta(hours=1))
        assert waits["ann@example.com"] == waits["nobody@example.com"]
        assert waits["ann@example.com"][:3] == [True, False, True]
    rows = await asking.fetch("select identifier, count(*) from challenges group by identifier order by identifier")
    assert [tuple(row) for row in rows] == [("ann@example.com", 12), ("nobody@example.com", 12)]


async def test_s34_spellings_of_an_address_share_their_limits(asking: Asking) -> None:
    """S34: asked for, and tried."""
    await asking.ask(identifier="ann.lee@gmail.com")
    for spelling in ("Ann.Lee@GMAIL.com", "annlee+2@gmail.com", "a.n.n.l.e.e@googlemail.com"):
        assert await wait_told(asking, identifier=spelling) is not None
    await asking.set(AUSTRIA)
    await asking.ask(**PHONE)
    for spelling in ("+43 660 1234567", "+43 (660) 123-45-67", "+43-660-1234567"):
        assert await wait_told(asking, **{**PHONE, "identifier": spelling}) is not None
    for spelling in ("bob@gmail.com", "b.ob@gmail.com"):
        await asking.later(timedelta(minutes=11))
        sent = await asking.ask(identifier=spelling)
        for _ in range(5):
            with pytest.raises(ChallengeRefused):
                await asking.confirm(sent, sent.wrong)
    await asking.later(timedelta(minutes=11))
    third = await asking.ask(identifier="bo.b+3@gmail.com")
    with pytest.raises(TooManyRequests):
        await asking.confirm(third)


async def test_s35_limits_are_rows_of_postgres_that_every_process_shares(asking: Asking, database: Database) -> None:
    """S35: two processes' worth of connections share them, and nothing that counts can speak to Redis: whether it is there cannot matter."""
    code = f"import sys, {Challenges.__module__}; print(*[each for each in sys.modules if each.partition('.')[0] == 'redis'])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    assert (said, process.returncode) == (b"\n", 0)
    store = await Store.connect(database.app_url)
    try:
        other = Asking(store, asking.owner)
        both = itertools.cycle((asking, other))
        for number in range(20):
            await next(both).ask(identifier=anybody(), address=f"2001:db8::{number:x}")
        for each in (asking, other):
            assert await wait_told(each, identifier=anybody(), address="2001:db8::99") is not None
        await asking.ask()
        assert await wait_told(other) is not None
    finally:
        await store.close()


async def now(asking: Asking) -> Any:
    (row,) = await asking.fetch("select clock_timestamp() as now")
    return row["now"]


async def after(asking: Asking, **other: Any) -> Sent:
    """Ask once the pause is over."""
    await asking.later(timedelta(minutes=5))
    return await asking.ask(**other)


def shape(asked: Asked) -> tuple[str, ...]:
    """What an answer looks like, ids and times aside."""
    assert isinstance(asked.challenge_id, uuid.UUID)
    return (*(type(each).__name__ for each in asked), str(len(asked.browser)))
