"""Exporting on real Postgres: everything that any table says of a person, in the documented format, and noted before it goes out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import jsonschema
import msgspec
import pytest

from onefold.contacts import export_shapes
from onefold.contacts.export import export
from onefold.contacts.imports import upload
from onefold.errors import ContactErased
from onefold.messages.times import to_milliseconds
from onefold.records import exported, log
from onefold.records.imports import LineReport, insert_lines
from onefold.records.timeline import monday_of
from onefold.records.timeline_weeks import Weeks
from tests.integration.contacts.canaries import TABLES, everything, line, put
from tests.integration.contacts.test_erasing import ANN
from tests.support.apis import api_on
from tests.support.worlds import START

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from onefold.records.store import Store
    from tests.support.servers import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.policy("eager")]

COPIES = {"links", "outbox", "idempotency_keys", "timeline_events", "import_parts", "destroyed_documents", "activity_mentions"}
"""Tables that say nothing beyond what sections say, or are looked at by another way than a section."""
HASHED = {"known_browsers", "validation_counts", "suppressions", "barriers", "erased_tenures", "erasures"}
OF_THE_WORKSPACE = {
    "contact_issuers", "definitions", "ghost_cleanup", "identity_keys", "keys", "log_heads", "oidc_issuers", "oidc_subjects", "organizations",
    "password_resets", "quarantine", "rules_versions", "segments", "sessions", "sign_in_failures", "sign_in_links", "users", "validation_settings", "webhook_secrets", "webhooks",
    "workspace_jobs", "workspaces",
}  # fmt: skip
"""Of users, or of nobody."""


async def told(store: Store, named: UUID) -> dict[str, Any]:
    text = b"".join([piece async for piece in export(store, "acme", named)])
    document: dict[str, Any] = msgspec.json.decode(text)
    return document


async def made(client: httpx.AsyncClient, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers=headers)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def told_of(database: Database) -> dict[str, set[str]]:
    """By table, every word there that says canary, whatever column it is in."""
    found: dict[str, set[str]] = {}
    connection = await asyncpg.connect(database.admin_url)
    try:
        await connection.execute("select set_config('onefold.workspaces', 'acme', false)")
        for row in await connection.fetch(TABLES):
            columns = ["t::text", *(f"coalesce(encode(t.{name}, 'escape'), '')" for name in row["binary"])]
            rows = await connection.fetch(f"select lower(concat({', '.join(columns)})) as said from {row['name']} t")  # noqa: S608 -- of names from the catalogue
            if words := {word for each in rows for word in words_in(each["said"])}:
                found.setdefault(re.sub(r"_\d.*", "", row["name"]), set()).update(words)
    finally:
        await connection.close()
    return found


def words_in(text: str) -> set[str]:
    return set(re.findall(r"canary[a-z0-9@.-]*", text.lower()))


async def fill(store: Store, her: UUID, client: httpx.AsyncClient) -> None:
    """What `everything` has no word of: a timeline, documents, comments, relations, imports, an answer that is kept."""
    async with store.transaction(["acme"]) as connection:
        tenure = await connection.fetchval("select min(tenure_id) from identifiers where contact_id = $1", her)
    await Weeks(store, timedelta(days=400)).make({monday_of(to_milliseconds(START))})
    entry = line(1, tenure, her)
    await put(store, [entry._replace(properties='{"p": "canary-property"}', name="canary-page")])
    await made(client, "/activities", {"object_type": "contacts", "object_id": str(her), "type": "comments", "content": "canary-comment"})
    await made(client, "/document-templates", {"slug": "contract", "title": "Contract", "data": {"attributes": []}})
    document = {"template": "contract", "contact_id": str(her), "slug": "first", "title": "canary-title"}
    await made(client, "/documents", document, **{"idempotency-key": "one"})
    gone = await made(client, "/documents", {**document, "slug": "second", "title": "canary-destroyed"})
    for _ in range(2):
        assert (await client.delete(f"/documents/{gone['id']}", headers={"if-match": "*"})).status_code == 204
    body = {"semantic_type": "email", "identifier": "canary-second@example.com"}
    await made(client, f"/contacts/{her}/identifiers", body)

    async def text() -> AsyncIterator[bytes]:
        yield b'{"email": "canary@example.com", "given_name": "canary-import"}'

    job = await upload(store, "acme", "jsonl", text(), ANN, name="list")
    async with store.transaction(["acme"]) as connection:
        await insert_lines(connection, "acme", job.job_id, [LineReport(7, "refused", her, "canary-code", "canary-line")])


async def test_an_export_holds_every_word_that_any_table_says_of_a_person_in_the_documented_format(
    store: Store, database: Database
) -> None:
    """Section 11 of product.md: compared with a scan of all tables; by the generated schema; of others it says nothing but ids."""
    her, ben = await everything(store)
    async with api_on(store) as api, api.as_role("super_admin") as client:
        await fill(store, her, client)
    tables = await told_of(database)
    assert tables.keys() >= {
        "activities", "challenges", "contacts", "documents", "identifiers", "idempotency_keys", "import_lines", "kept_apart",
        "log_details", "merges", "outbox", "outreach_messages", "parked", "quarantine", "timeline", "timeline_days",
        "webhook_deliveries",
    }, "what is looked for is there"  # fmt: skip
    document = await told(store, her)
    jsonschema.validate(document, export_shapes.schema())
    said = words_in(msgspec.json.encode(document).decode())
    assert {name: missing for name, words in tables.items() if (missing := words - said)} == {}
    assert next(each["contact_id"] for each in document["contacts"]) == str(her)
    assert len(document["contacts"]) == 3
    (comment,) = document["activities"]
    assert comment["content"] == "canary-comment"
    assert b"ben-a" not in msgspec.json.encode(document), "what Ben gave away is his"
    assert str(ben) in msgspec.json.encode(document).decode()
    (waiting,) = document["waiting_imports"]
    assert "canary-import" in waiting["text"]
    assert len(document["parked"]) == len(document["parked_elsewhere"]) == 1
    absorbed = document["contacts"][1]["contact_id"]
    assert {**await told(store, UUID(absorbed)), "exported_at": 0} == {**document, "exported_at": 0}, "by any id that leads to her"


async def test_every_table_is_exported_or_named_as_one_that_says_nothing_more(database: Database) -> None:
    """Section 11 of product.md: a new table does not come in unseen; it gets a section, or a reason."""
    connection = await asyncpg.connect(database.admin_url)
    try:
        statement = """
select distinct c.relname from pg_attribute a join pg_class c on c.oid = a.attrelid
where a.attname = 'workspace' and c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = 'public'::regnamespace
"""
        tables = {row["relname"] for row in await connection.fetch(statement)}
    finally:
        await connection.close()
    sections = {name for each in exported.SECTIONS for name in re.findall(r"(?:from|join) (\w+)", each.rows)}
    assert tables - sections - COPIES - HASHED - OF_THE_WORKSPACE == set()


async def test_whoever_takes_an_export_is_noted_before_it_goes_out_and_only_few_may(store: Store) -> None:
    """S100, section 11 of product.md: also where the answer is broken off; a machine, a coach and a journey manager take none."""
    her, _ = await everything(store)
    async with api_on(store) as api:
        for role, status in (("super_admin", 200), ("master", 200), ("service_account", 403), ("coach", 403), ("journey_manager", 403)):
            async with api.as_role(role) as client:
                answer = await client.post(f"/contacts/{her}/export", json={"reason": "she asked"})
                assert answer.status_code == status, (role, answer.text)
        async with api.as_role("master") as client:
            assert (await client.post(f"/contacts/{uuid4()}/export")).status_code == 404
    async with store.transaction(["acme"]) as connection:
        entries = await log.page(connection, "acme", log.Wanted("contacts", str(her), action="exported"), before=None, limit=9)
    assert [each.told.reason for each in entries] == ["she asked"] * 2


async def test_an_erased_person_is_exported_by_nobody_and_erasing_needs_a_reason_and_a_version(store: Store, database: Database) -> None:
    """S103: through the User API, with its preview; the answers and comments that are kept of them go, too."""
    her, _ = await everything(store)
    async with api_on(store) as api, api.as_role("super_admin") as client:
        await fill(store, her, client)
        comment = {"object_type": "contacts", "object_id": str(her), "type": "comments", "content": "canary-task"}
        await made(client, "/activities", comment, **{"idempotency-key": "two"})
        preview = await made(client, f"/contacts/{her}/erase?preview=true", {"reason": "she asked"})
        assert (await client.post(f"/contacts/{her}/erase", json={"reason": "x"})).status_code == 428
        assert (await client.post(f"/contacts/{her}/erase", json={"reason": "x"}, headers={"if-match": '"1"'})).status_code == 412
        assert (await client.post(f"/contacts/{her}/erase", json={}, headers={"if-match": "*"})).status_code == 422
        done = await made(client, f"/contacts/{her}/erase", {"reason": "she asked"}, **{"if-match": "*"})
        assert done == {**preview, "executed": True}
        assert (await client.post(f"/contacts/{her}/export")).status_code == 410
    with pytest.raises(ContactErased):
        await told(store, her)
    left = await told_of(database)
    assert left.keys() <= {"timeline", "timeline_days", "import_lines"}, "purged behind it; and a report never says what a line holds"
