"""Write keys against a real database (S57 to S60, S88 to S91)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from onefold.access.keys import GRACE_SECONDS, PREFIXES, CreatedKey, KeyNotFound, KeyRing, create_key, edit_key, new_text, revoke
from onefold.access.places import EVERYWHERE, Places
from onefold.errors import InvalidMessage, StoreUnavailable
from onefold.records.keys import WorkspaceNotFound, find_key, list_keys
from onefold.records.store import Store
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.servers import Database


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    """The store of a database with two workspaces."""
    store = await Store.connect(database.app_url)
    try:
        await add_workspace(store, "acme", "beta")
        yield store
    finally:
        await store.close()


async def made(store: Store, workspace: str = "acme", kind: Any = "secret", **more: Any) -> CreatedKey:
    async with store.transaction([workspace]) as tx:
        return await create_key(tx, workspace, kind, "a title", **more)


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        """Begin somewhere."""
        self.seconds = 1_000.0

    def __call__(self) -> float:
        """As `time.monotonic`."""
        return self.seconds


@pytest.mark.asyncio
async def test_a_key_says_whose_events_and_how_sure(database: Database) -> None:
    """S88: public means claimed, secret means asserted."""
    async with opened(database) as store:
        ring = KeyRing(store)
        for workspace, kind, assurance in (("acme", "public", "claimed"), ("beta", "secret", "asserted")):
            key = await ring.verify((await made(store, workspace, kind)).text)
            assert key is not None
            assert (key.workspace, key.assurance) == (workspace, assurance)
        assert await ring.verify(new_text("secret")) is None


@pytest.mark.asyncio
async def test_a_secret_key_is_nowhere_in_the_database(database: Database) -> None:
    """S58: a dump of the table does not hold it; a public one is kept to be shown again."""
    async with opened(database) as store:
        secret, public = await made(store), await made(store, kind="public")
        async with store.transaction(["acme"]) as tx:
            dump = str([tuple(row) for row in await tx.fetch("select * from keys")])
        assert secret.text not in dump
        assert secret.text[len(PREFIXES["secret"]) :][:8] not in dump
        assert public.text in dump


@pytest.mark.asyncio
async def test_without_naming_a_workspace_no_key_is_seen_but_the_one_presented(database: Database) -> None:
    """S89, S90: the look-up shows one row for its own call, to nobody else and no longer."""
    async with opened(database) as store:
        mine = await made(store)
        await made(store, "beta")
        async with store.connection() as connection:
            assert await connection.fetch("select * from keys") == []
            async with connection.transaction():
                assert await connection.fetch("select * from find_write_key($1)", b"\x00" * 32) == []
                assert len(await connection.fetch("select * from find_write_key(sha256($1::text::bytea))", mine.text)) == 1
                assert await connection.fetch("select * from keys") == []
        async with store.transaction(["beta"]) as tx:
            assert [row.workspace for row in await list_keys(tx, "acme")] == []
            with pytest.raises(KeyNotFound):
                await revoke(tx, "acme", mine.row.key_id)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await create_key(tx, "acme", "public", "not mine")


@pytest.mark.asyncio
async def test_look_ups_by_key_run_as_definer_with_a_pinned_search_path_and_for_the_application_alone(database: Database) -> None:
    """S91: such functions are listed, and cannot be tricked by a schema of the caller's."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        rows = await connection.fetch(
            "select proname, proconfig, proacl::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace"
            " where prosecdef and nspname = 'public' and proname like '%key%'"
        )
    finally:
        await connection.close()
    assert {row["proname"] for row in rows} == {"find_write_key", "enter_by_key"}
    for row in rows:
        assert row["proconfig"] == ["search_path=pg_catalog, pg_temp"]
        assert "=X/" not in row["proacl"].replace("onefold_app=X/", "").replace("onefold_owner=X/", ""), "nobody else may call it"


@pytest.mark.asyncio
async def test_a_row_of_keys_is_protected_even_from_its_owner(database: Database) -> None:
    """S89: row-level security is forced."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        [row] = await connection.fetch("select relrowsecurity, relforcerowsecurity from pg_class where relname = 'keys'")
        assert tuple(row) == (True, True)
    finally:
        await connection.close()


@pytest.mark.asyncio
async def test_revoking_takes_effect_within_a_minute(database: Database) -> None:
    """S59: an answer is remembered for half a minute, not longer; two live keys overlap in a rotation."""
    clock = Clock()
    async with opened(database) as store:
        ring = KeyRing(store, now=clock)
        old, new = await made(store), await made(store)
        assert await ring.verify(old.text)
        assert await ring.verify(new.text)
        async with store.transaction(["acme"]) as tx:
            first = await revoke(tx, "acme", old.row.key_id)
            assert (await revoke(tx, "acme", old.row.key_id)).revoked_at == first.revoked_at, "safe to repeat"
        clock.seconds += 60.0
        assert await ring.verify(old.text) is None
        assert await ring.verify(new.text)


@pytest.mark.asyncio
async def test_a_ring_knows_from_where_a_key_may_be_used(database: Database) -> None:
    """Product-facts 2.3; a change of it is known as soon as a revocation is."""
    clock = Clock()
    async with opened(database) as store:
        key, ring = await made(store), KeyRing(store, now=clock)
        async with store.transaction(["acme"]) as tx:
            await edit_key(tx, key.row._replace(allowed_urls=["https://example.com"], allowed_addresses=["192.0.2.7"]))
        found = await ring.verify(key.text)
        assert found is not None
        assert found.places == Places(("https://example.com",), ("192.0.2.7",))
        async with store.transaction(["acme"]) as tx:
            await edit_key(tx, key.row)
        clock.seconds += 60.0
        found = await ring.verify(key.text)
        assert found is not None
        assert found.places == EVERYWHERE


@pytest.mark.asyncio
async def test_an_expired_key_does_not_count(database: Database) -> None:
    """S58: keys expire."""
    async with opened(database) as store:
        past, future = datetime.now(UTC) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=1)
        ring = KeyRing(store)
        assert await ring.verify((await made(store, expires_at=past)).text) is None
        assert await ring.verify((await made(store, expires_at=future)).text)


@pytest.mark.asyncio
async def test_the_last_use_is_noted_once_a_minute(database: Database) -> None:
    """S58: last used, without a write for every look-up."""
    async with opened(database) as store:
        key = await made(store)
        moments = []
        for _ in range(2):
            assert await KeyRing(store).verify(key.text)
            async with store.transaction(["acme"]) as tx:
                moments.append((await list_keys(tx, "acme"))[0].last_used_at)
        assert moments[0] is not None
        assert moments[0] == moments[1]


@pytest.mark.asyncio
async def test_a_server_that_cannot_write_still_verifies(database: Database) -> None:
    """F28: a full disk or a standby must not keep the collector from taking events."""
    async with opened(database) as store:
        key = await made(store)
        async with store.connection() as connection, connection.transaction(readonly=True):
            from hashlib import sha256  # noqa: PLC0415 - as a collector would have it

            assert await find_key(connection, sha256(key.text.encode()).digest()) is not None


@pytest.mark.asyncio
async def test_while_the_store_is_silent_good_keys_stay_good_for_a_while(database: Database) -> None:
    """F23: its outage is not the collector's; nobody can revoke meanwhile either. Unknown keys wait."""
    clock = Clock()
    async with opened(database) as store:
        ring = KeyRing(store, now=clock)
        key = await made(store)
        assert await ring.verify(key.text)
        await store.close()
        clock.seconds += 60.0
        assert await ring.verify(key.text)
        with pytest.raises(StoreUnavailable):
            await ring.verify(new_text("secret"))
        clock.seconds += GRACE_SECONDS
        with pytest.raises(StoreUnavailable):
            await ring.verify(key.text)


@pytest.mark.asyncio
async def test_many_who_ask_for_one_key_ask_the_store_once(database: Database) -> None:
    """A deployment's first second does not exhaust the pool."""
    async with opened(database) as store:
        key = await made(store)
        ring = KeyRing(store)
        answers = await asyncio.gather(*(ring.verify(key.text) for _ in range(500)))
        assert len(set(answers)) == 1
        assert await store.pool.fetchval("select count(*) from pg_stat_activity where datname = current_database()") <= 3


@pytest.mark.asyncio
async def test_guessed_keys_drive_no_good_one_out(database: Database) -> None:
    """Memory is bounded (I18), and what has not a key's form is not even asked about."""
    async with opened(database) as store:
        key = await made(store)
        ring = KeyRing(store)
        assert await ring.verify(key.text)
        await asyncio.gather(*(ring.verify(new_text("public")) for _ in range(50)))
        await store.close()
        assert await ring.verify(key.text)
        for text in ("", "x" * 50, "of_sec_", key.text + "x", "of_pub_" + "é" * 43):
            try:
                assert await ring.verify(text) is None
            except StoreUnavailable:
                assert len(text) == len(key.text)


@pytest.mark.asyncio
async def test_a_key_needs_a_workspace_and_a_title(database: Database) -> None:
    """Said in words, not by the database."""
    async with opened(database) as store:
        async with store.transaction(["nowhere"]) as tx:
            with pytest.raises(WorkspaceNotFound):
                await create_key(tx, "nowhere", "public", "site")
        async with store.transaction(["acme"]) as tx:
            for title in ("", " ", "x" * 201):
                with pytest.raises(InvalidMessage):
                    await create_key(tx, "acme", "public", title)


def test_keys_are_long_prefixed_and_never_alike() -> None:
    """S58: 256 bits, a prefix that a leak scanner knows."""
    texts = {new_text("secret") for _ in range(1_000)}
    assert len(texts) == 1_000
    assert all(text.startswith("of_sec_") and len(text) == 50 and text[7:].isalnum() for text in texts)
