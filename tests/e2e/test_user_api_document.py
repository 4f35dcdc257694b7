"""The User API keeps to its own OpenAPI document, whatever is sent to it, as every role (issue 6; Schemathesis makes the calls)."""

from __future__ import annotations

import asyncio
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from onefold.access import keys
from onefold.access.matrix import MATRIX
from onefold.access.users import Wish, create_user
from onefold.contacts.acting import User
from onefold.installation.demo.sample import sample_seed
from onefold.local.ports import pick
from onefold.records import log
from onefold.records.numbers import TenureNumbers
from onefold.records.shards import shard_count
from onefold.seeds import apply as seeds
from tests.support.installations import installation
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemathesis import Case
    from schemathesis.schemas import APIOperation

    from onefold.records.store import Store
    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

# Not yet in CI: it has been seen to pass on the routes of definitions, users, keys and the log, and not on all of them.
# Run it with: ./dev test -m "faults or not faults" tests/e2e/test_user_api_document.py
pytestmark = pytest.mark.faults

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CALLS = 2
"""Of one operation, as one role, with ids of nothing and with ids of something."""
ENDLESS = "/api/v1/log/stream"
IDS = {
    "contact_id": "select contact_id from contacts where merged_into is null limit 1",
    "organization_id": "select organization_id from organizations limit 1",
    "user_id": "select user_id from users where roles = '{coach}' limit 1",
}
DEFINITIONS = "select distinct on (kind) kind, definition_id as id from definitions"
CANARY = "Canary"
KINDS = {"document-templates": "document_template", "taxonomies": "taxonomy"}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.asyncio
async def test_no_call_is_answered_otherwise_than_the_document_says(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """No 5xx, no undocumented status, media type or shape."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        tokens = await _prepare(mine)
        port = pick(set())
        async with mine.running("user-api", ONEFOLD_USER_API__PORT=str(port)):
            known, kinds = await _known(mine.store, "acme")
            calls = await asyncio.to_thread(_sweep, f"http://127.0.0.1:{port}", tokens, known, kinds, CHECKS)
        assert calls > 500


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.asyncio
async def test_s94_nothing_that_one_workspace_calls_reads_or_moves_its_twin(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """S31, S88, S94: two workspaces with the same data; every operation and the commands as one, with the ids of the other."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        tokens = await _prepare(mine)
        await add_workspace(mine.store, "twin")
        await _fill(mine.store, "twin", CANARY)
        async with mine.store.transaction(["twin"]) as connection:
            await create_user(connection, "twin", None, Wish(f"{CANARY}@example.com", CANARY, roles=["coach"]), None)
        known, kinds = await _known(mine.store, "twin")
        before = await _sums(mine.store, "twin")
        port = pick(set())
        async with mine.running("user-api", ONEFOLD_USER_API__PORT=str(port)):
            url = f"http://127.0.0.1:{port}"
            await asyncio.to_thread(_sweep, url, {"super_admin": tokens["super_admin"]}, known, kinds, [*CHECKS, _says_no_canary])
        contact = known["contact_id"]
        for words in (
            ["contacts", "show", contact, "--workspace", "acme"],
            ["contacts", "explain", contact, "--workspace", "acme"],
            ["contacts", "archive", contact, "--workspace", "acme", "--execute", "--reason", "x"],
            ["contacts", "erase", contact, "--workspace", "acme", "--execute", "--reason", "x"],
            ["seeds", "export", "--workspace", "acme"],
            ["segments", "list", "--workspace", "acme", "--json"],
            ["users", "list", "--workspace", "acme", "--json"],
            ["keys", "list", "--workspace", "acme", "--json"],
            ["audit", "verify", "--workspace", "acme", "--json"],
        ):
            _, said = await mine.command(*words)
            assert CANARY not in said, words
        assert await _sums(mine.store, "twin") == before


def _says_no_canary(_context: Any, response: Any, case: Case[Any]) -> None:
    assert CANARY.encode() not in response.content, f"{case.method} {case.formatted_path}"


async def _sums(store: Store, workspace: str) -> dict[str, str]:
    """A checksum of each table's rows of a workspace, as its own transactions see them."""
    async with store.transaction([workspace]) as connection:
        tables = await connection.fetch(
            "select relname from pg_class where relkind = 'r' and relrowsecurity and relnamespace = 'public'::regnamespace"
            " and has_table_privilege(oid, 'select') order by 1"
        )
        return {
            row["relname"]: await connection.fetchval(
                f"select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {row['relname']} t"  # noqa: S608 -- our tables
            )
            for row in tables
        }


async def _prepare(mine: Installation) -> dict[str, str]:
    """A workspace with something of everything, and a key of every role."""
    await _fill(mine.store, "acme", "Mill")
    return {role: await _token(mine.store, role) for role in MATRIX}


async def _fill(store: Store, workspace: str, word: str) -> None:
    """The sample, with a word in every title and last name."""
    items = sample_seed()
    for each in items:
        for name in {"title", "last_name"} & each["data"].keys():
            each["data"][name] = f"{each['data'][name]} {word}"
    shards = await shard_count(store)
    async with store.transaction([workspace]) as connection:
        user = User("ann@host", "a seed", log.Origin(), [], kind="seed")
        await seeds.apply(seeds.Work(connection, workspace, user, shards, TenureNumbers()), items)
        await log.append(connection, workspace, user.journal or [])


async def _known(store: Store, workspace: str) -> tuple[dict[str, str], dict[str, str]]:
    """Ids of something, by the parameter's name; of definitions by their kind."""
    async with store.transaction([workspace]) as connection:
        known = {name: str(await connection.fetchval(statement)) for name, statement in IDS.items()}
        kinds = {row["kind"]: str(row["id"]) for row in await connection.fetch(DEFINITIONS)}
    return known, kinds


async def _token(store: Store, role: str) -> str:
    async with store.transaction(["acme"]) as connection:
        user = await create_user(connection, "acme", None, Wish(f"{role}-{uuid.uuid4().hex[:6]}@example.com", roles=[role]), None)
        return (await keys.create_key(connection, "acme", "service", role, user_id=user.user_id)).text


def _sweep(url: str, tokens: Mapping[str, str], known: Mapping[str, str], kinds: Mapping[str, str], checks: Sequence[Any]) -> int:
    """Every operation as every role; gives how many calls were made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
        operations = [each.ok() for each in schema.get_all_operations()]  # type: ignore[union-attr]  # our own document is valid
        calls = 0
        for operation in operations:
            takes = operation.get_request_payload_content_types()
            if operation.path in {ENDLESS, "/api/v1/session"} or (takes and "application/json" not in takes):
                continue
            for role, token in tokens.items():
                for ids in _ids(operation, known, kinds):
                    calls += _call(operation, role, token, ids, checks)
    return calls


def _ids(
    operation: APIOperation[Any, Any, Any, Any], known: Mapping[str, str], kinds: Mapping[str, str]
) -> Iterator[dict[str, str] | None]:
    yield None
    names = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    plural = operation.path.split("/")[3]
    kind = KINDS.get(plural, plural.removesuffix("s"))
    found = {name: kinds[kind] if name == "definition_id" and kind in kinds else known.get(name) for name in names}
    if names and all(found.values()):
        yield {name: str(value) for name, value in found.items()}


def _call(operation: APIOperation[Any, Any, Any, Any], role: str, token: str, ids: dict[str, str] | None, checks: Sequence[Any]) -> int:
    made = 0

    @settings(
        max_examples=CALLS,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(path_parameters=ids))
    def call(case: Case[Any]) -> None:
        nonlocal made
        made += 1
        headers: dict[str, Any] = {"authorization": f"Bearer {token}"}
        try:
            case.call_and_validate(headers=headers, checks=list(checks))
        except Exception as error:
            raise AssertionError(f"{role}: {operation.method} {operation.path}") from error

    call()
    return made
