"""`onefold contacts merge|unmerge`: make two contacts one, or take them apart again. Without --execute the plan is shown."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from onefold.cli import options
from onefold.cli.contacts import Json, Who, Workspace, resolve
from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import ContactNotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.contacts.merge import Merging
    from onefold.contacts.unmerge import Undoing
    from onefold.identity.plan import ContactChanged
    from onefold.records.store import Connection, Store

    Work = Callable[[Connection, int | None], Awaitable["Done"]]

Done = TypeVar("Done")

Actor = Annotated[str | None, typer.Option("--actor", help="Who decides; by default whoever is logged in here.", show_default=False)]
Reason = Annotated[str | None, typer.Option("--reason", help="Why; kept with what was done.", show_default=False)]
Execute = Annotated[bool, typer.Option("--execute", help="Do it. Without it only the plan is shown.")]
Take = Annotated[
    list[str] | None,
    typer.Option("--take", metavar="PATH=WHO", help="Whose value the survivor is to have, such as given_name=ID.", show_default=False),
]
Absorbed = Annotated[str, typer.Argument(metavar="ABSORBED|MERGE", help="The id of a contact that was absorbed, or of a merge.")]

ATTEMPTS = 5


def merge(
    survivor: Who,
    absorbed: Who,
    workspace: Workspace = "acme",
    take: Take = None,
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Merge two contacts: the first one survives. Their guards do not ask, since a person decides; limits of size do."""
    decider = user(actor, reason, execute=execute)
    merging = run(_merge(workspace, survivor, absorbed, take or [], decider, execute=execute))
    tell_merging(merging, execute=execute, json=json, workspace=workspace)


def unmerge(
    named: Absorbed,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Undo a merge, exactly: both sides get back what they had, and what came through it since. No event joins them again."""
    decider = user(actor, reason, execute=execute)
    undoing = run(_unmerge(workspace, named, decider, execute=execute))
    (back,) = undoing.plan.returns
    told = {
        "merge_id": undoing.merge.merge_id,
        "survivor": undoing.tree.root.contact_id,
        "absorbed": undoing.merge.absorbed,
        "identifiers": len(undoing.plan.separated),
        "tenures": len(back.tenures),
    }
    tell(told, undoing.plan.changes, undoing.tree.root.contact_id, execute=execute, json=json, workspace=workspace)


def user(actor: str | None, reason: str | None, *, execute: bool) -> User:
    """Who acts; BadParameter where something is to be done and nobody says why."""
    from onefold.contacts.acting import User  # noqa: PLC0415 -- a command loads only what it needs

    if execute and not (reason or "").strip():
        raise typer.BadParameter("say why: --reason TEXT")
    return User(actor or options.actor(), reason)


async def _merge(workspace: str, survivor: str, absorbed: str, takes: Sequence[str], user: User, *, execute: bool) -> Merging:
    from onefold.contacts.merge import Wish, merge  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Merging:
        chosen = {}
        for each in takes:
            path, equals, who = each.partition("=")
            if not equals:
                raise typer.BadParameter(f"{each!r} is no choice; they are written PATH=WHO, such as given_name=ID")
            chosen[path] = await found(connection, who, workspace)
        winner, other = await found(connection, survivor, workspace), await found(connection, absorbed, workspace)
        return await merge(connection, workspace, Wish(winner, other, chosen), user, shards=shards)

    return await act(workspace, work, execute=execute)


async def _unmerge(workspace: str, named: str, user: User, *, execute: bool) -> Undoing:
    from onefold.contacts.unmerge import unmerge  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Undoing:
        return await unmerge(connection, workspace, await found(connection, named, workspace), user, shards=shards)

    return await act(workspace, work, execute=execute)


async def found(connection: Connection, who: str, workspace: str) -> UUID:
    """The contact that is meant. Raises ContactNotFound."""
    contact_id = await resolve(connection, who, workspace)
    if contact_id is None:
        raise ContactNotFound(f"workspace {workspace} has no contact for {who}. Is the workspace right (--workspace)?")
    return contact_id


async def act(workspace: str, work: Work[Done], *, execute: bool) -> Done:
    """Connect, and attempt it."""
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store:
        return await attempt(store, workspace, work, execute=execute)


async def attempt(store: Store, workspace: str, work: Work[Done], *, execute: bool) -> Done:
    """One transaction, begun anew where an event was faster."""
    from onefold.records.shards import shard_count  # noqa: PLC0415
    from onefold.records.store import RACES, Moved  # noqa: PLC0415

    shards = await shard_count(store) if execute else None
    for _ in range(ATTEMPTS - 1):
        with suppress(Moved, *RACES):
            async with store.transaction([workspace]) as connection:
                return await work(connection, shards)
    async with store.transaction([workspace]) as connection:
        return await work(connection, shards)


def tell_merging(merging: Merging, *, execute: bool, json: bool, workspace: str) -> None:
    """Show a merge by a person, or its plan."""
    (record,) = merging.plan.merges
    told = {
        "survivor": merging.survivor.contact_id,
        "absorbed": merging.absorbed.contact_id,
        "identifiers": merging.absorbed.summary.total,
        "lost": record.lost,
    }
    tell(told, merging.plan.changes, merging.survivor.contact_id, execute=execute, json=json, workspace=workspace)


def tell(told: dict[str, Any], changes: Sequence[ContactChanged], contact_id: UUID, *, execute: bool, json: bool, workspace: str) -> None:
    """Show what an act on contacts did, or would do: what it is, then each contact's changes."""
    if json:
        brief = [
            {"contact_id": each.contact_id, "version": each.version, "changes": each.changes, "merged_into": each.merged_into}
            for each in changes
        ]
        print_json({"executed": execute, **told, "changes": brief})
        return
    lost = told.pop("lost", {})
    print_table(["done" if execute else "plan", ""], [(name.replace("_", " "), value) for name, value in told.items()])
    if lost:
        print_table(["value", "lost", "at"], [(path, *_gone(each)) for path, each in lost.items()], title="\nkept with the merge")
    rows = [(each.contact_id, each.version, path, *_sides(value)) for each in changes for path, value in each.changes.items()]
    print_table(["contact", "version", "what", "before", "after"], rows, title="\nchanges")
    if execute:
        say(f"\nnext: onefold contacts show {contact_id} --workspace {workspace}")
    else:
        say("\nnext: the same with --execute and --reason; nothing was done yet")


def _gone(lost: Mapping[str, object]) -> tuple[object, object]:
    """What a value was, or a word of consent, and when it was said."""
    return lost.get("value", lost.get("state")), lost.get("at")


def _sides(value: Sequence[object]) -> tuple[object, object]:
    before, after = value
    return tuple(", ".join(map(str, each)) if isinstance(each, list) else each for each in (before, after))  # type: ignore[return-value]
