"""Identity keys in a real database, found by the ring that the collector has (S58, S59, S81, S88 to S90, F23, F57)."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from joserfc.jwk import ECKey

from onefold.access.identity_keys import (
    CreatedIdentityKey,
    IdentityKeyRing,
    Span,
    add_identity_key,
    create_identity_key,
    revoke_identity,
)
from onefold.access.identity_tokens import Identity, InvalidToken, Verifier
from onefold.access.keys import GRACE_SECONDS, KeyNotFound, KeyRing, create_key
from onefold.errors import InvalidMessage, StoreUnavailable
from onefold.records.identity_keys import list_identity_keys
from onefold.records.keys import WorkspaceNotFound
from tests.integration.collector.test_keys import Clock, opened
from tests.support.signing import Server

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.servers import Database


async def made(store: Store, workspace: str = "acme", **span: Any) -> CreatedIdentityKey:
    async with store.transaction([workspace]) as tx:
        return await create_identity_key(tx, workspace, "backend", Span(**span))


def server_of(created: CreatedIdentityKey) -> Server:
    """The workspace's own server, with the private key that was printed once."""
    return Server(created.row.workspace, ECKey.import_key(created.private_key.encode()), created.row.key_id)


def token(created: CreatedIdentityKey, **claims: Any) -> str:
    return server_of(created).token(datetime.now(UTC), **claims)


async def refusal(verifier: Verifier, workspace: str, text: str) -> str:
    with pytest.raises(InvalidToken) as caught:
        await verifier.verify(workspace, text)
    return caught.value.code


@pytest.mark.asyncio
async def test_a_printed_key_signs_what_the_collector_verifies(database: Database) -> None:
    """S50: a pair made here, and one of which only the public half came."""
    async with opened(database) as store:
        verifier = Verifier(IdentityKeyRing(store).find)
        assert await verifier.verify("acme", token(await made(store))) == Identity("u1")
        own = Server()
        async with store.transaction(["acme"]) as tx:
            row = await add_identity_key(tx, "acme", "their own", own.pair.as_pem(private=False))
        fresh = Verifier(IdentityKeyRing(store).find)
        assert await fresh.verify("acme", Server("acme", own.pair, row.key_id).token(datetime.now(UTC))) == Identity("u1")


@pytest.mark.asyncio
async def test_no_private_key_is_in_the_database(database: Database) -> None:
    """S58: whoever reads a dump can check tokens and make none."""
    async with opened(database) as store:
        created = await made(store)
        async with store.transaction(["acme"]) as tx:
            dump = str([tuple(row) for row in await tx.fetch("select * from identity_keys")])
            with pytest.raises(InvalidMessage):
                await add_identity_key(tx, "acme", "careless", created.private_key.encode())
        assert "PRIVATE" not in dump
        assert str(server_of(created).pair.as_dict(private=True)["d"]) not in dump


@pytest.mark.asyncio
async def test_the_keys_of_a_workspace_are_its_own(database: Database) -> None:
    """Cross-workspace (S88 to S90): neither a token nor an operator reaches over; the rows are protected even from their owner."""
    async with opened(database) as store:
        theirs = await made(store, "beta")
        verifier = Verifier(IdentityKeyRing(store).find)
        assert await refusal(verifier, "acme", token(theirs, iss="acme")) == "token_unknown_key"
        assert await verifier.verify("beta", token(theirs)) == Identity("u1")
        async with store.connection() as connection:
            assert await connection.fetch("select * from identity_keys") == []
            [row] = await connection.fetch("select relrowsecurity, relforcerowsecurity from pg_class where relname = 'identity_keys'")
            assert tuple(row) == (True, True)
        async with store.transaction(["acme"]) as tx:
            assert await list_identity_keys(tx, "beta") == []
            with pytest.raises(KeyNotFound):
                await revoke_identity(tx, "beta", theirs.row.key_id)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await create_identity_key(tx, "beta", "not mine")


@pytest.mark.asyncio
async def test_a_revoked_key_ends_its_tokens_within_a_minute(database: Database) -> None:
    """Revoked, rotated (S59, F57): both keys count while they overlap; after the revocation only the new one does."""
    clock = Clock()
    async with opened(database) as store:
        verifier = Verifier(IdentityKeyRing(store, now=clock).find)
        old, new = await made(store), await made(store)
        for key in (old, new):
            assert await verifier.verify("acme", token(key))
        async with store.transaction(["acme"]) as tx:
            first = await revoke_identity(tx, "acme", old.row.key_id)
            assert (await revoke_identity(tx, "acme", old.row.key_id)).revoked_at == first.revoked_at, "safe to repeat"
        clock.seconds += 60.0
        assert await refusal(verifier, "acme", token(old)) == "token_unknown_key"
        assert await verifier.verify("acme", token(new))


@pytest.mark.asyncio
async def test_a_key_counts_from_and_until_its_times(database: Database) -> None:
    """S58: a key that is to begin waits, and one that has expired is none."""
    now = datetime.now(UTC)
    async with opened(database) as store:
        verifier = Verifier(IdentityKeyRing(store).find)
        early = await made(store, not_before=now + timedelta(hours=1))
        late = await made(store, not_before=now - timedelta(hours=2), expires_at=now - timedelta(seconds=1))
        for key in (early, late):
            assert await refusal(verifier, "acme", token(key)) == "token_unknown_key"
        async with store.transaction(["acme"]) as tx:
            with pytest.raises(InvalidMessage):
                await create_identity_key(tx, "acme", "upside down", Span(now, now))


@pytest.mark.asyncio
async def test_a_flood_of_unknown_keys_asks_the_store_once(database: Database) -> None:
    """S81: a kid flood costs a look-up in five seconds; a new key is known after those, not after half a minute."""
    clock = Clock()
    async with opened(database) as store:
        ring = IdentityKeyRing(store, now=clock)
        await asyncio.gather(*(ring.find("acme", uuid.uuid4()) for _ in range(500)))
        created = await made(store)
        assert await ring.find("acme", created.row.key_id) is None
        clock.seconds += 5.0
        assert await ring.find("acme", created.row.key_id) is not None


@pytest.mark.asyncio
async def test_while_the_store_is_silent_known_keys_hold_for_a_while(database: Database) -> None:
    """F23: as write keys do; a workspace that nobody asked about must wait."""
    clock = Clock()
    async with opened(database) as store:
        verifier = Verifier(IdentityKeyRing(store, now=clock).find)
        created = await made(store)
        assert await verifier.verify("acme", token(created))
        await store.close()
        clock.seconds += 60.0
        assert await verifier.verify("acme", token(created))
        with pytest.raises(StoreUnavailable):
            await verifier.verify("beta", token(created))
        clock.seconds += GRACE_SECONDS
        with pytest.raises(StoreUnavailable):
            await verifier.verify("acme", token(created))


@pytest.mark.asyncio
async def test_an_identity_key_needs_a_workspace_and_a_title(database: Database) -> None:
    """Said in words, not by the database."""
    async with opened(database) as store:
        async with store.transaction(["nowhere"]) as tx:
            with pytest.raises(WorkspaceNotFound):
                await create_identity_key(tx, "nowhere", "backend")
        async with store.transaction(["acme"]) as tx:
            for title in ("", " ", "x" * 201):
                with pytest.raises(InvalidMessage):
                    await create_identity_key(tx, "acme", title)


@pytest.mark.asyncio
async def test_only_a_public_write_key_can_require_tokens(database: Database) -> None:
    """S50, enforce mode, as the collector reads it."""
    async with opened(database) as store:
        async with store.transaction(["acme"]) as tx:
            with pytest.raises(InvalidMessage):
                await create_key(tx, "acme", "secret", "server", requires_identity=True)
            created = await create_key(tx, "acme", "public", "site", requires_identity=True)
        key = await KeyRing(store).verify(created.text)
        assert key is not None
        assert (key.assurance, key.requires_identity) == ("claimed", True)
