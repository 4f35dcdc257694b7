"""What jobs of workspaces do to many contacts: a rename of their organization and an import, each against raw SQL that leaves the same rows.

Of a rename that is the same update, with outbox rows that SQL itself makes of the contacts and their identifiers; of both, the statements
that we send, ready made, with nothing read, parsed, decided or reported. In transactions of the same size, one after the other as a job's chunks.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import uvloop

from onefold.bootstrap import calm_garbage_collector
from onefold.contacts import imports, renaming
from onefold.contacts.acting import User
from onefold.identity import decided
from onefold.identity.plan import Act
from onefold.records import workspace_jobs
from onefold.records.apply import apply
from onefold.records.imports import DELETE_PART
from onefold.records.snapshots import read_contacts, snapshot_of
from onefold.workspace import organizations
from onefold.workspace.organizations import Edit, New
from tests.benchmarks.rig.inserting import Recorder
from tests.benchmarks.rig.measuring import bench_installation, figure, report
from tests.support.working import SHARDS, carry_out, worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.records.store import Connection
    from tests.benchmarks.rig.inserting import Statements
    from tests.benchmarks.rig.measuring import Figure
    from tests.support.installations import Installation

CONTACTS, REPETITIONS = 10_000, 3
ANN = User("user:ann", None)
UPDATE_IN_SQL = """
with changed as (
  update contacts c set organization_name = $3, version = version + 1, updated_at = clock_timestamp()
  where c.contact_id = any($1::uuid[]) and c.workspace = $2 returning c.*
), listed as (
  select i.contact_id, jsonb_agg(jsonb_build_object('semantic_type', i.semantic_type, 'identifier', i.identifier,
    'normalised', i.normalised, 'slug', i.slug, 'is_validated', i.is_validated, 'validated_at', i.validated_at,
    'validated_by', i.validated_by, 'source', i.source, 'outreach', i.outreach, 'assurance', i.assurance,
    'first_seen_at', i.first_seen_at, 'last_seen_at', i.last_seen_at)) as identifiers
  from identifiers i where i.contact_id = any($1::uuid[]) and i.workspace = $2 and i.held_until is null group by i.contact_id
)
insert into outbox (shard, topic, key, payload, headers)
select (hashtext(n.contact_id::text) & 3)::smallint, 'contacts.changed', convert_to(n.contact_id::text, 'UTF8'),
  convert_to(jsonb_build_object('event_id', gen_random_uuid(), 'workspace', n.workspace, 'contact_id', n.contact_id, 'version', n.version,
    'at', n.updated_at, 'cause', jsonb_build_object('kind', 'user', 'rule', 'renamed', 'actor', 'user:ann'),
    'changes', jsonb_build_object('organization_name', jsonb_build_array('before', $3::text)), 'merged', '[]'::jsonb, 'merged_into', null,
    'contact', jsonb_build_object('id', n.contact_id, 'workspace', n.workspace, 'version', n.version, 'type', n.type,
      'given_name', n.given_name, 'last_name', n.last_name, 'email', n.email, 'phone', n.phone, 'is_vendor', n.is_vendor,
      'organization_id', n.organization_id, 'organization_name', n.organization_name, 'attributes', n.attributes, 'tags', n.tags,
      'consent', n.consent, 'classification', n.classification, 'identifiers', l.identifiers, 'identifiers_total', n.identifiers_total,
      'first_seen_at', n.first_seen_at, 'last_seen_at', n.last_seen_at, 'created_at', n.created_at, 'updated_at', n.updated_at,
      'archived_at', n.archived_at))::text, 'UTF8'),
  jsonb_build_object('ce_id', gen_random_uuid(), 'ce_source', 'onefold', 'ce_type', 'contact.changed', 'ce_subject', n.contact_id)
from changed n left join listed l on l.contact_id = n.contact_id
"""
IDS = "select contact_id from contacts where organization_id = $1 order by contact_id"
_people = count()


async def import_lines(mine: Installation, number: int, organization: str | None = None) -> float:
    """Lines a second of an import: uploaded, then carried out."""
    began = time.perf_counter()
    await imports.upload(mine.store, "acme", "jsonl", _file(number, organization), ANN)
    (ended,) = await carry_out(mine.store)
    took = time.perf_counter() - began
    assert ended.progress["created"] == number
    return number / took


async def _file(number: int, organization: str | None = None) -> AsyncIterator[bytes]:
    for _ in range(number):
        n = next(_people)
        line: dict[str, Any] = {"given_name": f"N{n}", "last_name": "Doe", "email": f"n{n}@example.com", "organization": organization}
        yield msgspec.json.encode(line) + b"\n"


class Swallowing:
    """Reads from a connection, and keeps what was to be written instead of writing it."""

    def __init__(self, connection: Connection) -> None:
        self.fetch, self.fetchrow, self.fetchval = connection.fetch, connection.fetchrow, connection.fetchval
        self.statements: Statements = []

    async def execute(self, statement: str, *arguments: Any) -> None:
        """Keep it."""
        self.statements.append((statement, arguments))


async def insert_lines(mine: Installation, number: int) -> float:
    """The same rows raw: contacts, identifiers, evidence, outbox, what became of each line. They are those of another such import.

    What an import writes besides is not left: the lines as they came, and how far it is.
    """
    job, batches = await imports.upload(mine.store, "acme", "jsonl", _file(number), ANN), []
    tools, is_done = worker(mine.store).tools, False
    while not is_done:
        async with mine.store.transaction(["acme"]) as connection:
            swallowing = Swallowing(connection)
            progress, is_done = await imports.step(swallowing, job, tools)  # type: ignore[arg-type]
            job = replace(job, progress=progress)
            batches.append([each for each in swallowing.statements if each[0] != DELETE_PART])
    async with mine.store.transaction(["acme"]) as connection:
        await workspace_jobs.cancel(connection, "acme", job.job_id)
    return await _send(mine, batches, number)


async def rename(mine: Installation, organization_id: UUID, title: str, number: int) -> float:
    """Contacts a second of a rename that reaches them all."""
    async with mine.store.transaction(["acme"]) as connection:
        await organizations.edit(connection, "acme", organization_id, Edit(title), "user:ann")
    began = time.perf_counter()
    (ended,) = await carry_out(mine.store)
    took = time.perf_counter() - began
    assert (ended.kind, ended.progress["rewritten"]) == (workspace_jobs.ORGANIZATION_RENAME, number)
    return number / took


async def update_raw(mine: Installation, organization_id: UUID, title: str) -> float:
    """The same update and outbox rows, raw."""
    batches = []
    async with mine.store.transaction(["acme"]) as connection:
        ids = [row[0] for row in await connection.fetch(IDS, organization_id)]
        for start in range(0, len(ids), renaming.CHUNK):
            snapshot = snapshot_of(await read_contacts(connection, "acme", ids[start : start + renaming.CHUNK]))
            act = Act(str(uuid4()), "user:ann", None, datetime.now(UTC))
            batches.append(await _recorded(decided.rename(snapshot, organization_id, title, act)))
    return await _send(mine, batches, len(ids))


async def update_in_sql(mine: Installation, organization_id: UUID, title: str) -> float:
    """The same update, with outbox rows that SQL makes."""
    async with mine.store.transaction(["acme"]) as connection:
        ids = [row[0] for row in await connection.fetch(IDS, organization_id)]
    chunks = [ids[start : start + renaming.CHUNK] for start in range(0, len(ids), renaming.CHUNK)]
    return await _send(mine, [[(UPDATE_IN_SQL, (chunk, "acme", title))] for chunk in chunks], len(ids))


async def _recorded(plan: Any) -> Statements:
    recorder = Recorder()
    await apply(recorder, plan, shards=SHARDS, incarnation="raw")  # type: ignore[arg-type]
    return recorder.statements


async def _send(mine: Installation, batches: list[Statements], number: int) -> float:
    began = time.perf_counter()
    for statements in batches:
        async with mine.store.transaction(["acme"]) as connection:
            for statement, arguments in statements:
                await connection.execute(statement, *arguments)
    return number / (time.perf_counter() - began)


async def figures(mine: Installation) -> list[Figure]:
    """Both, in pairs after a first one that warms up."""
    async with mine.store.transaction(["acme"]) as connection:
        mill = (await organizations.create(connection, "acme", New("Mill"))).organization_id
    importing = [(await import_lines(mine, number), await insert_lines(mine, number)) for number in (1_000, *[CONTACTS] * REPETITIONS)]
    await import_lines(mine, CONTACTS, "mill")
    in_sql, ready_made = [], []
    for number in range(1 + REPETITIONS):
        raw = await update_in_sql(mine, mill, f"SQL {number}"), await update_raw(mine, mill, f"Raw {number}")
        ours = await rename(mine, mill, f"New {number}", CONTACTS)
        in_sql.append((ours, raw[0]))
        ready_made.append((ours, raw[1]))
    return [
        figure("jobs: organization rename", "contacts/s", in_sql[1:], at_least=0.5),
        figure("jobs: organization rename, rows ready made", "contacts/s", ready_made[1:]),
        figure("jobs: import", "lines/s", importing[1:], at_least=0.4),
    ]


async def main() -> int:
    """Measure."""
    calm_garbage_collector()
    async with bench_installation(partitions=1) as mine:
        return report(await figures(mine))


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
