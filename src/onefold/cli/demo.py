"""`onefold demo`: the main job with real input, watched, checked and explained."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer
from rich.live import Live
from rich.table import Table

from onefold.cli.output import run, say, talk

if TYPE_CHECKING:
    from onefold.bootstrap import Role
    from onefold.installation.demo.visits import Visits
    from onefold.installation.demo.watching import Counts
    from onefold.installation.local_stack import LocalStack
    from onefold.records.reads import ContactRecord
    from onefold.records.store import Store

SEGMENTS = {
    "leads-on-pro": (
        "Leads on the pro plan",
        {
            "and": [
                {"field": "type", "operator": "equals", "value": "lead"},
                {"field": "attributes.unbound.plan", "operator": "equals", "value": "pro"},
            ]
        },
    ),
    "customers": ("Customers who have logged in", {"identifier": "user_id", "operator": "is_not_null"}),
    "proved": ("Contacts with a proved address", {"field": "type", "operator": "equals", "value": "contact"}),
}
SINGULARS = {"taxonomies": "taxonomy"}
SETTLE_SECONDS = 120.0
SHOWN_DIFFERENCES = 5


def demo(
    visits: Annotated[int, typer.Option(min=50, max=100_000, help="About how many events to send.")] = 4_000,
    seed: Annotated[int, typer.Option(help="Other people for another number.")] = 1,
    folder: Annotated[Path, typer.Option(help="Where the servers keep their data, logs and addresses.")] = Path(".onefold"),
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Start everything here, send realistic visits through real SDKs, and show what became of them."""
    from onefold.installation.demo.driving import require_sdks  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.installation.local_stack import local_stack  # noqa: PLC0415

    require_sdks()
    began = time.monotonic()
    say("starting Kafka, Postgres, Valkey and every role …")
    try:
        with local_stack(folder) as stack:
            say(f"running after {time.monotonic() - began:.0f} s; collector at {stack.collector_url}")
            workspace, address = run(_play(stack, visits, seed))
            _look_further(workspace, address, folder, keep=keep)
            if keep:
                say("everything goes on running; Ctrl-C stops it")
                stack.roles.follow(sys.stderr)
    except KeyboardInterrupt:
        say("stopped; the data is kept")


async def _play(stack: LocalStack, events: int, seed: int) -> tuple[str, str]:
    """Send, watch, check and tell; gives the workspace, and an address to look further by."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.installation.demo import driving, verdict  # noqa: PLC0415
    from onefold.installation.demo.visits import invent  # noqa: PLC0415
    from onefold.installation.setup import make_new_workspace  # noqa: PLC0415

    role = bootstrap.begin("demo", stack.settings)
    async with bootstrap.store(role) as store:
        workspace, keys = await make_new_workspace(store, "acme")
        await _make_segments(store, workspace)
        known = {key.kind: key.text for key in keys}
        visited = invent(events, seed=seed, mark=f"{seed}", until=datetime.now(UTC) - timedelta(hours=1))
        say(f"{len(visited.people)} people, {len(visited.calls)} events, workspace {workspace}\n")
        sending = asyncio.create_task(
            driving.send(
                visited,
                role,
                workspace=workspace,
                url=stack.collector_url,
                public_key=known["public"],
                secret_key=known["secret"],
            )
        )
        await _watch(store, role, workspace, visited, sending)
        wrong = await verdict.differences(store, workspace, visited)
        if wrong:
            shown = "\n".join(wrong[:SHOWN_DIFFERENCES])
            raise verdict.TruthMissed(f"{len(wrong)} of {len(visited.people)} people are not what they must be:\n{shown}")
        say(f"all {len(visited.people)} people are one contact each, of the right type: nobody split, nobody mixed up\n")
        await _tell_lives(store, workspace, visited)
        await _plant(store)
    return workspace, next(each.email for each in visited.people if each.story == "two devices" and each.email is not None)


async def _plant(store: Store) -> None:
    """Build a whole workspace from the sample seed, and see that it is written as what was read."""
    from onefold.contacts.acting import User  # noqa: PLC0415
    from onefold.installation.demo.sample import sample_seed  # noqa: PLC0415
    from onefold.installation.setup import make_new_workspace  # noqa: PLC0415
    from onefold.records import log  # noqa: PLC0415
    from onefold.records.numbers import TenureNumbers  # noqa: PLC0415
    from onefold.records.shards import shard_count  # noqa: PLC0415
    from onefold.seeds import apply as seeds  # noqa: PLC0415
    from onefold.seeds.export import export  # noqa: PLC0415

    workspace, _ = await make_new_workspace(store, "mill")
    shards = await shard_count(store)
    async with store.transaction([workspace]) as connection:
        user = User("demo", "the sample seed", log.Origin(), [], kind="seed")
        steps = await seeds.apply(seeds.Work(connection, workspace, user, shards, TenureNumbers()), sample_seed())
        await log.append(connection, workspace, user.journal or [])
        written = await export(connection, workspace)
        again = await seeds.plan(seeds.Work(connection, workspace, user, shards, TenureNumbers()), written.items)
    counts = Counter(each.object_type for each in steps if each.action == "created")
    built = ", ".join(named(object_type, count) for object_type, count in counts.items())
    same = "writes what it reads" if all(each.action == "unchanged" for each in again) else "differs from what it read"
    say(f"workspace {workspace}, from a seed: {built}; its export {same}\n")


def named(object_type: str, count: int) -> str:
    """So many of a kind of object, whose name is a plural."""
    name = object_type.replace("_", " ")
    return f"{count} {SINGULARS.get(name, name.removesuffix('s')) if count == 1 else name}"


async def _make_segments(store: Store, workspace: str) -> None:
    from onefold.workspace import segments  # noqa: PLC0415

    for slug, (title, query) in SEGMENTS.items():
        async with store.transaction([workspace]) as connection:
            segment = await segments.create(connection, workspace, slug, title, query)
        await segments.fill(store, segment)


async def _watch(store: Store, role: Role, workspace: str, visits: Visits, sending: asyncio.Task[None]) -> None:
    """Show the numbers growing until everything that was sent is resolved, relayed and evaluated."""
    from onefold.installation.demo.watching import count  # noqa: PLC0415
    from onefold.topics.ends import end_offsets  # noqa: PLC0415

    began, sent_after, calm = time.monotonic(), None, 0
    before = (await count(store, workspace)).resolved
    latest = None
    with Live(console=talk, refresh_per_second=4, transient=False) if talk.is_terminal else _Plain() as live:
        while calm < 3:  # noqa: PLR2004 -- looks in a row at which nothing moved
            await asyncio.sleep(0.5)
            now = await count(store, workspace)
            if sending.done():
                sending.result()
                sent_after = sent_after or time.monotonic() - began
            is_settled = sending.done() and now.waiting == 0 and now.resolved - before >= len(visits.calls)
            calm = calm + 1 if is_settled and now == latest else 0
            latest = now
            seconds = time.monotonic() - began
            live.update(_numbers(now, now.resolved - before, len(visits.calls), seconds))
            if seconds > SETTLE_SECONDS:
                ends = sum((await end_offsets(role.kafka, "interactions")).values())
                raise TimeoutError(
                    f"after {seconds:.0f} s {now.resolved - before} of {len(visits.calls)} events are resolved, {ends} on the topic"
                )
    seconds = time.monotonic() - began - 1.5
    sent = len(visits.calls) / (sent_after or seconds)
    say(f"\nsent at {sent:.0f} events/s; sent, resolved, relayed and evaluated at {len(visits.calls) / seconds:.0f} events/s")


class _Plain:
    """What shows progress where there is no terminal: a line every two seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, table: Table) -> None:
        """Print the numbers, if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 2
            values = [f"{column.header} {next(iter(column.cells), '')}" for column in table.columns]
            say("  ".join(values))


def _numbers(now: Counts, resolved: int, events: int, seconds: float) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    values = {
        "seconds": f"{seconds:.0f}",
        "resolved": f"{resolved}/{events}",
        "ghosts": str(now.ghosts),
        "leads": str(now.leads),
        "contacts": str(now.contacts),
        "merges": str(now.merges),
        "segment members": str(now.members),
    }
    for name in values:
        table.add_column(name, justify="right")
    table.add_row(*values.values())
    return table


async def _tell_lives(store: Store, workspace: str, visits: Visits) -> None:
    from onefold.records.reads import find_holder, load_record  # noqa: PLC0415

    for story, title in (
        ("two devices", "Two devices, one person"),
        ("shared device", "A shared device, handed over"),
        ("proved", "A proved address"),
    ):
        person = next(each for each in visits.people if each.story == story and each.email is not None)
        async with store.transaction([workspace]) as connection:
            found = await find_holder(connection, [workspace], "email", person.email or "")
            record = await load_record(connection, [workspace], found[1]) if found is not None else None
        if record is not None:
            _tell_life(title, record)


def _tell_life(title: str, record: ContactRecord) -> None:
    """Step by step: which event, at which position, brought which identifier to the contact, and what merged or left."""
    steps: list[tuple[datetime, str]] = []
    for tenure in record.tenures:
        for each in record.evidence.get(tenure.tenure_id, ())[:2]:
            what = {"first": f"brought {tenure.semantic_type}:{tenure.identifier}", "strongest": f"made {tenure.identifier} stronger"}
            where = f"{each.topic}/{each.partition}/{each.offset}"
            if each.kind in what:
                steps.append((each.at, f"{where:<22} {what[each.kind]} ({each.rule.replace('_', ' ')})"))
        if tenure.validated_at is not None:
            steps.append((tenure.validated_at, f"{'':<22} {tenure.identifier} was proved by {tenure.validated_by}"))
        if tenure.held_until is not None:
            steps.append((tenure.held_until, f"{'':<22} {tenure.identifier} went to somebody else"))
    for merge in record.merges:
        cause = merge.cause
        where = f"{cause['topic']}/{cause['partition']}/{cause['offset']}"
        at = datetime.fromisoformat(cause["occurred_at"])
        text = f"merged {str(merge.absorbed)[:8]}… into it, by a shared {cause['semantic_type']}"
        steps.append((at, f"{where:<22} {text}"))
    contact = record.contact
    talk.print(f"[bold]{title}[/]")
    for at, text in sorted(steps, key=lambda step: step[0]):
        say(f"  {at:%m-%d %H:%M}  {text}")
    name = " ".join(filter(None, (contact.given_name, contact.last_name)))
    summary = f"{contact.email}, {contact.summary.total} identifiers, version {contact.version}"
    say(f"  → {contact.type} {name}, {summary}, {contact.contact_id}\n")


def _look_further(workspace: str, address: str, folder: Path, *, keep: bool) -> None:
    option = "" if workspace == "acme" else f" --workspace {workspace}"
    where = "" if folder == Path(".onefold") else f" --folder {folder}"
    start = "" if keep else f"./dev up{where}      in one terminal, where the demo's data is, then in another\n      "
    say(
        f"next: {start}./dev run onefold segments list{option}\n"
        f"      ./dev run onefold segments members customers{option}\n"
        f"      ./dev run onefold contacts show email:{address}{option}"
    )
