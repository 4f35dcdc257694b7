"""Migrations on real Postgres, and what must be true of every table afterwards (S89 to S92)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.records import migrate

if TYPE_CHECKING:
    from tests.support.servers import Database

NO_PERSONS_ROW = {
    "progress",
    "separations",
    "incarnation",
    "outbox",
    "relay_shards",
    "suppression_secret",
    "store_place",
    "jobs",
    "dead_letter_decisions",
    "alembic_version",
}


@pytest.mark.asyncio
async def test_upgrading_twice_and_at_once_changes_nothing_more(empty_database: Database) -> None:
    """F31: one at a time, by an advisory lock."""
    assert await migrate.current(empty_database.admin_url) is None
    ran = await asyncio.gather(*(migrate.upgrade(empty_database.admin_url) for _ in range(3)))
    assert sorted(map(len, ran)) == [0, 0, len(max(ran, key=len))]
    assert await migrate.current(empty_database.admin_url) == migrate.head()
    assert await migrate.upgrade(empty_database.admin_url) == []


@pytest.mark.asyncio
async def test_row_level_security_is_forced_wherever_a_persons_row_can_be_read(database: Database) -> None:
    """S89: and the role of the application owns nothing and cannot pass by."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        tables = await connection.fetch(
            "select relname, relrowsecurity and relforcerowsecurity as forced, pg_get_userbyid(relowner) as owner from pg_class"
            " where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
        )
        role = await connection.fetchrow("select rolsuper or rolbypassrls as passes from pg_roles where rolname = 'onefold_app'")
        policies = await connection.fetch("select tablename from pg_policies where qual is not null and with_check is not null")
    finally:
        await connection.close()
    assert {row["relname"] for row in tables if not row["forced"]} == NO_PERSONS_ROW
    assert {row["relname"] for row in tables if row["forced"]} <= {row["tablename"] for row in policies}
    assert {row["owner"] for row in tables} == {"onefold_owner"}
    assert role is not None
    assert role["passes"] is False


@pytest.mark.asyncio
async def test_every_unique_key_of_a_workspaces_table_holds_the_workspace(database: Database) -> None:
    """S92: so that an error of a constraint tells nothing of another workspace."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        rows = await connection.fetch(
            "select c.relname as name, array_agg(a.attname::text) as columns from pg_index i join pg_class c on c.oid = i.indexrelid"
            " join pg_class t on t.oid = i.indrelid join pg_attribute a on a.attrelid = c.oid"
            " where i.indisunique and t.relnamespace = 'public'::regnamespace and t.relrowsecurity group by c.relname"
        )
    finally:
        await connection.close()
    assert [row["name"] for row in rows if "workspace" not in row["columns"]] == []
    assert len(rows) > 5


@pytest.mark.asyncio
async def test_functions_that_run_as_their_owner_pin_their_search_path(database: Database) -> None:
    """S91."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        rows = await connection.fetch(
            "select proname, proconfig from pg_proc where prosecdef and pronamespace = 'public'::regnamespace order by proname"
        )
    finally:
        await connection.close()
    assert {row["proname"] for row in rows} == {
        "drop_timeline_weeks",
        "enter_by_key",
        "enter_by_session",
        "find_write_key",
        "forget_timeline_events",
        "list_workspaces",
        "make_timeline_weeks",
        "onefold_rules_changed",
    }
    assert all(any(setting.startswith("search_path=") for setting in row["proconfig"] or ()) for row in rows)


@pytest.mark.asyncio
async def test_workspaces_are_listed_by_name_and_not_otherwise_seen(database: Database) -> None:
    """S89, S91: the role of the application learns the names, and no row; the policy is the owner's, and ends with the call."""
    connection = await asyncpg.connect(database.app_url)
    try:
        async with connection.transaction():
            await connection.execute("select set_config('onefold.workspaces', 'acme,beta', true)")
            await connection.execute("insert into workspaces (workspace, title) values ('acme', 'A'), ('beta', 'B')")
        async with connection.transaction():
            assert [row[0] for row in await connection.fetch("select list_workspaces()")] == ["acme", "beta"]
            assert await connection.fetch("select * from workspaces") == []
            await connection.execute("select set_config('onefold.lists_workspaces', 'yes', true)")
            assert await connection.fetch("select * from workspaces") == []
    finally:
        await connection.close()
    owner = await asyncpg.connect(database.admin_url)
    try:
        assert await owner.fetch("select * from workspaces") == []
        grants = await owner.fetchval("select proacl::text from pg_proc where proname = 'list_workspaces'")
    finally:
        await owner.close()
    assert grants == "{onefold_owner=X/onefold_owner,onefold_app=X/onefold_owner}"
