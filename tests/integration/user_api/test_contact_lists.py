"""Lists of contacts: every filter against a filter in Python, pages without gap or repeat, ownership, and plans that walk indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from onefold.records import contact_lists
from onefold.records.contact_lists import Filters, Place, statement_of
from onefold.records.proposals import EXPIRES, NEWEST_OWN, ONE
from onefold.segments.query import parse

if TYPE_CHECKING:
    from onefold.records.store import Connection, Store
    from tests.support.apis import Api
    from tests.support.servers import Database

USER = str(uuid4())
MANY = """
insert into contacts (workspace, contact_id, version, type, given_name, last_name, tags, classification, root, organization_id, archived_at,
  first_seen_at, last_seen_at, created_at, updated_at)
select 'acme', id, 1, (array['ghost','lead','contact','vendor'])[1 + n % 4], case when n % 3 > 0 then 'G' || n % 5 end,
  case when n % 2 = 0 then 'L' || n % 7 end,
  case when n % 5 = 0 then '["vip"]'::jsonb when n % 7 = 0 then '["new", "vip"]' else '[]' end,
  jsonb_strip_nulls(jsonb_build_object('owners', case when n % 11 = 0 then jsonb_build_array($2::text) end,
    'followers', case when n % 11 = 0 or n % 13 = 0 then jsonb_build_array($2::text) end)),
  id, case when n % 6 = 0 then '00000000-0000-0000-0000-000000000007'::uuid end, case when n % 10 = 9 then now() end,
  now(), now(), timestamptz '2026-01-01' + n / 3 * interval '1 second', now()
from (select n, gen_random_uuid() as id from generate_series(1, $1::integer) as n) as g
"""


async def walk(connection: Connection, filters: Filters, size: int = 7) -> list[UUID]:
    found: list[UUID] = []
    after: Place | None = None
    while page := await contact_lists.page(connection, "acme", filters, after, size):
        found += [each.contact_id for each in page]
        after = page[-1]
    return found


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({}, "archived_at is null"),
    "newest first": ({"descending": True}, "archived_at is null"),
    "leads": ({"type": "lead"}, "type = 'lead' and archived_at is null"),
    "ghosts": ({"type": "ghost"}, "type = 'ghost' and archived_at is null"),
    "tagged": ({"links": [("tag", "vip")]}, "tags ? 'vip' and archived_at is null"),
    "tagged twice": ({"links": [("tag", "vip"), ("tag", "new")]}, "tags ?& '{vip,new}' and archived_at is null"),
    "archived": ({"archived": "only"}, "archived_at is not null"),
    "archived as well": ({"archived": "with", "links": [("tag", "vip")]}, "tags ? 'vip'"),
    "of an organization": ({"organization_id": UUID(int=7)}, "organization_id is not null and archived_at is null"),
    "owned": ({"visible": (USER, ("owner",))}, "classification -> 'owners' ? '{user}' and archived_at is null"),
    "seen": (
        {"visible": (USER, ("owner", "follower")), "type": "vendor"},
        "(classification -> 'owners' ? '{user}' or classification -> 'followers' ? '{user}') and type = 'vendor' and archived_at is null",
    ),
    "seen and tagged": (
        {"visible": (USER, ("owner", "follower")), "links": [("tag", "vip")], "descending": True},
        "(classification -> 'owners' ? '{user}' or classification -> 'followers' ? '{user}') and tags ? 'vip' and archived_at is null",
    ),
    "by name": ({"sort": "name"}, "last_name is not null and archived_at is null"),
    "by name, seen": (
        {"sort": "name", "visible": (USER, ("owner", "follower")), "descending": True},
        "last_name is not null and (classification -> 'owners' ? '{user}' or classification -> 'followers' ? '{user}') and archived_at is null",
    ),
    "by a query": (
        {
            "query": parse(
                {"and": [{"field": "tags", "operator": "equals", "value": "vip"}, {"field": "given_name", "operator": "is_null"}]}
            )
        },
        "tags ? 'vip' and given_name is null and archived_at is null",
    ),
    "by a query alone": (
        {"query": parse({"not": {"field": "tags", "operator": "equals", "value": "vip"}})},
        "not tags ? 'vip' and archived_at is null",
    ),
}


@pytest.mark.asyncio
async def test_s77_a_list_walks_through_exactly_whom_it_is_of_in_its_order(store: Store) -> None:
    """S77: filters and ownership against the same said directly; no page repeats or leaves out anybody, where many were made at once."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute(MANY, 300, USER)
        for case, (options, condition) in CASES.items():
            filters = Filters(**options)
            order = "lower(last_name), lower(coalesce(given_name, '')), contact_id" if filters.sort == "name" else "created_at, contact_id"
            rows = await connection.fetch(
                f"select contact_id from contacts where {condition.replace('{user}', USER)} order by {order}"  # noqa: S608 -- ours
            )
            wanted = [row["contact_id"] for row in rows]
            assert 0 < len(wanted) < 300, case
            assert await walk(connection, filters) == (wanted[::-1] if filters.descending else wanted), case


PLANNED: dict[str, tuple[dict[str, Any], str]] = {
    "all": ({"descending": True}, "contacts_created"),
    "type": ({"type": "vendor"}, "contacts_typed"),
    "tag": ({"links": [("tag", "vip")]}, "links_pkey"),
    "two tags": ({"links": [("tag", "vip"), ("tag", "new")]}, "links_pkey"),
    "tag and type": ({"links": [("tag", "vip")], "type": "lead"}, "links_pkey"),
    "owner": ({"visible": (USER, ("owner",))}, "links_pkey"),
    "seen": ({"visible": (USER, ("owner", "follower"))}, "links_pkey"),
    "organization": ({"organization_id": UUID(int=7)}, "contacts_of_organization"),
    "archive": ({"archived": "only"}, "contacts_archived"),
    "name": ({"sort": "name"}, "contacts_named"),
    "query": ({"query": parse({"and": [{"field": "tags", "operator": "equals", "value": "vip"}]}), "descending": True}, "links_pkey"),
}


@pytest.mark.asyncio
async def test_a_page_in_the_middle_walks_along_one_index(store: Store, database: Database) -> None:
    """Architecture, section 4: under row-level security, at twenty thousand contacts."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute(MANY, 20_000, USER)
    # Walks along links are planned right even where nobody has counted.
    for case, (options, index) in PLANNED.items():
        if index == "links_pkey":
            await _walks_along(store, case, Filters(**options), index)
    owner = await asyncpg.connect(database.admin_url)
    await owner.execute("analyze contacts")
    await owner.close()
    for case, (options, index) in PLANNED.items():
        if index != "links_pkey":
            await _walks_along(store, case, Filters(**options), index)


async def _walks_along(store: Store, case: str, filters: Filters, index: str) -> None:
    async with store.transaction(["acme"]) as connection:
        at = await connection.fetchval("select timestamptz '2026-01-01' + interval '3000 seconds'")
        place = Place(None, "l3", "g1", UUID(int=1 << 127)) if case == "name" else Place(at, "", "", UUID(int=1 << 127))
        statement = statement_of("acme", filters, place, 51)
        assert statement is not None
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement.sql}", *statement.parameters))
    assert "Seq Scan" not in plan, (case, plan)
    assert index in plan, (case, plan)
    assert "Sort" not in plan.replace("Incremental Sort", "") or case == "seen", (case, plan)


PROPOSED = """
insert into proposals (workspace, proposal_id, one, other, guard, semantic_type, first_at, first_event, first_partition, first_offset,
  last_at, last_event, last_partition, last_offset, proposed_at)
select 'acme', gen_random_uuid(), one, other, 'policy', 'email', now(), 'e', 0, 0, now(), 'e', 0, 0, now()
from (select contact_id as one, lead(contact_id) over (order by contact_id) as other from contacts) as pairs where other is not null
"""


@pytest.mark.asyncio
async def test_whose_proposals_somebody_decides_walks_along_their_own_contacts(store: Store) -> None:
    """S77, architecture 4: statements prepared while the tables were empty, on tables that grew since."""
    mine = (["owner"], USER)
    asked = (EXPIRES, "acme", None, None, EXPIRES, 50, *mine)
    async with store.transaction(["acme"]) as connection:
        await connection.fetch(NEWEST_OWN, *asked)
        await connection.execute(MANY, 20_000, USER)
        await connection.execute(PROPOSED)
        for statement, arguments in ((NEWEST_OWN, asked), (ONE, (EXPIRES, "acme", uuid4(), *mine))):
            plan = "\n".join(row[0] for row in await connection.fetch(f"explain {statement}", *arguments))
            assert not [table for table in ("proposals", "contacts", "links") if f"Seq Scan on {table}" in plan], plan


@pytest.mark.asyncio
async def test_pages_of_the_api_follow_each_other_and_strange_cursors_are_refused(api: Api, store: Store) -> None:
    """S86: sizes capped, filters allow-listed, no raw query language."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute(MANY, 60, USER)
    async with api.as_role("coach") as client:
        seen: list[str] = []
        cursor = None
        while True:
            params = {"limit": "9", "sort": "created_at", **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/contacts", params=params)).json()
            seen += [each["id"] for each in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 54
        for params, code in (
            ({"limit": "201"}, "invalid"),
            ({"sort": "version"}, "invalid"),
            ({"where": "true"}, "unknown_parameter"),
            ({"cursor": "nonsense"}, "invalid_cursor"),
            ({"fields": "secret"}, "unknown_field"),
            ({"segment": "none"}, "not_found"),
        ):
            answer = await client.get("/contacts", params=params)
            assert answer.json()["code"] == code, answer.text
        bad = await client.post("/contacts/search", json={"query": {"field": "sql", "operator": "equals", "value": "1"}})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_query")


@pytest.mark.asyncio
async def test_what_no_column_takes_is_the_callers_fault(api: Api) -> None:
    """S86: a NUL, a time without a zone, a label longer than any: 422 or nothing found, never 5xx."""
    async with api.as_role("master") as client:
        made = (await client.post("/contacts", json={"given_name": "Ann"})).json()
        for params in (
            {"tag": "\0"},
            {"workflow": "w" * 150},
            {"segment": "s" * 150},
            {"step": "\0"},
            {"identifier": "email:\0"},
            {"identifier": "x"},
        ):
            assert (await client.get("/contacts", params=params)).status_code in {200, 404, 422}, params
        for body in (
            {"query": {"field": "given_name", "operator": "equals", "value": "\0"}},
            {"query": {"identifier": "email", "operator": "starts_with", "value": "\0"}},
            {"tag": "\0"},
        ):
            assert (await client.post("/contacts/search", json=body)).status_code in {200, 422}, body
        url = f"/contacts/{made['id']}"
        assert (await client.get(f"{url}/explain", params={"as_of": "2026-01-01T00:00:00"})).status_code == 422
        assert (await client.get(f"{url}/timeline", params={"cursor": "AAAA"})).status_code == 422
        odd = await client.post("/contacts", json={"given_name": "a\0b", "attributes": {"unbound": {"x\0": "\0"}}, "reason": "\0"})
        assert odd.status_code in {201, 422}, odd.text
