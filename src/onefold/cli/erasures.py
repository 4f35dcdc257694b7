"""`onefold erasures`: after a restore, erase again whom the dump brought back. Without --execute it only says who that is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from onefold.cli.contacts import Json  # noqa: TC001 -- typer reads annotations
from onefold.cli.merging import Execute  # noqa: TC001 -- typer reads annotations
from onefold.cli.output import print_json, print_table, run, say

app = typer.Typer(help="Erasures that a restored store knows nothing of.", no_args_is_help=True)

Since = Annotated[
    datetime | None,
    typer.Option("--since", help="When the dump was made, in UTC; by default as the store says itself.", show_default=False),
]
Incomplete = Annotated[
    bool, typer.Option("--even-if-incomplete", help="Go on though the topic may not tell of everybody: the dump is old, or the log new.")
]


@app.callback()
def _noun() -> None:
    """Keep `reapply` a word of its own."""


@app.command()
def reapply(since: Since = None, *, even_if_incomplete: Incomplete = False, execute: Execute = False, json: Json = False) -> None:
    """Read from contacts.changed who was erased since the dump, and erase them again; then roles start on this store."""
    told = run(_reapply(since, even_if_incomplete=even_if_incomplete, execute=execute))
    if json:
        print_json({"executed": execute, **told})
        return
    print_table(["done" if execute else "plan", ""], [(name.replace("_", " "), _short(value)) for name, value in told.items()])
    if told["silent"]:
        say("\nSome tombstones are of a release that did not write what they erased: erase those people by hand, if the dump has them.")
    if execute:
        say("\nnext: start the roles; resolvers decide again what came since the dump (docs/how-to/restore.md)")
    else:
        say("\nnext: the same with --execute, before any role is started; nothing was done yet")


def _short(value: object) -> object:
    return len(value) if isinstance(value, list) else value


async def _reapply(since: datetime | None, *, even_if_incomplete: bool, execute: bool) -> dict[str, Any]:
    from datetime import UTC  # noqa: PLC0415 -- a command loads only what it needs

    from onefold import bootstrap  # noqa: PLC0415
    from onefold.contacts import erasing_again  # noqa: PLC0415
    from onefold.errors import Refused  # noqa: PLC0415
    from onefold.ops.purge import purge_all  # noqa: PLC0415
    from onefold.records import store_place  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    role = bootstrap.begin("cli", Settings.load())
    async with bootstrap.store(role, pool_size=2) as store:
        async with store.begin() as connection:
            is_home, last_sign = await store_place.is_home(connection), await store_place.last_sign(connection)
            at_work = await store_place.at_work(connection)
        if execute and at_work:
            raise Refused(f"stop the roles first: {', '.join(at_work)} work on this store")
        # At home a role may have worked since the restore, so that the store does not know any more how old it was.
        moment = since.replace(tzinfo=UTC) if since is not None else None if is_home else last_sign
        if not even_if_incomplete:
            await erasing_again.refuse_incomplete(store, role.kafka, moment)
        told = await erasing_again.read_since(role.kafka, moment)
        if execute:
            async with store.begin() as connection:
                await store_place.begin_life(connection)
        again = await (erasing_again.erase_again if execute else erasing_again.found_again)(store, told)
        if execute:
            await erasing_again.tell_again(store, told)
            await purge_all(store)
            async with store.begin() as connection:
                await store_place.settle(connection)
    return {
        "since": told.since,
        "tombstones": len(told.contacts),
        "told_of": len(told.changed),
        "silent": told.silent,
        "erased_again": again.contacts,
        "beside": again.beside,
        "is_copy": not is_home,
    }
