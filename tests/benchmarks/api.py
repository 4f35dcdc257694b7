"""What the User API costs: reading a contact against a bare route that runs the same SQL; a filtered list of a million against ten thousand.

Both applications are called in this process, so the caller's share is in both. The contacts are written by SQL, each with the links that the
trigger makes of it; every tenth has the tag, in both workspaces. Parts of others: add a function, and its line in `main`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID  # noqa: TC003 -- FastAPI reads annotations

import asyncpg
import httpx
import msgspec
import uvloop
from fastapi import FastAPI, Response

from onefold.bootstrap import calm_garbage_collector
from onefold.records import contact_lists, contact_pages, snapshots, trees
from onefold.records.contact_lists import Filters, statement_of
from onefold.records.store import name_workspaces
from tests.benchmarks.rig.measuring import bench_installation, cost, figure, report
from tests.support.apis import api_on
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from onefold.records.store import Store
    from tests.benchmarks.rig.measuring import Figure
    from tests.support.apis import Api

MANY, FEW = 1_000_000, 10_000
CHUNK = 50_000
READS, LISTS, WARM_UP = 40, 40, 5
AT_ONCE = 25
SEED = """
insert into contacts (workspace, contact_id, version, type, given_name, last_name, tags, root, first_seen_at, last_seen_at, created_at,
  updated_at)
select $1, id, 1, (array['ghost', 'lead', 'contact'])[1 + n % 3], 'G' || n, 'L' || n % 1000,
  case when n % 10 = 0 then '["vip"]'::jsonb else '[]' end, id, now(), now(), timestamptz '2026-01-01' + n * interval '1 second', now()
from (select n, gen_random_uuid() as id from generate_series($2::integer, $3::integer) as n) as g
"""


async def seed(url: str) -> None:
    """A million contacts in one workspace, ten thousand in the other; then what autovacuum would do within minutes."""
    connection = await asyncpg.connect(url)
    await connection.execute("select set_config('onefold.workspaces', 'acme,small', false)")
    for workspace, count in (("acme", MANY), ("small", FEW)):
        for first in range(1, count + 1, CHUNK):
            await connection.execute(SEED, workspace, first, min(first + CHUNK - 1, count), timeout=600)
    await connection.execute("vacuum analyze contacts", timeout=600)
    await connection.execute("vacuum analyze links", timeout=600)
    await connection.close()


def bare(store: Store) -> FastAPI:
    """One route: the same transaction and the same statements, and their rows as JSON."""
    app = FastAPI()

    @app.get("/contacts/{contact_id}")
    async def read(contact_id: UUID) -> Response:
        async with store.begin() as connection:
            await name_workspaces(connection, ["acme"])
            await connection.fetchrow(trees.ROOT, contact_id, "acme")
            rows = await connection.fetch(snapshots.CONTACTS, [contact_id], ["acme"])
            held = await connection.fetch(snapshots.LISTINGS, [contact_id], ["acme"])
            segments = await connection.fetch(contact_pages.SEGMENTS, [contact_id], "acme")
        told: list[dict[str, Any]] = [dict(each) for each in (*rows, *held, *segments)]
        return Response(msgspec.json.encode(told, enc_hook=str), media_type="application/json")

    return app


async def reads(api: Api) -> Figure:
    """Contacts a second, one after the other."""
    pairs = []
    async with (
        api.as_role("master") as ours,
        httpx.AsyncClient(transport=httpx.ASGITransport(bare(api.store)), base_url="http://bare") as other,
    ):
        body = {"given_name": "Ann", "identifiers": [{"semantic_type": "email", "identifier": f"ann{n}@example.com"} for n in range(3)]}
        url = f"/contacts/{(await ours.post('/contacts', json=body)).json()['id']}"
        pairs = [(await _rate(ours, url), await _rate(other, url)) for _ in range(WARM_UP + READS)]
    return figure("api: read of a contact", "reads/s", pairs[WARM_UP:], at_least=0.5)


async def _rate(client: httpx.AsyncClient, url: str) -> float:
    began = time.perf_counter()
    for _ in range(AT_ONCE):
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
    return AT_ONCE / (time.perf_counter() - began)


async def lists(api: Api) -> list[Figure]:
    """Milliseconds of a page of 50 in the middle, by three filters."""
    found = []
    async with api.as_role("master") as large, api.as_role("master", workspace="small") as small:
        for name, params in (("all", {}), ("a tag", {"tag": "vip"}), ("a tag and a type", {"tag": "vip", "type": "lead"})):
            pairs = [(await _page(large, params), await _page(small, params)) for _ in range(WARM_UP + LISTS)]
            found.append(cost(f"api: a list of a million by {name}, against ten thousand", "ms", pairs[WARM_UP:], times_at_most=5.0))
    return found


async def _page(client: httpx.AsyncClient, params: dict[str, str]) -> float:
    first = await client.get("/contacts", params=params)
    began = time.perf_counter()
    answer = await client.get("/contacts", params={**params, "cursor": first.json()["next"]})
    took = time.perf_counter() - began
    assert len(answer.json()["items"]) == 50, answer.text
    return took * 1_000


async def plan(store: Store) -> str:
    """How the page of tagged leads is found."""
    async with store.transaction(["acme"]) as connection:
        first = await contact_lists.page(connection, "acme", Filters([("tag", "vip")], "lead"), None, 50)
        statement = statement_of("acme", Filters([("tag", "vip")], "lead"), first[-1], 51)
        assert statement is not None
        return "\n".join(row[0] for row in await connection.fetch(f"explain (analyze, costs off) {statement.sql}", *statement.parameters))


async def main() -> int:
    """Make the contacts, then measure in pairs; the first few warm both up."""
    calm_garbage_collector()
    async with bench_installation(partitions=1) as mine:
        await add_workspace(mine.store, "small")
        await seed(mine.environment["ONEFOLD_POSTGRES__ADMIN_URL"])
        async with api_on(mine.store) as api:
            figures = [await reads(api), *await lists(api)]
        if "--json" not in sys.argv[1:]:
            print(await plan(mine.store))
    return report(figures)


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
