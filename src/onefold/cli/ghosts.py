"""`onefold ghosts`: for how long a workspace keeps visitors who never came back, and the sweep that lets them go."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.contacts import Json, Workspace  # noqa: TC001 -- typer reads them
from onefold.cli.merging import Actor, Reason, user
from onefold.cli.output import counted, print_json, print_table, run, say
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from onefold.contacts.acting import User
    from onefold.records.ghosts import Keeping
    from onefold.records.workspace_jobs import WorkspaceJob
    from streams import jobs

app = typer.Typer(help="Ghosts: how long they are kept, and the sweep that destroys those who never came back.", no_args_is_help=True)

FOR_EVER = "forever"
LOOK_SECONDS = 0.5


@app.command()
def show(workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Say for how long the workspace keeps ghosts that are neither seen nor changed."""
    _print(run(_keeping(workspace)), workspace, json=json)


@app.command()
def keep(
    days: Annotated[str, typer.Argument(metavar="DAYS|forever", help="Such as 90.")],
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    json: Json = False,
) -> None:
    """Say for how many days ghosts are kept. `onefold jobs-worker` sweeps the others away once a day."""
    if days != FOR_EVER and not days.isdecimal():
        raise typer.BadParameter(f"{days!r} is neither a number of days nor {FOR_EVER}")
    wanted = None if days == FOR_EVER else int(days)
    _print(run(_keep(workspace, wanted, user(actor, reason or "said at the command line", execute=True))), workspace, json=json)


@app.command()
def sweep(
    workspace: Workspace = "acme",
    days: Annotated[int | None, typer.Option("--days", min=1, help="Instead of what the workspace says.", show_default=False)] = None,
    actor: Actor = None,
    reason: Reason = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would go.")] = False,
    json: Json = False,
) -> None:
    """Destroy the ghosts that nobody saw or changed for so many days, in small batches. Interrupted, it is gone on with as a job."""
    who = user(actor, reason or "a sweep at the command line", execute=True)
    told = run(_sweep(workspace, days, who, dry_run=dry_run))
    if json:
        print_json(told)
        return
    if dry_run:
        ghosts, before = counted("ghost", told["ghosts"]), told["before"]
        say(f"{ghosts} of workspace {workspace} would go: neither seen nor changed since {before:%Y-%m-%d %H:%M:%SZ}")
        if told["ghosts"]:
            say("\nnext: the same without --dry-run; nothing was done yet. It cannot be undone.")
        return
    print_table(["sweep", ""], [(name.replace("_", " "), value) for name, value in told.items() if value is not None])
    if told["state"] in {"waiting", "running"}:
        say("\nnext: onefold jobs-worker carries it out")


def _print(keeping: Keeping, workspace: str, *, json: bool) -> None:
    if json:
        print_json({"workspace": workspace, "delete_ghosts_inactive_for": keeping.inactive_days, "version": keeping.version})
        return
    if keeping.inactive_days is None:
        say(f"workspace {workspace} keeps ghosts for ever\n\nnext: onefold ghosts keep 90 --workspace {workspace}")
    else:
        days = counted("day", keeping.inactive_days)
        say(f"workspace {workspace} keeps ghosts that are neither seen nor changed for {days}")
        say(f"\nnext: onefold ghosts sweep --dry-run --workspace {workspace}")


async def _keeping(workspace: str) -> Keeping:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.contacts import acting  # noqa: PLC0415
    from onefold.records import ghosts  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        await acting.rules_of(connection, workspace)
        return await ghosts.keeping(connection, workspace)


async def _keep(workspace: str, days: int | None, who: User) -> Keeping:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.contacts import acting, ghosts  # noqa: PLC0415
    from onefold.records import log  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        await acting.rules_of(connection, workspace)
        before, after = await ghosts.keep_for(connection, workspace, days)
        if before != after:
            changes = [ghosts.change_told(before, after)]
            act = log.Act(who.actor, "updated", "cleanup", workspace, after.version, reason=who.reason, changes=changes)
            await log.append(connection, workspace, [act])
        return after


async def _sweep(workspace: str, days: int | None, who: User, *, dry_run: bool) -> dict[str, Any]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.contacts import acting, ghosts  # noqa: PLC0415
    from onefold.ops.horizon import decided_until  # noqa: PLC0415
    from onefold.records import ghosts as records  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from streams import jobs  # noqa: PLC0415

    role = bootstrap.begin("cli", Settings.load())
    async with bootstrap.store(role) as store:
        wanted = days
        if wanted is None:
            async with store.transaction([workspace]) as connection:
                await acting.rules_of(connection, workspace)
                wanted = (await records.keeping(connection, workspace)).inactive_days
        if wanted is None:
            raise InvalidMessage(f"workspace {workspace} keeps ghosts for ever: say --days, or onefold ghosts keep DAYS", code="no_days")
        horizon = await decided_until(role.kafka, store)
        async with store.transaction([workspace]) as connection:
            if dry_run:
                before = await ghosts.cutoff(connection, workspace, horizon, wanted)
                return {"workspace": workspace, "ghosts": await records.count(connection, workspace, before), "before": before}
            job = await ghosts.begin(connection, workspace, wanted, horizon, who)
        return _told(await carried_out(await jobs.parts_of(role, store), job), horizon)


async def carried_out(parts: jobs.Parts, job: WorkspaceJob) -> WorkspaceJob:
    """By this process, unless a worker was faster; then the worker is waited for, as long as it lives."""
    from onefold.records import workspace_jobs  # noqa: PLC0415
    from streams import jobs  # noqa: PLC0415

    claimed = await jobs.claim(parts, only=job.job_id)
    if claimed is not None:
        await jobs.carry_on(parts, claimed, asyncio.Event())
    while True:
        async with parts.store.transaction([job.workspace]) as connection:
            present = await workspace_jobs.find(connection, job.workspace, job.job_id)
        if present.lease_until is None or present.lease_until < datetime.now(UTC):
            return present
        await asyncio.sleep(LOOK_SECONDS)


def _told(job: WorkspaceJob, horizon: datetime) -> dict[str, Any]:
    counts = {name: job.progress[name] for name in ("destroyed", "kept", "looked_at")}
    return {"job": job.job_id, "state": job.state, "error": job.error, **counts, "before": job.input["before"], "decided_until": horizon}
