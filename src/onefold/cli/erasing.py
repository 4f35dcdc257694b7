"""`onefold contacts erase`: erase a person, with every id that was ever merged into them. Without --execute the plan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from onefold.cli.contacts import Json, Who, Workspace  # noqa: TC001 -- typer reads annotations
from onefold.cli.merging import Actor, Execute, Reason, attempt, found, user
from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import ContactErased

if TYPE_CHECKING:
    from onefold.contacts.acting import User
    from onefold.contacts.erase import Erasing
    from onefold.records.store import Connection, Store

SHOWN = 20


def erase(
    who: Who, workspace: Workspace = "acme", actor: Actor = None, reason: Reason = None, *, execute: Execute = False, json: Json = False
) -> None:
    """Erase a person for good: what any id that leads to them holds, did, or was merged from. Nothing brings it back."""
    decider = user(actor, reason, execute=execute)
    told = run(_erase(workspace, who, decider, execute=execute))
    if json:
        print_json({"executed": execute, **told})
        return
    ids = told["contacts"]
    rows = [(name.replace("_", " "), value) for name, value in told.items() if name != "contacts"]
    print_table(["done" if execute else "plan", ""], rows)
    print_table(["ids that lead nowhere any more" if execute else "ids that will lead nowhere"], [(each,) for each in ids[:SHOWN]])
    if len(ids) > SHOWN:
        say(f"and {len(ids) - SHOWN} more; --json lists them all")
    if execute:
        say("\nTopics keep what was said until their retention has passed: docs/how-to/erase.md says how long.")
    else:
        say("\nnext: the same with --execute and --reason; nothing was done yet. It cannot be undone.")


async def _erase(workspace: str, who: str, user: User, *, execute: bool) -> dict[str, Any]:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.contacts.erase import erase as erased  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Erasing:
        return await erased(connection, workspace, await found(connection, who, workspace), user, shards=shards)

    async with bootstrap.store(bootstrap.begin("cli", Settings.load()), pool_size=2) as store:
        try:
            told = _told(await attempt(store, workspace, work, execute=execute))
        except ContactErased as error:
            # What a command left that was killed.
            purged = await _purge(store, workspace, UUID(str(error.contact_id))) if execute else None
            if purged is None:
                raise
            return {"contact": error.contact_id, "contacts": [], "interactions": purged}
        if execute:
            told["interactions"] = await _purge(store, workspace, told["contact"]) or 0
    return told


def _told(erasing: Erasing) -> dict[str, Any]:
    (erasure,) = erasing.plan.erasures
    return {
        "contact": erasure.contact_id,
        "contacts": list(erasure.contacts),
        "identifiers": len(erasing.plan.separated),
        "tenures": len(erasure.tenures),
        "merges": sum(not each.is_undone for each in erasing.tree.merges),
    }


async def _purge(store: Store, workspace: str, contact_id: UUID) -> int | None:
    """How many interactions were purged; None where nothing was left to purge."""
    from onefold.ops.purge import purge  # noqa: PLC0415
    from onefold.records.erased import unfinished  # noqa: PLC0415

    async with store.transaction([workspace]) as connection:
        waiting = [each for each in await unfinished(connection, workspace) if contact_id in each.contacts]
    if not waiting:
        return None
    say("Erased. Interactions are being purged; should this be broken off, the timeline's upkeep goes on with it.")
    return sum([await purge(store, workspace, each) for each in waiting])
