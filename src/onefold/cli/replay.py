"""`onefold replay`: decide interactions again that were decided before, while everything goes on."""

from __future__ import annotations

from re import fullmatch
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from onefold.cli.options import TIME_HELP, actor, demand_reason, time_of
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.ops.replay import Plan, Wanted
    from onefold.records.jobs import HeldJob, Job
    from onefold.settings import Settings


def replay(
    since: Annotated[str | None, typer.Option("--since", help=f"What was appended since. {TIME_HELP}", show_default=False)] = None,
    until: Annotated[str | None, typer.Option("--until", help="What was appended before.", show_default=False)] = None,
    offsets: Annotated[
        str | None, typer.Option("--offsets", metavar="P:FROM-TO,…", help="Up to, and without, TO.", show_default=False)
    ] = None,
    partitions: Annotated[str | None, typer.Option("--partitions", metavar="P,…", help="Only these.", show_default=False)] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; kept with the job.", show_default=False)] = None,
    resume: Annotated[UUID | None, typer.Option("--resume", metavar="JOB", help="Go on with this job.", show_default=False)] = None,
    *,
    execute: Annotated[bool, typer.Option("--execute", help="Do it. Without it only the plan is shown.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Decide a range of interactions again, by today's rules; only what was decided before, as far as the log still holds it."""
    from onefold.settings import Settings  # noqa: PLC0415 -- a command loads only what it needs

    if resume is not None:
        _print_done(run(_resume(Settings.load(), resume)), json=json)
        return
    wanted = _wanted(since, until, offsets, partitions)
    settings = Settings.load()
    if execute:
        demand_reason(reason, settings)
    run(_replay(settings, wanted, reason, execute=execute, json=json))


async def _replay(settings: Settings, wanted: Wanted, reason: str | None, *, execute: bool, json: bool) -> None:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops.replay import plan  # noqa: PLC0415
    from streams.replay import start  # noqa: PLC0415

    role = bootstrap.begin("replay", settings)
    async with bootstrap.store(role, pool_size=2) as store:
        todo = await plan(store, role.kafka, wanted)
    if not (execute and todo.ranges):
        _print_plan(todo, json=json)
        return
    async with bootstrap.resolving(role) as parts:
        held = await start(role, parts, todo, actor=actor(), reason=reason, begun=_say_begun)
    _print_done(held, json=json)


async def _resume(settings: Settings, job_id: UUID) -> HeldJob:
    from onefold import bootstrap  # noqa: PLC0415
    from streams.replay import resume  # noqa: PLC0415

    role = bootstrap.begin("replay", settings)
    async with bootstrap.resolving(role) as parts:
        return await resume(role, parts, job_id)


def _wanted(since: str | None, until: str | None, offsets: str | None, partitions: str | None) -> Wanted:
    from onefold.ops.replay import Wanted  # noqa: PLC0415
    from onefold.topics.ranges import Span  # noqa: PLC0415

    if offsets is not None:
        if since or until or partitions:
            raise typer.BadParameter("--offsets says everything; leave --since, --until and --partitions out")
        spans = {}
        for each in offsets.split(","):
            found = fullmatch(r"\s*(\d{1,9}):(\d{1,18})-(\d{1,18})\s*", each)
            if found is None or int(found[2]) >= int(found[3]) or int(found[1]) in spans:
                raise typer.BadParameter(
                    f"{each!r} is no range, or a second one of a partition; they are written P:FROM-TO, such as 3:100-200"
                )
            spans[int(found[1])] = Span(int(found[2]), int(found[3]))
        return Wanted(spans)
    if since is None and partitions is None:
        raise typer.BadParameter("say what to replay: --since TIME, --offsets P:FROM-TO or --partitions P")
    if partitions is None:
        return Wanted({}, None, time_of(since), time_of(until))
    numbers = [each.strip() for each in partitions.split(",")]
    if not all(each.isdecimal() for each in numbers):
        raise typer.BadParameter(f"{partitions!r} are no partitions; they are written 0,3,7")
    return Wanted({}, frozenset(int(each) for each in numbers), time_of(since), time_of(until))


def _print_plan(todo: Plan, *, json: bool) -> None:
    if json:
        print_json({"executed": False, "ranges": todo.ranges, "records": todo.records, "notes": todo.notes})
        return
    rows = [(each.partition, each.first, each.end, each.end - each.first) for each in todo.ranges]
    then = "the same with --execute; nothing was done yet" if rows else "onefold doctor, which says how far the resolvers are"
    print_table(
        ["partition", "from", "to, without", "at most"], rows, title=f"at most {todo.records} interactions to decide again", then=then
    )
    for note in todo.notes:
        say(note)


def _say_begun(job: Job) -> None:
    say(f"job {job.job_id} began; if it is interrupted: onefold replay --resume {job.job_id}")


def _print_done(held: HeldJob, *, json: bool) -> None:
    done = held.progress
    records, changed, dead = done.get("records", 0), done.get("changed", 0), done.get("dead", {})
    if json:
        print_json({"executed": True, "job": held.job.job_id, "records": records, "changed": changed, "dead": dead})
        return
    say(f"{records} interactions decided again; contacts took {changed} new versions")
    for code, count in dead.items():
        say(f"{count} could not be handled ({code}); what they had before, a line or a dead letter, stands")
    say("next: onefold doctor")
