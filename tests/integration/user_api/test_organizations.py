"""Organizations, jobs and imports through the User API: by role, by version, and in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from tests.support.working import SHARDS, carry_out
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store
    from tests.support.apis import Api

pytestmark = pytest.mark.asyncio
ANY = {"if-match": "*"}


async def make(client: httpx.AsyncClient, title: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/organizations", json={"title": title, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_tree_is_made_read_moved_and_destroyed(api: Api) -> None:
    """Each with its version; the log tells it."""
    async with api.as_role("master") as client:
        top = await make(client, "Top")
        below = await make(client, "Below", parent_id=top["organization_id"])
        deep = await make(client, "Deep", parent_id=below["organization_id"])
        path = f"/organizations/{below['organization_id']}"
        page = (await client.get("/organizations", params={"limit": 2})).json()
        rest = (await client.get("/organizations", params={"limit": 2, "cursor": page["next"]})).json()
        assert [each["hierarchy"] for each in (*page["items"], *rest["items"])] == ["1", "1.1", "1.1.1"]
        found = (await client.get(f"/organizations/{top['organization_id']}/below", params={"limit": 1})).json()
        more = (await client.get(f"/organizations/{top['organization_id']}/below", params={"cursor": found["next"]})).json()
        assert [each["slug"] for each in (*found["items"], *more["items"])] == ["below", "deep"]
        assert (await client.post(f"{path}/move", json={"parent_id": None})).status_code == 428
        cycle = await client.post(f"/organizations/{top['organization_id']}/move", json={"parent_id": deep["organization_id"]}, headers=ANY)
        assert (cycle.status_code, cycle.json()["code"]) == (409, "organization_refused")
        moved = await client.post(f"{path}/move", json={"parent_id": None, "sequence": 1}, headers={"if-match": '"1"'})
        assert (moved.status_code, moved.json()["hierarchy"], moved.headers["etag"]) == (200, "1", '"2"')
        assert (await client.post(f"{path}/move", json={"parent_id": None}, headers={"if-match": '"1"'})).status_code == 412
        assert (await client.delete(path)).status_code == 204
        assert [each["slug"] for each in (await client.get("/organizations", params={"archived": True})).json()["items"]] == ["below"]
        assert (await client.post(f"{path}/restore")).json()["archived_at"] is None
        assert [(await client.delete(path)).status_code for _ in range(3)] == [204, 204, 404]
        lifted = (await client.get(f"/organizations/{deep['organization_id']}")).json()
        assert (lifted["hierarchy"], lifted["parent_id"]) == ("2", None)
        log = (await client.get("/log", params={"object_id": below["organization_id"]})).json()["items"]
        assert [each["action"] for each in log] == ["destroyed", "archived", "restored", "archived", "moved", "created"]


async def test_hierarchies_are_read_only_and_slugs_stay(api: Api) -> None:
    """Facts 3.8: submitting `hierarchy` is rejected."""
    async with api.as_role("master") as client:
        for name in ("hierarchy", "hierarchy_sort", "version"):
            assert (await client.post("/organizations", json={"title": "T", name: "1"})).status_code == 422
        mill = await make(client, "Mill")
        assert (await client.post("/organizations", json={"title": "Mill"})).status_code == 409
        answer = await client.patch(f"/organizations/{mill['organization_id']}", json={"title": "T", "slug": "new"}, headers=ANY)
        assert answer.status_code == 422


async def test_a_rename_answers_with_the_job_that_reaches_every_contact(api: Api, store: Store) -> None:
    """And without one where there are none; the job can be read, and is done by a worker."""
    async with api.as_role("master") as client:
        mill = await make(client, "Mill")
        path = f"/organizations/{mill['organization_id']}"
        assert (await client.patch(path, json={"title": "Acme Mill"}, headers=ANY)).json()["renaming"] is None
        line = b'{"given_name": "Ann", "email": "ann@example.com", "organization": "mill"}'
        await client.post("/imports", content=line, headers={"content-type": "application/jsonl"})
        await carry_out(store)
        assert (await client.delete(path)).status_code == 204
        refused = await client.delete(path)
        assert (refused.status_code, refused.json()["code"]) == (409, "organization_in_use")
        renamed = (await client.patch(path, json={"title": "New", "reason": "sold"}, headers=ANY)).json()
        waiting = (await client.get(f"/jobs/{renamed['renaming']}")).json()
        assert (waiting["kind"], waiting["state"], waiting["reason"]) == ("organization-rename", "waiting", "sold")
        await carry_out(store)
        assert (await client.get(f"/jobs/{renamed['renaming']}")).json()["progress"] == {"rewritten": 1}
    async with store.transaction(["acme"]) as connection:
        held = await find_holder(connection, ["acme"], "email", "ann@example.com")
        assert held is not None
        record = await load_record(connection, ["acme"], held[1])
    assert record is not None
    assert record.contact.organization_name == "New"


async def test_s77_a_journey_manager_manages_what_they_own_and_sees_what_they_follow(api: Api) -> None:
    """S77: in the query; what is not theirs is as if it were not there."""
    user = await api.user("journey_manager")
    async with api.as_role("master") as master, api.client(await api.key(user)) as mine:
        foreign = await make(master, "Foreign")
        followed = await make(master, "Followed")
        own = await make(mine, "Own")
        assert own["owners"] == [str(user.user_id)]
        hang = {"followers": {"add": [str(user.user_id)]}}
        path = f"/organizations/{followed['organization_id']}"
        assert (await master.patch(f"{path}/classification", json=hang, headers=ANY)).json()["followers"] == [str(user.user_id)]
        assert [each["slug"] for each in (await mine.get("/organizations")).json()["items"]] == ["followed", "own"]
        assert (await mine.get("/organizations", params={"slug": "foreign"})).json()["items"] == []
        assert (await mine.get(path)).status_code == 200
        assert (await mine.patch(path, json={"title": "T"}, headers=ANY)).status_code == 404
        foreigns = f"/organizations/{foreign['organization_id']}"
        calls = [
            await mine.get(foreigns),
            await mine.get(f"{foreigns}/below"),
            await mine.patch(foreigns, json={"title": "T"}, headers=ANY),
            await mine.post(f"{foreigns}/move", json={"parent_id": None}, headers=ANY),
            await mine.post(f"/organizations/{own['organization_id']}/move", json={"parent_id": foreign["organization_id"]}, headers=ANY),
            await mine.post("/organizations", json={"title": "T", "parent_id": foreign["organization_id"]}),
            await mine.delete(foreigns),
            await mine.post(f"{foreigns}/restore"),
        ]
        assert {each.status_code for each in calls} == {404}
        assert (await mine.delete(f"/organizations/{own['organization_id']}")).status_code == 204


async def test_profiles_and_tags_hang_on_organizations_as_on_contacts(api: Api) -> None:
    """By the same definitions, of organizations; unknown tags are skipped, unknown profiles refused."""
    async with api.as_role("master") as client:
        body = {
            "title": "Firm",
            "slug": "firm",
            "object_type": "organizations",
            "data": {"attributes": [{"title": "Staff", "slug": "staff", "data_type": "integer"}]},
        }
        made = await client.post("/profiles", json=body)
        assert made.status_code == 201, made.text
        path = f"/organizations/{(await make(client, 'Mill'))['organization_id']}/classification"
        hang = {"profiles": {"add": ["firm"]}, "attributes": {"firm": {"staff": 5}}, "tags": {"add": ["nobody-knows"]}}
        hung = (await client.patch(path, json=hang, headers=ANY)).json()
        assert (hung["profiles"], hung["attributes"], hung["skipped_tags"], hung["version"]) == (
            ["firm"],
            {"firm": {"staff": 5}},
            ["nobody-knows"],
            2,
        )
        for wrong in ({"profiles": {"add": ["none"]}}, {"attributes": {"firm": {"staff": "many"}}}):
            assert (await client.patch(path, json=wrong, headers=ANY)).status_code == 422
        relate = {"relate": [{"relationship": "x", "id": str(uuid4())}]}
        assert (await client.patch(path, json=relate, headers=ANY)).status_code == 422


async def test_an_import_goes_in_as_a_stream_and_its_report_comes_out(api: Api, store: Store) -> None:
    """Page by page, and as a table that no spreadsheet takes for formulas (S71)."""

    async def rows() -> AsyncIterator[bytes]:
        yield b"given_name,em"
        yield b"ail\n"
        for number in range(300):
            yield f"N{number},n{number}@example.com\n".encode()
        yield b"Bad,no address\n"

    async with api.as_role("service_account") as client:
        answer = await client.post(
            "/imports", params={"name": "people.csv"}, content=rows(), headers={"content-type": "text/csv; charset=utf-8"}
        )
        assert answer.status_code == 202, answer.text
        job = answer.json()
        assert (job["kind"], job["state"], job["progress"]["lines"]) == ("import", "waiting", 301)
        await carry_out(store)
        done = (await client.get(f"/jobs/{job['job_id']}")).json()
        assert (done["state"], done["progress"]["created"], done["progress"]["refused"]) == ("done", 300, 1)
        path = f"/imports/{job['job_id']}"
        page = (await client.get(f"{path}/lines", params={"limit": 200})).json()
        rest = (await client.get(f"{path}/lines", params={"limit": 200, "cursor": page["next"]})).json()
        assert [each["line"] for each in (*page["items"], *rest["items"])] == list(range(2, 303))
        refused = (await client.get(f"{path}/lines", params={"refused": True})).json()["items"]
        assert [(each["line"], each["code"]) for each in refused] == [(302, "invalid_identifier")]
        table = await client.get(f"{path}/report.csv")
        assert table.headers["content-disposition"] == f'attachment; filename="import-{job["job_id"]}.csv"'
        lines = table.text.splitlines()
        assert (lines[0], len(lines)) == ("line,outcome,contact_id,code,reason", 302)
    async with api.as_role("master", workspace="other") as other:
        for each in (f"/jobs/{job['job_id']}", f"{path}/lines", f"{path}/report.csv"):
            assert (await other.get(each)).status_code == 404


async def test_a_file_that_is_none_is_refused_whole(api: Api) -> None:
    """With what to do; and whoever may not import sends nothing."""
    async with api.as_role("master") as client:
        assert (await client.post("/imports", content=b"{}", headers={"content-type": "application/json"})).status_code == 415
        wrong = await client.post("/imports", content=b"nickname\nA\n", headers={"content-type": "text/csv"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_columns")
        assert [each["state"] for each in (await client.get("/jobs")).json()["items"]] == ["cancelled"]
    async with api.as_role("coach") as coach:
        assert (await coach.post("/imports", content=b"{}", headers={"content-type": "text/csv"})).status_code == 403


async def test_a_job_can_be_cancelled(api: Api, store: Store) -> None:
    """Once; then it is over. The log says who did."""
    async with api.as_role("master") as client:
        line = {"content": b'{"given_name": "Ann"}', "headers": {"content-type": "application/jsonl"}}
        job = (await client.post("/imports", **line)).json()  # type: ignore[arg-type]
        assert (await client.post(f"/jobs/{job['job_id']}/cancel")).json()["state"] == "cancelled"
        again = await client.post(f"/jobs/{job['job_id']}/cancel")
        assert (again.status_code, again.json()["code"]) == (409, "job_ended")
        assert await carry_out(store) == []
        log = (await client.get("/log", params={"object_id": job["job_id"]})).json()["items"]
        assert [each["action"] for each in log] == ["cancelled", "began"]


async def test_events_and_edits_attach_by_the_same_organizations(api: Api, store: Store) -> None:
    """A `group` event after the slug was made through the API."""
    from msgspec.structs import replace  # noqa: PLC0415

    async with api.as_role("master") as client:
        mill = await make(client, "Mill")
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, [replace(event("email:ann@example.com"), group="mill")], {"acme": EXACT}, "test")
        assert str(await connection.fetchval("select organization_id from contacts")) == mill["organization_id"]
