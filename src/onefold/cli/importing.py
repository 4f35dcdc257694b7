"""`onefold import FILE`: contacts from CSV or JSONL. The file is stored, then imported by this process, or by whoever takes the job."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.contacts import Json, Workspace  # noqa: TC001 -- typer reads them
from onefold.cli.merging import Actor, Reason, user
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.imports import Format
    from onefold.records.imports import LineReport
    from onefold.records.workspace_jobs import WorkspaceJob

FORMATS: dict[str, Format] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
READ_BYTES = 262_144
SHOWN = 20
"""Refused lines that are printed."""

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .csv, .jsonl or .ndjson file.")]


def import_contacts(
    file: File,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Leave it to `onefold jobs-worker` once the file is stored.")] = False,
    json: Json = False,
) -> None:
    """Import contacts. Each line counts as asserted; what cannot be imported is reported by line."""
    form = FORMATS.get(file.suffix.lower())
    if form is None:
        raise typer.BadParameter(f"{file.name} is none of {', '.join(FORMATS)}")
    job, refused = run(_import(file, form, workspace, user(actor, reason or f"import of {file.name}", execute=True), detach=detach))
    if json:
        print_json(
            {
                "job_id": job.job_id,
                "state": job.state,
                "error": job.error,
                **_counts(job),
                "refused_lines": [each._asdict() for each in refused],
            }
        )
        return
    print_table(["import", ""], [("job", job.job_id), ("state", job.state), ("error", job.error), *_counts(job).items()])
    if refused:
        print_table(["line", "code", "reason"], [(each.line, each.code, each.reason) for each in refused], title="\nrefused")
    if job.state in {"waiting", "running"}:
        say("\nnext: onefold jobs-worker carries it out")


def _counts(job: WorkspaceJob) -> dict[str, Any]:
    from onefold.contacts.imports import OUTCOMES  # noqa: PLC0415 -- a command loads only what it needs

    return {"lines": job.progress["lines"], **{name: job.progress[name] for name in OUTCOMES}}


async def _import(file: Path, form: Format, workspace: str, who: User, *, detach: bool) -> tuple[WorkspaceJob, Sequence[LineReport]]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.contacts.imports import upload  # noqa: PLC0415
    from onefold.records import imports, log, workspace_jobs  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from streams import jobs  # noqa: PLC0415

    role = bootstrap.begin("cli", Settings.load())
    async with bootstrap.store(role) as store:
        job = await upload(store, workspace, form, _chunks(file), who, name=file.name)
        async with store.transaction([workspace]) as connection:
            await log.append(connection, workspace, [log.Act(who.actor, "began", "imports", str(job.job_id), reason=who.reason)])
        if not detach:
            parts = await jobs.parts_of(role, store)
            claimed = await jobs.claim(parts, only=job.job_id)
            if claimed is not None:
                await jobs.carry_on(parts, claimed, asyncio.Event())
        async with store.transaction([workspace]) as connection:
            job = await workspace_jobs.find(connection, workspace, job.job_id)
            return job, await imports.lines(connection, workspace, job.job_id, after=0, most=SHOWN, refused_only=True)


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while chunk := await asyncio.to_thread(opened.read, READ_BYTES):
            yield chunk
