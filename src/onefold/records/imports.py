"""What imports brought and left: parts of lines as they came, and what became of each line. Called by `contacts.imports` and its doors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from onefold.records.store import Connection

INSERT_PART = "insert into import_parts (workspace, job_id, part, first_line, lines) values ($1, $2, $3, $4, $5)"
PART = "select first_line, lines from import_parts where job_id = $1 and workspace = $2 and part = $3"
WAITING_PARTS = "select part from import_parts where job_id = $1 and workspace = $2 order by part"
DELETE_PART = "delete from import_parts where job_id = $1 and workspace = $2 and part = $3"
DELETE_PARTS = "delete from import_parts where job_id = $1 and workspace = $2"
INSERT_LINES = """
insert into import_lines (workspace, job_id, line, outcome, contact_id, code, reason)
select $1, $2, * from unnest($3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[])
"""
LINES = """
select line, outcome, contact_id, code, reason from import_lines
where job_id = $1 and workspace = $2 and line > $3 order by line limit $4
"""
REFUSED = """
select line, outcome, contact_id, code, reason from import_lines
where job_id = $1 and workspace = $2 and line > $3 and outcome = 'refused' order by line limit $4
"""
COMPLETE = """
update workspace_jobs set progress = $3, lease_until = null, updated_at = clock_timestamp()
where job_id = $1 and workspace = $2 and state = 'waiting' returning job_id
"""
HOLD_BACK = "update workspace_jobs set lease_until = clock_timestamp() + interval '1 hour' where job_id = $1 and workspace = $2"


class LineReport(NamedTuple):
    """What became of one line."""

    line: int
    outcome: str
    """created, updated, merged, unchanged, refused."""
    contact_id: UUID | None = None
    code: str | None = None
    reason: str | None = None
    """Never a value that the line holds."""


class Part(NamedTuple):
    """Some lines, as they came."""

    first_line: int
    lines: list[bytes]


async def insert_part(connection: Connection, workspace: str, job_id: UUID, number: int, part: Part) -> None:
    """Store a part of what is being uploaded."""
    await connection.execute(INSERT_PART, workspace, job_id, number, part.first_line, part.lines)


async def part(connection: Connection, workspace: str, job_id: UUID, number: int) -> Part | None:
    """A part that is not imported yet."""
    row = await connection.fetchrow(PART, job_id, workspace, number)
    return Part(row["first_line"], list(row["lines"])) if row is not None else None


async def waiting_parts(connection: Connection, workspace: str, job_id: UUID) -> list[int]:
    """The numbers of the parts that are not imported yet."""
    return [row["part"] for row in await connection.fetch(WAITING_PARTS, job_id, workspace)]


async def delete_part(connection: Connection, workspace: str, job_id: UUID, number: int) -> None:
    """Forget what a part said: it is imported, in the same transaction."""
    await connection.execute(DELETE_PART, job_id, workspace, number)


async def delete_parts(connection: Connection, workspace: str, job_id: UUID) -> None:
    """Forget what was uploaded and is not to be imported."""
    await connection.execute(DELETE_PARTS, job_id, workspace)


async def hold_back(connection: Connection, workspace: str, job_id: UUID) -> None:
    """Let no worker take the job while its lines are being uploaded."""
    await connection.execute(HOLD_BACK, job_id, workspace)


async def complete(connection: Connection, workspace: str, job_id: UUID, progress: str) -> bool:
    """Let workers take the job: every line is there. False where it was cancelled meanwhile."""
    return await connection.fetchval(COMPLETE, job_id, workspace, progress) is not None


async def insert_lines(connection: Connection, workspace: str, job_id: UUID, lines: Iterable[LineReport]) -> None:
    """Say what became of lines."""
    rows = list(lines)
    if rows:
        await connection.execute(INSERT_LINES, workspace, job_id, *map(list, zip(*rows, strict=True)))


async def lines(connection: Connection, workspace: str, job_id: UUID, *, after: int, most: int, refused_only: bool) -> Sequence[LineReport]:
    """What became of lines, in their order, behind one."""
    rows = await connection.fetch(REFUSED if refused_only else LINES, job_id, workspace, after, most)
    return [LineReport(*row) for row in rows]
