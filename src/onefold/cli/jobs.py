"""`onefold jobs`: long actions of operators, under way and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.records.jobs import Job

app = typer.Typer(help="Jobs: long actions that outlive the process that runs them.", no_args_is_help=True)

COMMANDS = {"index-rebuild": "index rebuild", "redrive": "dead-letters redrive", "replay": "replay"}

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
JobId = Annotated[UUID, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command("list")
def list_jobs(most: Annotated[int, typer.Option("-n", min=1, help="At most so many, newest first.")] = 50, *, json: Json = False) -> None:
    """List jobs, newest first."""
    found = run(_list(most))
    if json:
        print_json(found)
    else:
        print_table(
            ["job", "kind", "state", "began", "updated", "reason"],
            [(each.job_id, each.kind, each.state, each.created_at, each.updated_at, each.reason) for each in found],
            then="onefold jobs show JOB",
        )


@app.command()
def show(job: JobId, *, json: Json = False) -> None:
    """Show a job: its plan, and how far it is."""
    _print(run(_find(job)), json=json)


@app.command()
def cancel(job: JobId, *, json: Json = False) -> None:
    """End a job. What it did so far stays; a process that works on it stops within seconds."""
    _print(run(_cancel(job)), json=json)


def _print(job: Job, *, json: bool) -> None:
    if json:
        print_json(job)
        return
    rows: list[tuple[str, object]] = [
        ("id", job.job_id),
        ("kind", job.kind),
        ("state", job.state),
        ("reason", job.reason),
        ("by", job.actor),
        ("worker", job.worker),
        ("error", job.error),
        ("began", job.created_at),
        ("updated", job.updated_at),
        *((f"plan {name}", value) for name, value in job.plan.items()),
        *((f"progress {name}", value) for name, value in job.progress.items()),
    ]
    print_table(["job", ""], [row for row in rows if row[1] is not None])
    if job.state == "running":
        resume = f"onefold {COMMANDS[job.kind]} --resume {job.job_id}"
        say(f"\nnext: {resume}, if nobody works on it; or onefold jobs cancel {job.job_id}")


async def _list(most: int) -> list[Job]:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records.jobs import newest  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.connection() as connection:
        return await newest(connection, most)


async def _find(job_id: UUID) -> Job:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.jobs import find  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.connection() as connection:
        return await find(connection, job_id)


async def _cancel(job_id: UUID) -> Job:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.jobs import cancel as end  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.connection() as connection:
        return await end(connection, job_id)
