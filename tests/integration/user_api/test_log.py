"""The log: its chain, its feed, and what an erasure leaves of it (S99, S103)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.http.user_api import log as door
from onefold.ops.audit import verify
from onefold.records import log

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.support.apis import Api
    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio


async def wrote(store: Store, *acts: str, workspace: str = "acme") -> None:
    async with store.transaction([workspace]) as connection:
        entries = [log.Act("user:a", act, "things", "1", reason=f"because {act}", changes=[{"type": "field", "slug": act}]) for act in acts]
        await log.append(connection, workspace, entries)


async def test_s99_the_application_can_neither_alter_nor_delete_an_entry(store: Store) -> None:
    """S99: append-only for the role that the application has."""
    await wrote(store, "one", "two")
    for statement in (
        "update log_entries set actor = 'x'",
        "delete from log_entries",
        "truncate log_entries",
        "update log_details set details = '{}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with store.transaction(["acme"]) as connection:
                await connection.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("update log_entries set actor = 'user:b' where seq = 2", "entry 2 was altered"),
        ("delete from log_details where seq = 2; delete from log_entries where seq = 2", "entries 2 to 2 are missing"),
        ("delete from log_details where seq = 3; delete from log_entries where seq = 3", "entries were taken off its end"),
        ("update log_details set details = '{}' where seq = 2", "the details of entry 2 were altered"),
        ("update log_entries set previous = hash where seq = 2", "entry 2 does not follow the one before it"),
        ("update log_heads set seq = 2", "entries were taken off its end"),
    ],
)
async def test_s99_a_break_of_the_chain_is_found(store: Store, database: Database, tampering: str, expected: str) -> None:
    """S99: whatever somebody with more rights than the application does to it."""
    await wrote(store, "one", "two", "three")
    assert (await verify(store, "acme")).breaks == []
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute(f"set onefold.workspaces = 'acme'; {tampering}")
    finally:
        await connection.close()
    assert any(expected in each for each in (await verify(store, "acme")).breaks)


async def test_details_that_went_leave_the_chain_whole(store: Store) -> None:
    """S103: an erasure takes the details, and the digest that stays is salted."""
    async with store.transaction(["acme"]) as connection:
        acts = [
            log.Act("user:a", "updated", "contacts", each, reason="canary", changes=[{"type": "field", "slug": "x"}]) for each in ("1", "2")
        ]
        await log.append(connection, "acme", acts)
        await log.forget_details(connection, "acme", ["1"])
    found = await verify(store, "acme")
    assert (found.entries, found.without_details, found.breaks) == (2, 1, [])


async def test_the_chain_holds_under_writers_at_once(store: Store) -> None:
    """S99: numbers without gaps, in the order of commits, whoever writes at the same time."""
    await asyncio.gather(*(wrote(store, f"{number}a", f"{number}b") for number in range(20)))
    found = await verify(store, "acme")
    assert (found.entries, found.breaks) == (40, [])


async def test_each_workspace_has_a_chain_of_its_own(store: Store) -> None:
    """S94: what one writes moves the other's in nothing."""
    await wrote(store, "one")
    await wrote(store, "one", workspace="other")
    await wrote(store, "two")
    assert [(await verify(store, each)).entries for each in ("acme", "other")] == [2, 1]


async def test_the_log_is_followed_live_from_where_a_reader_was_cut_off(api: Api, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6, item 8: every entry once, in order; the feed ends when the caller may read it no more (S83)."""
    monkeypatch.setattr(door, "POLL_SECONDS", 0.05)
    user = await api.user("coach")
    await wrote(store, "one", "two", "three")
    async with store.transaction(["acme"]) as connection:
        after = (await log.head(connection, "acme"))[0] - 2

    async def meanwhile() -> None:
        await asyncio.sleep(0.3)
        await wrote(store, "four")
        await asyncio.sleep(0.3)
        async with store.transaction(["acme"]) as connection:
            await connection.execute("update users set is_enabled = false where user_id = $1", user.user_id)

    async with api.client(await api.key(user)) as client:
        answer, _ = await asyncio.gather(client.get("/log/stream", headers={"last-event-id": str(after)}), meanwhile())
    told = [part.split("\n") for part in answer.text.split("\n\n") if part]
    entries = [json.loads(lines[2].removeprefix("data: ")) for lines in told if lines[0].startswith("id: ")]
    assert [each["action"] for each in entries] == ["two", "three", "four"]
    assert entries[0]["reason"] == "because two"
    assert told[-1] == ["event: end", "data: not_signed_in"]


async def test_s77_a_journey_manager_reads_of_what_they_own_or_follow(api: Api, store: Store) -> None:
    """S77: in the query; their own acts, too."""
    user = await api.user("journey_manager")
    async with store.transaction(["acme"]) as connection:
        ids = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"]
        await connection.execute(
            "insert into links (workspace, object_type, kind, value, created_at, object_id) values ('acme', 'contacts', 'follower', $1, now(), $2)",
            str(user.user_id),
            ids[0],
        )
        await log.append(connection, "acme", [log.Act("user:a", "updated", "contacts", each) for each in ids])
    async with api.client(await api.key(user)) as client:
        entries = (await client.get("/log")).json()["items"]
    assert [each["object_id"] for each in entries if each["object_type"] == "contacts"] == [ids[0]]
