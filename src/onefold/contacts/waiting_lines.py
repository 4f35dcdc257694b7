"""Take what imports that wait say of an erased person out of them: nobody is to read it any more, and no worker either.

A line goes whole, whatever it says beside. Of a CSV file that is still being uploaded the columns are not known yet; its lines are refused
when they are imported, since the import began before the erasure, and go then. Called by `contacts.erase`;
`contacts.export` looks at the same lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.contacts.imports import KIND, reader
from onefold.errors import InvalidMessage
from onefold.identity.identifiers import resolve_identifiers
from onefold.records import imports, workspace_jobs
from onefold.records.imports import Part

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence
    from uuid import UUID

    from onefold.contacts.import_lines import Line
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.rules import Rules
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob


async def hold(connection: Connection, workspace: str) -> list[WorkspaceJob]:
    """The imports that are not over, held: before any contact is locked, as their workers do."""
    return await workspace_jobs.hold_open(connection, workspace, KIND)


async def forget(connection: Connection, held: Sequence[WorkspaceJob], keys: Collection[IdentifierKey], rules: Rules) -> None:
    """Empty the lines of these imports that name one of these identifiers. `rules` as they find what contacts hold."""
    for job in held:
        async for number, part, read in _parts(connection, job):
            lines = [_emptied(line) if _names(line, read, keys, rules) else line for line in part.lines]
            if lines != part.lines:
                await imports.delete_part(connection, job.workspace, job.job_id, number)
                await imports.insert_part(connection, job.workspace, job.job_id, number, Part(part.first_line, lines))


async def naming(
    connection: Connection, workspace: str, keys: Collection[IdentifierKey], rules: Rules
) -> AsyncIterator[tuple[UUID, int, str]]:
    """Job, number and text of the lines that `forget` would empty, without holding anything."""
    for job in await workspace_jobs.look_open(connection, workspace, KIND):
        async for _, part, read in _parts(connection, job):
            for line in part.lines:
                if _names(line, read, keys, rules):
                    number, _, text = line.partition(b"\t")
                    yield job.job_id, int(number), text.decode(errors="replace")


async def _parts(connection: Connection, job: WorkspaceJob) -> AsyncIterator[tuple[int, Part, Callable[[bytes], Line]]]:
    """The parts of an import that are not imported yet, with what reads their lines."""
    if job.input["format"] == "csv" and not job.progress.get("header"):
        return
    read = reader(job)
    for number in await imports.waiting_parts(connection, job.workspace, job.job_id):
        part = await imports.part(connection, job.workspace, job.job_id, number)
        if part is not None:
            yield number, part, read


def _emptied(numbered: bytes) -> bytes:
    return numbered.partition(b"\t")[0] + b"\t"


def _names(numbered: bytes, read: Callable[[bytes], Line], keys: Collection[IdentifierKey], rules: Rules) -> bool:
    """Whether a line names one of the identifiers. One that cannot be read names nobody; it goes when its part is imported."""
    try:
        line = read(numbered.partition(b"\t")[2])
    except InvalidMessage:
        return False
    resolved, _ = resolve_identifiers(line.identifiers, rules)
    return any(each.key in keys for each in resolved)
