"""The index is verified and mended against what Postgres says, whatever was done to Redis; results never change (I6)."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from onefold import failpoints
from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId
from onefold.index.upkeep import IndexUpkeep
from onefold.ops.index.comparing import BegunAnew, Comparing
from onefold.ops.index.differences import Kind
from onefold.ops.index.verify import verify
from onefold.records.incarnations import begin_incarnation
from onefold.records.open_tenures import open_after
from tests.e2e.index.keeping import kept, settled, written_back
from tests.support.worlds import event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from onefold.identity.interaction import Interaction
    from tests.support.servers import Database, Services

ASSERTED = Assurance.ASSERTED


def visits(count: int, minutes: int) -> list[Interaction]:
    return [event(f"anonymous_token:t{n}", f"email:p{n}@example.com", assurance=ASSERTED, minutes=minutes) for n in range(count)]


@pytest.mark.asyncio
async def test_exactly_what_was_broken_is_found_and_mended_and_results_do_not_change(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """F18: a tenth of the keys deleted, a hundredth of the values swapped between contacts. F16: all of them gone."""
    async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
        await here.mine.produce(visits(150, 0))
        await written_back(role, 150)
        clean = await here.verify()
        assert (clean.identifiers, clean.is_complete, clean.other_keys) == (300, True, 0)

        tenures = await here.tenures()
        entries = await here.entries()
        chosen = random.Random(5).sample(sorted(entries), 36)
        deleted, swapped = chosen[:30], chosen[30:]
        await here.redis.delete(*deleted)
        await here.redis.mset({one: entries[other] for one, other in zip(swapped, [*swapped[1:], swapped[0]], strict=True)})
        found = await here.verify()
        assert found.differences == {Kind.MISSING: 30, Kind.DAMAGED: 6}
        injected = {(Kind.MISSING, tenures[key].tenure_id) for key in deleted} | {(Kind.DAMAGED, tenures[key].tenure_id) for key in swapped}
        assert {(each.kind, each.tenure_id) for each in found.listed} == injected
        assert (found.is_true, found.is_complete, found.other_keys) == (True, False, 0)

        await here.mine.produce(visits(150, 1))
        await written_back(role, 300)
        contacts = await here.contacts()
        assert contacts[:150] == contacts[150:]
        assert (await here.verify()).is_complete

        await here.redis.flushdb()
        assert (await here.verify()).differences == {Kind.MISSING: 300}
        mended = await here.verify(mend=True)
        assert (mended.mended, mended.differences) == (300, {Kind.MISSING: 300})
        assert (await here.verify()).is_complete
        hot = settled(role, "hot")
        await here.mine.produce(visits(150, 2))
        await written_back(role, 450)
        assert settled(role, "hot") == hot + 150


@pytest.mark.asyncio
async def test_an_older_dump_is_old_but_never_false(services: Services, database: Database, topic_prefix: str, redis_url: str) -> None:
    """F17: entries from before merges lead on by redirects, those from before a hand-over are doubted."""
    async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
        await here.mine.produce([event(f"anonymous_token:a{n}", f"user_id:u{n}", assurance=ASSERTED) for n in range(4)])
        await here.mine.produce([event(f"email:m{n}@example.com", assurance=ASSERTED) for n in range(4)])
        await written_back(role, 8)
        dump = await here.entries()
        await here.mine.produce([event(f"email:m{n}@example.com", f"user_id:u{n}", assurance=ASSERTED, minutes=1) for n in range(4)])
        await here.mine.produce([event("anonymous_token:a0", "user_id:new", assurance=ASSERTED, minutes=2)])
        await written_back(role, 13)
        groups = await here.mine.groups()
        assert ["anonymous_token:a0", "user_id:new"] in groups

        await here.redis.flushdb()
        await here.redis.mset(dump)
        found = await here.verify()
        assert found.is_true
        assert found.differences == {Kind.MISSING: 1, Kind.DOUBTED: 1, Kind.STALE: found.differences[Kind.STALE]}
        assert found.differences[Kind.STALE] >= 4

        await here.mine.produce([event(f"anonymous_token:a{n}", assurance=ASSERTED, minutes=3) for n in range(4)])
        await written_back(role, 17)
        assert await here.mine.groups() == groups
        contacts = await here.contacts()
        assert contacts[13] == contacts[12] != contacts[0]
        assert (await here.verify(mend=True)).is_true
        assert (await here.verify()).is_complete


@pytest.mark.asyncio
async def test_an_entry_that_could_make_a_result_wrong_ends_the_command_with_three(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I6: made with the index's own secret, since nothing else can. Another's contact, one that is gone, and what nobody holds."""
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(20, 0))
            await written_back(role, 20)
        life, tenures = await here.life(), await here.tenures()
        (first, one), (second, _), (third, _), (fourth, _) = list(tenures.items())[:4]
        stranger = next(each for each in tenures.values() if each.contact_id != one.contact_id)
        nobodys = life.key("acme", uuid.uuid4().bytes)  # type: ignore[arg-type]  # any 16 bytes are an identifier key
        forged = {
            first: life.value(first, replace(one, contact_id=stranger.contact_id), 1 << 40),
            second: life.value(second, replace(tenures[second], contact_id=ContactId(uuid.uuid4())), 1 << 40),
            third: life.value(third, replace(tenures[third], assurance=Assurance.PROVED), 1 << 40),
            fourth: life.value(fourth, replace(tenures[fourth], assurance=Assurance.CLAIMED), 1 << 40),
            nobodys: life.value(nobodys, replace(one, tenure_id=one.tenure_id + 500_000), 1),
        }
        await here.redis.mset({key: value for key, value in forged.items() if value is not None})
        await here.redis.set("a key that is not ours", "x")
        await here.redis.set("sixteen bytes...", "of somebody else")

        before = await here.entries()
        ended, dry = await asyncio.gather(here.run("index", "verify", "--json"), here.run("index", "repair"))
        found = json.loads(ended.stdout)
        assert ended.code == 3
        assert found["differences"] == {"wrong": 2, "gone": 1, "stale": 1, "extra": 1}
        assert (found["is_true"], found["is_complete"], found["other_keys"], found["identifiers"]) == (False, False, 1, 40)
        assert "example.com" not in ended.stdout

        assert (dry.code, "Nothing was changed" in dry.stderr, await here.entries() == before) == (0, True, True)
        assert (await here.verify(mend=True)).mended == 5
        assert (await here.verify()).is_complete
        assert len(await here.entries()) == 42

        await here.redis.delete(first)
        ended, strict = await asyncio.gather(here.run("index", "verify"), here.run("index", "verify", "--strict"))
        assert (ended.code, strict.code) == (0, 3)


@pytest.mark.asyncio
async def test_what_is_committed_but_not_yet_written_back_is_not_reported(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Online: whatever is amiss is looked at again when it has had time to arrive."""
    written = asyncio.Event()

    async def wait() -> None:
        await written.wait()

    failpoints.arm("resolver.committed", wait)
    try:
        async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(5, 0))
            await here.mine.settled()
            assert (await here.verify(recheck_seconds=0)).differences == {Kind.MISSING: 10}
            pass_ = verify(here.mine.store, here.upkeep, here.secret, recheck_seconds=2, looked=lambda _: written.set())
            assert (await pass_).is_complete
            await written_back(role, 5)
    finally:
        failpoints.disarm()


@pytest.mark.asyncio
async def test_an_entry_that_is_ahead_of_the_rows_just_read_is_not_called_false_and_a_mended_one_never_is(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I6: a hand-over between reading the rows and reading the index; and one between reading the rows and mending the index."""
    async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
        await here.mine.produce([event("anonymous_token:t", "user_id:u1", assurance=ASSERTED)])
        await written_back(role, 1)
        comparing = Comparing(here.mine.store, here.upkeep, here.secret, (await here.life()).incarnation)
        async with here.mine.store.transaction(["acme"]) as connection:
            chunk = await open_after(connection, -1, 100)
        await here.mine.produce([event("anonymous_token:t", "user_id:u2", assurance=ASSERTED, minutes=2)])
        await here.mine.produce([event("anonymous_token:t", assurance=ASSERTED, minutes=3)])  # the entry of a hand-over is itself doubted
        await written_back(role, 3)
        suspects = await comparing.look(chunk)
        assert [each.kind for each in suspects] == [Kind.WRONG]
        assert await comparing.look_again(suspects) == []

        await here.redis.flushdb()
        async with here.mine.store.transaction(["acme"]) as connection:
            chunk = await open_after(connection, -1, 100)
        confirmed = await comparing.look_again(await comparing.look(chunk))
        assert [each.kind for each in confirmed] == [Kind.MISSING] * 3
        await here.mine.produce([event("anonymous_token:t", "user_id:u1", assurance=ASSERTED, minutes=4)])
        await written_back(role, 4)
        await here.upkeep.write({each.key: value for each in confirmed if (value := comparing.value(each)) is not None})
        found = await here.verify()
        assert (found.is_true, found.differences[Kind.DOUBTED], found.differences[Kind.WRONG]) == (True, 1, 0)
        await here.mine.produce([event("anonymous_token:t", assurance=ASSERTED, minutes=5)])
        await written_back(role, 5)
        contacts = await here.contacts()
        assert contacts[4] == contacts[3] == contacts[0] != contacts[1]


class Interrupted(IndexUpkeep):
    """Something happens between the first reading and the second."""

    def __init__(self, url: str, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(url)
        self._meanwhile = meanwhile
        self._reads = 0

    async def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values, after what happens meanwhile."""
        self._reads += 1
        if self._reads == 2:
            await self._meanwhile()
        return await super().read(keys)


@pytest.mark.asyncio
async def test_only_what_was_read_before_the_rows_and_is_not_borne_out_by_them_is_called_false(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I6: traffic that runs ahead of the second look raises no false alarm."""
    async with kept(services, database, topic_prefix, redis_url) as here, here.mine.resolvers(1) as (role,):
        await here.mine.produce([event("anonymous_token:t", "user_id:u1", assurance=ASSERTED)])
        await written_back(role, 1)
        comparing = Comparing(here.mine.store, here.upkeep, here.secret, (await here.life()).incarnation)
        await here.redis.flushdb()
        async with here.mine.store.transaction(["acme"]) as connection:
            suspects = await comparing.look(await open_after(connection, -1, 100))
        assert [each.kind for each in suspects] == [Kind.MISSING] * 2

        async def hand_over() -> None:
            await here.mine.produce([event("anonymous_token:t", "user_id:u2", assurance=ASSERTED, minutes=2)])
            await here.mine.produce([event("anonymous_token:t", "user_id:u2", assurance=ASSERTED, minutes=3)])
            await written_back(role, 3)

        comparing.index = Interrupted(redis_url, hand_over)
        confirmed = await comparing.look_again(suspects)
        await comparing.index.close()
        assert [(each.kind, each.tenure.semantic_type) for each in confirmed] == [(Kind.MISSING, "user_id")]


@pytest.mark.asyncio
async def test_a_pass_ends_where_the_index_begins_anew_and_where_redis_is_away(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """What was found under another incarnation says nothing; a server that is away is no difference."""
    async with kept(services, database, topic_prefix, redis_url) as here:
        async with here.mine.resolvers(1) as (role,):
            await here.mine.produce(visits(5, 0))
            await written_back(role, 5)
        comparing = Comparing(here.mine.store, here.upkeep, here.secret, (await here.life()).incarnation)
        async with here.mine.store.begin() as connection:
            await begin_incarnation(connection)
        async with here.mine.store.transaction(["acme"]) as connection:
            chunk = await open_after(connection, -1, 100)
        with pytest.raises(BegunAnew):
            await comparing.look(chunk)
        incarnation, nowhere = (await here.life()).incarnation, {"ONEFOLD_REDIS__URL": "redis://127.0.0.1:1/0"}
        verifying, rebuilding = here.run("index", "verify", **nowhere), here.run("index", "rebuild", "--execute", **nowhere)
        assert [(ended.code, ended.stdout) for ended in await asyncio.gather(verifying, rebuilding)] == [(75, "")] * 2
        assert (await here.life()).incarnation == incarnation
