"""`onefold dead-letters`: what could not be handled: see it, put it back once its cause is mended, or let it be."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from onefold.cli.letters import print_letter, print_overview, print_plan, print_raw, print_redriven, say_begun
from onefold.cli.options import TIME_HELP, actor, demand_reason, time_of
from onefold.cli.output import print_json, run, say

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.ops.dead_letters import Filters, Letter, LetterId
    from onefold.ops.redrive import Desk
    from onefold.records.jobs import HeldJob
    from onefold.settings import Settings

app = typer.Typer(help="Dead letters: records that could not be handled.", no_args_is_help=True)

Class = Annotated[str | None, typer.Option("--class", help="Only this kind of fault, such as truncated.", show_default=False)]
Topic = Annotated[str | None, typer.Option("--topic", help="Only what lay on this topic.", show_default=False)]
CodeVersion = Annotated[str | None, typer.Option("--code-version", help="Only what this version gave up.", show_default=False)]
Since = Annotated[str | None, typer.Option("--since", help=f"Only what was given up since. {TIME_HELP}", show_default=False)]
Until = Annotated[str | None, typer.Option("--until", help="Only what was given up before.", show_default=False)]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.", show_default=False)]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with the decision.", show_default=False)]
Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without it only the plan is shown.")]
Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="PARTITION/OFFSET, as `list` shows it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command("list")
def list_(
    error_class: Class = None,
    topic: Topic = None,
    code_version: CodeVersion = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many, newest first; all are counted.")] = 20,
    *,
    all_: Annotated[bool, typer.Option("--all", help="Those that were redriven or dropped, too.")] = False,
    json: Json = False,
) -> None:
    """List open dead letters, newest first, and how many there are of each kind."""
    run(_list(_filters(error_class, topic, code_version, since, until), limit, decided_too=all_, json=json))


async def _list(filters: Filters, limit: int, *, decided_too: bool, json: bool) -> None:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.ops.dead_letters import find_letters  # noqa: PLC0415

    role = bootstrap.begin("cli", _settings())
    async with bootstrap.store(role, pool_size=2) as store:
        found = await find_letters(store, role.kafka, filters, most=limit, decided_too=decided_too)
    print_overview(found, json=json)


@app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="PARTITION/OFFSET, as `list` shows it.")],
    *,
    json: Json = False,
    raw: Annotated[bool, typer.Option("--raw", help="Only the original bytes; on a terminal with escapes spelled out.")] = False,
) -> None:
    """Show a dead letter: all its headers, its key, and what it says."""
    found = run(_find(_id(letter)))
    if raw:
        print_raw(found)
    else:
        print_letter(found, json=json)


async def _find(letter_id: LetterId) -> Letter:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops.dead_letters import find_letter  # noqa: PLC0415

    role = bootstrap.begin("cli", _settings())
    async with bootstrap.store(role, pool_size=2) as store:
        return await find_letter(store, role.kafka, letter_id)


@app.command()
def redrive(  # noqa: PLR0913, PLR0917 -- the options of one command
    ids: Ids = None,
    error_class: Class = None,
    topic: Topic = None,
    code_version: CodeVersion = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    rate: Annotated[int | None, typer.Option("--rate", min=1, help="At most so many a second.", show_default=False)] = None,
    reason: Reason = None,
    resume: Annotated[UUID | None, typer.Option("--resume", metavar="JOB", help="Go on with this job.", show_default=False)] = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Put dead letters back onto their topic and partition, as they were, in order. Mend their cause first."""
    filters = _filters(error_class, topic, code_version, since, until)
    if resume is not None:
        held = run(_resume(resume))
        print_redriven(held, json=json)
        return
    settings = _settings()
    if execute:
        demand_reason(reason, settings)
    run(_redrive(settings, filters, _ids(ids, filters), (limit, rate, reason), execute=execute, json=json))


async def _redrive(
    settings: Settings,
    filters: Filters,
    ids: list[LetterId],
    given: tuple[int | None, int | None, str | None],
    *,
    execute: bool,
    json: bool,
) -> None:
    from onefold.ops import redrive as ops  # noqa: PLC0415

    limit, rate, reason = given
    async with _desk(settings) as desk:
        plan = await ops.plan(desk, filters, ids, limit=limit, per_second=rate)
        if execute:
            print_redriven(await ops.redrive(desk, plan, reason=reason, begun=say_begun), json=json)
        else:
            print_plan(plan, await ops.look(desk, plan, redriving=True), "redrive", json=json)


async def _resume(job_id: UUID) -> HeldJob:
    from onefold.ops import redrive as ops  # noqa: PLC0415

    async with _desk(_settings()) as desk:
        return await ops.resume(desk, job_id)


@app.command()
def drop(  # noqa: PLR0913 -- the options of one command
    ids: Ids = None,
    error_class: Class = None,
    topic: Topic = None,
    code_version: CodeVersion = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the decision.", show_default=False)] = "",
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Decide that dead letters stay dead: they are open no more. Their bytes stay on the topic until it lets them go."""
    filters = _filters(error_class, topic, code_version, since, until)
    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    run(_drop(filters, _ids(ids, filters), limit, reason, execute=execute, json=json))


async def _drop(filters: Filters, ids: list[LetterId], limit: int | None, reason: str, *, execute: bool, json: bool) -> None:
    from onefold.ops import redrive as ops  # noqa: PLC0415

    async with _desk(_settings()) as desk:
        plan = await ops.plan(desk, filters, ids, limit=limit)
        if not execute:
            print_plan(plan, await ops.look(desk, plan, redriving=False), "drop", json=json)
            return
        tally = await ops.drop(desk, plan, reason=reason)
    if json:
        print_json({"dropped": tally.letters})
    else:
        say(f"{tally.letters} dead letters dropped\nnext: onefold dead-letters list")


def _filters(error_class: str | None, topic: str | None, code_version: str | None, since: str | None, until: str | None) -> Filters:
    from onefold.ops.dead_letters import Filters  # noqa: PLC0415

    return Filters(error_class, topic, code_version, time_of(since), time_of(until))


def _ids(given: list[str] | None, filters: Filters) -> list[LetterId]:
    from onefold.ops.dead_letters import Filters  # noqa: PLC0415

    ids = [_id(each) for each in given or ()]
    if ids and filters != Filters():
        raise typer.BadParameter("name letters by their ids or by filters, not by both")
    return ids


def _id(text: str) -> LetterId:
    from onefold.ops.dead_letters import LetterId  # noqa: PLC0415

    partition, _, offset = text.partition("/")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise typer.BadParameter(f"{text!r} is no id of a dead letter; they are written PARTITION/OFFSET, such as 3/41")
    return LetterId(int(partition), int(offset))


def _settings() -> Settings:
    from onefold.settings import Settings  # noqa: PLC0415

    return Settings.load()


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[Desk]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops.redrive import Desk  # noqa: PLC0415

    role = bootstrap.begin("redrive", settings)
    async with bootstrap.store(role) as store:
        yield Desk(store, role.kafka, actor(), role.worker)
