"""Damage in Postgres, each on a clone of one told story: `onefold check` reports what it breaks, and nothing else, with exit code 3."""

# ruff: noqa: S608 -- statements are put together from constants of this file

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest

from onefold.records.store import Store
from tests.e2e.check.stories import check, told_story
from tests.support.servers import Database, cloned_database, own_redis, own_topics, run_async

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.servers import Services

SOME = "(select tenure_id from identifiers where held_until is null order by tenure_id limit 1)"
# A tenure that a line names, since its event has no other identifier, and a contact that does not hold it.
LINED = "(select tenure_id from identifiers where held_until is null and normalised = 'late0')"
STRANGER = f"(select contact_id from contacts where merged_into is null and contact_id <> (select contact_id from identifiers where tenure_id = {LINED}) order by 1 limit 1)"


@dataclass(frozen=True, slots=True)
class Damage:
    """Statements that break something, as the owner of the tables; which invariants that breaks, and what is said of the first."""

    statements: tuple[str, ...]
    breaks: tuple[str, ...]
    says: str


DAMAGES = {
    "a tenure that is somebody else's": Damage(
        (f"update identifiers set contact_id = {STRANGER} where tenure_id = {LINED}",), ("I2", "I5", "I6", "I7"), "and tenure"
    ),
    "evidence that is lost": Damage((f"delete from evidence where ordinal = 1 and tenure_id = {SOME}",), ("I5",), "has no first evidence"),
    "evidence that names another record": Damage(
        (f'update evidence set "offset" = "offset" + 1 where ordinal = 1 and tenure_id = {SOME}',), ("I5",), "tells of another event"
    ),
    "a merge that is forgotten": Damage(
        ("delete from merges where merge_id in (select merge_id from merges limit 1)",), ("I5",), "no merge says so"
    ),
    "a summary that counts wrong": Damage(
        (
            (
                "update contacts set summary = jsonb_set(summary, '{assurance}', '[0,0,0,7]'), identifiers_total = 9"
                " where contact_id = (select contact_id from contacts where merged_into is null order by 1 limit 1)"
            ),
        ),
        ("I5", "I7"),
        "a recount gives",
    ),
    "an identifier with two owners": Damage(
        (
            "drop index identifiers_open",
            (
                "insert into identifiers select (jsonb_populate_record(i, jsonb_build_object('tenure_id', 999999))).* from identifiers i"
                f" where tenure_id = {SOME}"
            ),
        ),
        ("I3", "I5", "I6", "I7"),
        "open more than once",
    ),
    "redirects that go round": Damage(
        (
            (
                "update contacts c set merged_into = o.other from (select min(contact_id::text)::uuid as one, max(contact_id::text)::uuid as other"
                " from contacts where merged_into is not null) o where c.contact_id = o.one"
            ),
            (
                "update contacts c set merged_into = o.one from (select min(contact_id::text)::uuid as one, max(contact_id::text)::uuid as other"
                " from contacts where merged_into is not null) o where c.contact_id = o.other"
            ),
        ),
        ("I4", "I5", "I7"),
        "go round in a circle",
    ),
    "a version that nobody was told": Damage(
        ("update contacts set version = version + 1 where contact_id = (select contact_id from contacts order by 1 limit 1)",),
        ("I7",),
        "its row is at version",
    ),
    "a row that is not what was told": Damage(
        (
            "update contacts set given_name = 'Somebody' where contact_id = (select contact_id from contacts where merged_into is null order by 1 limit 1)",
        ),
        ("I7",),
        "was told otherwise than its row is now: given_name",
    ),
    "a row that nobody sends": Damage(
        (
            "insert into outbox (shard, topic, key, payload, created_at) values (0, 'outreach.requested', 'k', '{}', now() - interval '2 hours')",
        ),
        ("I8",),
        "for outreach.requested waits since",
    ),
    "a member that does not match": Damage(
        (
            (
                "insert into memberships select s.workspace, s.segment_id, c.contact_id, true, c.version, s.version, now() from segments s, contacts c"
                " where c.merged_into is null and c.attributes #>> '{unbound,plan}' is distinct from 'pro' order by c.contact_id limit 1"
                " on conflict (segment_id, contact_id, workspace) do update set is_member = true"
            ),
        ),
        ("I9",),
        "is a member, and does not match",
    ),
    "a member that is forgotten": Damage(
        ("update memberships set is_member = false where contact_id = (select contact_id from memberships where is_member limit 1)",),
        ("I9",),
        "matches, and is no member",
    ),
    "an event that the timeline lost": Damage(
        (f"delete from timeline_events where tenure_id = {LINED}",), ("I1", "I2"), "was passed by the timeline, and is not on it"
    ),
    "a row of the timeline that is gone": Damage((f"delete from timeline where tenure_id = {LINED}",), ("I2",), "has no row"),
    "a day that counts wrong": Damage(
        (f"update timeline_days set events = events + 1 where tenure_id = {LINED}",), ("I2",), "counted as 2, there are 1"
    ),
    "a timeline that credits a stranger": Damage(
        (
            f"update timeline_events set tenure_id = 999999 where tenure_id = {LINED}",
            f"update timeline set tenure_id = 999999 where tenure_id = {LINED}",
            f"update timeline_days set tenure_id = 999999 where tenure_id = {LINED}",
        ),
        ("I1",),
        "the timeline credits tenure",
    ),
    "progress that fell back": Damage(
        ("update progress set next_offset = next_offset - 1 where partition = 0",), ("I15", "I12"), "Kafka's committed offset is"
    ),
    "progress beyond the log": Damage(
        ("update progress set next_offset = next_offset + 5 where partition = 0",), ("I15",), "the log ends at"
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A story that was told: its database, to be cloned, and where its topics are."""

    database: Database
    environment: Mapping[str, str]


@pytest.fixture(scope="module")
def told(services: Services, migrated_template: str) -> Iterator[Told]:
    """One story for all damages, which are made in clones of its database."""
    with cloned_database(services, migrated_template) as database, own_topics(services) as prefix, own_redis(services, 7) as redis_url:

        async def tell() -> Mapping[str, str]:
            async with told_story(services, database, prefix, redis_url) as mine:
                return mine.environment

        yield Told(database, run_async(tell()))


@contextmanager
def cloned(services: Services, told: Told) -> Iterator[tuple[Database, Mapping[str, str]]]:
    with cloned_database(services, told.database.name) as mine:
        yield mine, {**told.environment, "ONEFOLD_POSTGRES__URL": mine.app_url, "ONEFOLD_POSTGRES__ADMIN_URL": mine.admin_url}


async def damage(database: Database, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(database.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("select set_config('onefold.workspaces', 'acme', true)")
            for statement in statements:
                changed = await connection.execute(statement)
                assert not changed.endswith(" 0"), f"nothing was damaged by {statement}"
    finally:
        await connection.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", DAMAGES)
async def test_damage_is_reported_by_what_it_breaks_and_by_nothing_else(services: Services, told: Told, name: str) -> None:
    """I2 to I9, I12, I15."""
    made = DAMAGES[name]
    with cloned(services, told) as (database, environment):
        await damage(database, made.statements)
        report = await check(environment)
    assert report.differing == set(made.breaks), report.findings
    assert made.says in report.what(made.breaks[0])
    assert report.code == 3


@pytest.mark.asyncio
async def test_other_workspaces_and_other_invariants_are_left_out(services: Services, told: Told) -> None:
    """--workspace and --only: what is not asked for is not looked at."""
    with cloned(services, told) as (database, environment):
        await damage(database, DAMAGES["a row that is not what was told"].statements)
        store = await Store.connect(database.app_url)
        async with store.transaction(["beta"]) as connection:
            await connection.execute("insert into workspaces (workspace, title) values ('beta', 'Beta')")
        await store.close()
        assert (await check(environment, "--workspace=beta")).differing == set()
        assert (await check(environment, "--workspace=acme", "--only=I7,i3")).differing == {"I7"}
        only = await check(environment, "--only=I3,I8", "--limit=0")
    assert [each["invariant"] for each in only.findings] == ["I3", "I8"]
    assert only.code == 0
