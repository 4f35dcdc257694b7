"""S94: two workspaces with the same data. Whatever one calls, with the ids of the other in any place, reads and moves nothing of its twin."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import pytest
import pytest_asyncio
import typer
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from onefold.cli.main import app
from onefold.cli.output import USAGE
from onefold.errors import OnefoldError
from onefold.records import workspace_jobs
from streams import jobs
from tests.e2e.check.stories import logs_kept
from tests.support.apis import WEBHOOKS, api_on
from tests.support.furnished import furnish
from tests.support.installations import installation
from tests.support.operations import calls_of, operations
from tests.support.swapping import amiss, naming, sums, swaps
from tests.support.working import carry_out
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
    from pathlib import Path

    import httpx

    from tests.support.installations import Installation
    from tests.support.servers import Database, Services

pytestmark = pytest.mark.asyncio

CANARY = "Canary"
AS_ASKED = ("workspace_jobs", "import_lines", "import_parts", "definitions")
"""Tables of one's own that hold ids as they were asked for; of definitions those of default owners, who are left out when it comes to that."""


class Twins(NamedTuple):
    """Two workspaces, and what is in them: ids by kind."""

    mine: Installation
    client: httpx.AsyncClient
    """A Super Admin of acme."""
    own: Mapping[str, str]
    others: Mapping[str, str]


@pytest_asyncio.fixture
async def twins(services: Services, database: Database, topic_prefix: str, redis_url: str) -> AsyncIterator[Twins]:
    """Whatever a test does in acme, its end looks at the twin, and for it."""
    async with (
        installation(services, database, topic_prefix, redis_url, partitions=1) as mine,
        api_on(mine.store, webhooks=WEBHOOKS) as api,
    ):
        await add_workspace(mine.store, "twin")
        keys = [await api.key(await api.user("super_admin", workspace=each)) for each in ("acme", "twin")]
        own = await furnish(api, keys[0], "acme", "Mill")
        others = await furnish(api, keys[1], "twin", CANARY)
        await carry_out(mine.store)
        before = await sums(mine.store, "twin")
        async with api.client(keys[0]) as client:
            yield Twins(mine, client, own, others)
        after = await sums(mine.store, "twin")
        assert [table for table in before if before[table] != after[table]] == []
        assert await naming(mine.store, "acme", [CANARY]) == []
        ids = [value for kind, value in others.items() if kind != "email"]
        assert await naming(mine.store, "acme", ids, without=AS_ASKED) == []


@pytest.mark.slow  # every operation, every kind of job, every command
@pytest.mark.timeout(600)
async def test_s94_nothing_that_one_workspace_does_reads_or_moves_its_twin(twins: Twins, tmp_path: Path) -> None:
    """S31, S94: told of what is the twin's, in every place, alone or together."""
    await _call_all(twins)
    await _run_all_jobs(twins)
    await _command_all(twins, tmp_path)


async def _call_all(twins: Twins) -> None:
    """Every operation, with the twin's ids in its path, its query or its body."""
    client = twins.client
    document = (await client.get("/openapi.json")).json()
    told: list[str] = []
    called = set()
    for operation in operations(document):
        for call in calls_of(document, operation):
            called.add(operation)
            for places in swaps(call.places):
                answer = await client.request(**call.request(twins.own, twins.others, places))
                told += amiss(call, places, answer, twins.others, CANARY)
    assert not told, "\n".join(told)
    assert called == set(operations(document))


async def _run_all_jobs(twins: Twins) -> None:
    """Every kind of job, told of what is the twin's."""
    others = twins.others
    async with twins.mine.store.transaction(["twin"]) as connection:
        segment_id = await connection.fetchval("select segment_id from segments limit 1")
    inputs: dict[str, tuple[dict[str, str], dict[str, int]]] = {
        workspace_jobs.ORGANIZATION_RENAME: ({"organization_id": others["organization"]}, {"rewritten": 0}),
        workspace_jobs.SEGMENT_FILL: ({"slug": "paying", "segment_id": str(segment_id)}, {}),
        "ghost-sweep": ({"before": datetime.now(UTC).isoformat(), "days": "1"}, {"destroyed": 0, "kept": 0, "looked_at": 0}),
        workspace_jobs.DOCUMENT_OWNERSHIP: ({"template_id": others["document_template"]}, {"switched": 0}),
    }
    async with twins.mine.store.transaction(["acme"]) as connection:
        for kind, (wanted, progress) in inputs.items():
            await workspace_jobs.create(connection, "acme", kind, wanted, actor="user:ann", progress=progress)
    client = twins.client
    document = (await client.get("/openapi.json")).json()
    for operation in operations(document):
        if str(operation) in {"POST /contacts/bulk", "POST /imports", "POST /documents/seeds/files"}:
            for call in calls_of(document, operation):
                assert (await client.request(**call.request(twins.own, others, call.places))).status_code == 202
    ended = await carry_out(twins.mine.store)
    assert {each.kind for each in ended} == set(jobs.KINDS), "a new kind of job is begun here, too"
    assert [(each.kind, each.error) for each in ended if each.state not in {"done", "failed"}] == []


class Command(NamedTuple):
    """One of `onefold`'s, as the command line knows it."""

    words: tuple[str, ...]
    parameters: Sequence[click.Parameter]


def commands() -> list[Command]:
    """Every command that works on a workspace."""
    return [each for each in _below((), typer.main.get_command(app)) if any(one.name == "workspace" for one in each.parameters)]


def _below(words: tuple[str, ...], command: Any) -> Iterator[Command]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _below((*words, name), inner)
    else:
        yield Command(words, command.params)


ELSEWHERE = {
    "up": "starts servers, and makes the workspace that it names",
    "setup": "makes the workspace that it names, and lets in whoever may",
}
"""Commands that name a workspace and read nothing of it."""


def arguments(command: Command, others: Mapping[str, str], files: Mapping[str, str]) -> list[str]:
    """What a command is told: of the twin, wherever it takes an id, an identifier or an address."""
    words = " ".join(command.words)
    known: dict[str, list[str]] = {
        "workspace": ["acme"],
        "who": [others["contact"]],
        "survivor": [others["contact"]],
        "absorbed": [others["other_contact"]],
        "contact": [others["contact"]],
        "other": [others["other_contact"]],
        "named": [others["proposal" if words.startswith("proposals") else "absorbed"]],
        "identifier": [f"email:{others['email']}"],
        "identifiers": ["email:new@example.com"],
        "value": [f"email:{others['email']}"],
        "user": [others["user"]],
        "key_id": [others["identity_key" if words.startswith("identity-keys") else "key"]],
        "email": [f"{CANARY.lower()}@example.com"],
        "after": ["00000000-0000-0000-0000-000000000000"],
        "values": ["given_name=Eve"],
        "keys": ["limits.values_per_type=7"],
        "purpose": ["newsletter"],
        "state": ["granted"],
        "days": ["30"],
        "wanted": ["de"],
        "source": ["form"],
        "slug": ["paying"],
        "query": ['{"field": "tags", "operator": "equals", "value": "vip"}'],
        "kind": ["service"],
        "role": ["coach"],
        "title": ["A title"],
        "label": ["work"],
        "reason": ["to see"],
        "parked": [others["parked"]],
        "ids": [others["parked"]],
        "only": ["contacts"] if words == "seeds export" else [],
        "file": [files.get(words, "")],
        "public_key": [files["public_key"]],
        "admin": [],
    }
    if words == "contacts amend":
        known["value"] = ["changed@example.com"]
    if words == "rules set":
        known["file"] = []
    said = [f"--{one.name}" for one in command.parameters if one.name in {"execute", "json"}]
    for one in command.parameters:
        values = known.get(str(one.name), [])
        assert values or not one.required, f"{words}: say what {one.name} is"
        for value in values:
            said += [value] if isinstance(one, click.Argument) or one.param_type_name == "argument" else [one.opts[0], value]
    return [*command.words, *said]


async def _command_all(twins: Twins, tmp_path: Path) -> None:
    """Every command that takes a workspace, told of what is the twin's."""
    seed = [{"object_type": "contacts", "data": {"last_name": "Seeded", "organization_id": twins.others["organization"]}}]
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    (tmp_path / "key.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=False))
    (tmp_path / "people.csv").write_text(f"last_name,email\nEve,{twins.others['email']}\n")
    files = {
        "seeds plan": str(tmp_path / "seed.json"),
        "seeds apply": str(tmp_path / "seed.json"),
        "import": str(tmp_path / "people.csv"),
        "public_key": str(tmp_path / "key.pem"),
    }
    told: list[str] = []
    for command in commands():
        if " ".join(command.words) in ELSEWHERE:
            continue
        words = arguments(command, twins.others, files)
        with logs_kept():
            result = await asyncio.to_thread(CliRunner().invoke, app, words, env=dict(twins.mine.environment))
        if CANARY in result.output or CANARY in repr(result.exception):
            told.append(f"{words} shows what is the twin's: {result.output[:300]}")
        if result.exit_code == USAGE or not isinstance(result.exception, SystemExit | OnefoldError | None):
            told.append(f"{words} was not understood: {result.output[:500]} {result.exception!r}")
    assert not told, "\n".join(told)
