"""`onefold index`: how the resolution index is, whether it is true, mend it, make it anew. Results never depend on it, latency does."""

from __future__ import annotations

import asyncio
import json as json_
import os
import socket
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run, say, talk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from onefold.bootstrap import Role
    from onefold.index.upkeep import IndexUpkeep
    from onefold.ops.index.rebuild import Plan
    from onefold.ops.index.status import Status
    from onefold.ops.index.verify import Verification
    from onefold.records.jobs import Job
    from onefold.records.store import Store

app = typer.Typer(help="The resolution index in Redis: hints that can be verified, mended and made anew.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Execute = Annotated[bool, typer.Option("--execute", help="Do it; without, only say what would be done.")]
Rate = Annotated[float | None, typer.Option(min=1, help="At most so many identifiers a second.", show_default="as fast as it goes")]

SHOWN = 20
"""Differences that a table lists; --json lists up to a thousand."""
MEGABYTE = 1_000_000
_TOLD = ("stage", "written", "removed")


@app.command()
def status(
    *, exact: Annotated[bool, typer.Option("--exact", help="Count the identifiers one by one.")] = False, json: Json = False
) -> None:
    """Show incarnation, size and coverage of the index."""
    found = run(_status(exact=exact))
    if json:
        print_json({**asdict(found), "redis": found.redis._asdict(), "last_rebuild": found.last_rebuild})
        return
    redis, rebuild = found.redis, found.last_rebuild
    limit = f" of {redis.most_bytes / MEGABYTE:.0f}" if redis.most_bytes else ", no limit"
    rows = [
        ("incarnation", found.incarnation),
        ("began", found.began_at),
        ("keys in Redis", redis.keys),
        ("identifiers", f"{found.identifiers} {'counted' if found.is_counted else 'estimated'}" if found.identifiers is not None else None),
        ("coverage", f"{found.coverage:.1%} of a sample" if found.coverage is not None else None),
        ("memory", f"{redis.used_bytes / MEGABYTE:.0f} MB{limit}"),
        ("redis", f"version {redis.version}, {redis.eviction_policy}" + (f", {redis.nodes} primaries" if redis.nodes > 1 else "")),
        ("last rebuild", f"{rebuild.job_id}, {rebuild.state}, begun {rebuild.created_at:%Y-%m-%d %H:%M}Z" if rebuild else None),
    ]
    print_table(["index", ""], [row for row in rows if row[1] is not None], then="onefold index verify")


@app.command()
def verify(
    rate: Rate = None,
    *,
    strict: Annotated[bool, typer.Option("--strict", help="End with 3 at any difference, not only where an entry is false.")] = False,
    json: Json = False,
) -> None:
    """Hold every entry against Postgres, while both are in use. Ends with 3 where an entry could make a result wrong."""
    found = run(_verify(rate, mend=False))
    _print(found, json=json, then="onefold index repair --execute" if not found.is_complete else "onefold index status")
    if not found.is_true or (strict and not found.is_complete):
        raise typer.Exit(DIFFERENT)


@app.command()
def repair(rate: Rate = None, *, execute: Execute = False, json: Json = False) -> None:
    """Write what is missing, damaged, doubted, stale or wrong, and remove what belongs to nobody."""
    found = run(_verify(rate, mend=execute))
    _print(found, json=json, then="onefold index verify" if execute else "onefold index repair --execute")
    if not execute:
        say("Nothing was changed.")


@app.command()
def rebuild(
    rate: Rate = None,
    resume: Annotated[
        UUID | None, typer.Option(metavar="JOB", help="Go on with a rebuild that was interrupted.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for whoever looks at the job later.", show_default=False)] = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Begin a new incarnation, without an entry, and fill it while resolvers run. Until it is filled, more is read from Postgres."""
    if not execute and resume is None:
        _print_plan(run(_plan()), json=json)
        return
    job = run(_rebuild(resume, reason, rate))
    if json:
        print_json(job)
    else:
        say(f"rebuilt: {job.progress.get('written', 0)} entries written, {job.progress.get('removed', 0)} old ones removed")
        say("\nnext: onefold index verify")


def _print(found: Verification, *, json: bool, then: str) -> None:
    counts = {str(kind): count for kind, count in sorted(found.differences.items())}
    if json:
        listed = [{**each._asdict(), "kind": str(each.kind)} for each in found.listed]
        facts = {"incarnation": found.incarnation, "identifiers": found.identifiers, "differences": counts, "mended": found.mended}
        verdict = {
            "is_true": found.is_true,
            "is_complete": found.is_complete,
            "buckets": len(found.buckets),
            "other_keys": found.other_keys,
        }
        print_json({**facts, **verdict, "listed": listed})
        return
    rows: list[tuple[str, object]] = [("identifiers", found.identifiers), *counts.items()]
    rows += [("buckets that differ, of 4096", len(found.buckets)), ("keys of other incarnations", found.other_keys)]
    print_table(["index", "count"], [*rows, ("mended", found.mended)])
    if found.listed:
        columns = ["kind", "bucket", "workspace", "type", "tenure", "contact", "entry's contact"]
        print_table(columns, found.listed[:SHOWN], title=f"\nThe first {min(SHOWN, len(found.listed))} of {found.differences.total()}")
    say(f"\nnext: {then}")


def _print_plan(plan: Plan, *, json: bool) -> None:
    if json:
        print_json(plan)
        return
    rows = [("replaces incarnation", plan.replaces), ("identifiers to fill, estimated", plan.identifiers)]
    print_table(["a rebuild", ""], rows, then="onefold index rebuild --execute --reason …")
    say("Nothing was changed.")


class _Progress:
    """Shows progress on standard error, once a second: on one line of a terminal, else as a line of JSON each."""

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._due = 0.0

    def show(self, facts: dict[str, Any], *, is_last: bool = False) -> None:
        """Show these facts, if it is time."""
        if time.monotonic() < self._due and not is_last:
            return
        self._due = time.monotonic() + 1
        if not sys.stderr.isatty():
            sys.stderr.write(json_.dumps({**facts, "of": self._total}) + "\n")
            return
        text = ", ".join(f"{name} {value}" for name, value in facts.items()) + (f" of about {self._total}" if self._total else "")
        talk.print(f"{text}   ", end="\n" if is_last else "\r", soft_wrap=True)

    def rebuilding(self, progress: dict[str, Any]) -> None:
        """Show how far a rebuild is."""
        self.show({name: fact for name, fact in progress.items() if name in _TOLD}, is_last=progress["stage"] == "done")


@asynccontextmanager
async def _parts() -> AsyncIterator[tuple[Role, Store, IndexUpkeep]]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    role = bootstrap.begin("cli", Settings.load())
    async with bootstrap.store(role) as store, bootstrap.index_upkeep(role) as index:
        yield role, store, index


async def _status(*, exact: bool) -> Status:
    from onefold.ops.index import status as looking  # noqa: PLC0415

    async with _parts() as (role, store, index):
        return await looking.status(store, index, role.settings.index_secret, exact=exact)


async def _verify(rate: float | None, *, mend: bool) -> Verification:
    from onefold.ops.index import verify as verifying  # noqa: PLC0415
    from onefold.ops.index.walk import Pace  # noqa: PLC0415
    from onefold.records.open_tenures import estimate_open  # noqa: PLC0415

    async with _parts() as (role, store, index):
        async with store.connection() as connection:
            progress = _Progress(await estimate_open(connection))
        return await verifying.verify(
            store,
            index,
            role.settings.index_secret,
            mend=mend,
            pace=Pace(rate),
            looked=lambda count: progress.show({"looked at": count}),
        )


async def _plan() -> Plan:
    from onefold.ops.index.rebuild import plan  # noqa: PLC0415

    async with _parts() as (_, store, _):
        return await plan(store)


async def _rebuild(resume: UUID | None, reason: str | None, rate: float | None) -> Job:
    from onefold.errors import TemporaryError  # noqa: PLC0415
    from onefold.ops.index import rebuild as rebuilding  # noqa: PLC0415
    from onefold.ops.index.walk import Pace  # noqa: PLC0415
    from onefold.records import jobs  # noqa: PLC0415

    async with _parts() as (role, store, index), jobs.turn(store, "index-rebuild") as turn:
        progress = _Progress((await rebuilding.plan(store)).identifiers)
        await index.state()  # nothing is begun that could not go on
        job_id = resume or (await rebuilding.begin(store, actor=_actor(), reason=reason)).job_id
        held = await turn.take(job_id, role.worker)
        say(f"rebuild {job_id}")
        try:
            await rebuilding.Rebuild(store, index, role.settings.index_secret, held, pace=Pace(rate), told=progress.rebuilding).run()
        except (asyncio.CancelledError, TemporaryError):
            say(f"\nThe rebuild is not finished. Go on with: onefold index rebuild --resume {job_id}")
            raise
        async with store.connection() as connection:
            return await jobs.find(connection, job_id)


def _actor() -> str:
    """Who runs this command, as far as the machine knows."""
    return f"{os.environ.get('USER') or os.getuid()}@{socket.gethostname()}"
