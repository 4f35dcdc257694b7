"""`onefold contacts edit|validate|archive|restore`: what a person decides of one contact. Without --execute the plan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
import typer

from onefold.cli.contacts import Json, Who, Workspace, meant
from onefold.cli.merging import Actor, Execute, Reason, act, found, tell, user
from onefold.cli.output import run
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.change import Changing, Edit
    from onefold.records.store import Connection

Set = Annotated[list[str] | None, typer.Argument(metavar="PATH=VALUE", help="Such as given_name=Ann or attributes.unbound.plan=pro.")]


def edit(  # noqa: PLR0913 -- the options of one command
    who: Who,
    values: Set = None,
    clear: Annotated[list[str] | None, typer.Option("--clear", metavar="PATH", help="Clear a value.", show_default=False)] = None,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    if_version: Annotated[int | None, typer.Option("--if-version", min=1, help="Only at this version.", show_default=False)] = None,
    *,
    vendor: Annotated[bool | None, typer.Option("--vendor/--no-vendor", help="Whether it is a vendor.", show_default=False)] = None,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Change names and attributes, which no event replaces from then on. Values are JSON or text."""
    from onefold.contacts.change import Edit  # noqa: PLC0415 -- a command loads only what it needs

    wanted = Edit({**dict(map(pair, values or [])), **dict.fromkeys(clear or [])}, vendor, if_version)
    if not wanted.values and vendor is None:
        raise typer.BadParameter("say what to change: PATH=VALUE, --clear PATH, --vendor or --no-vendor")
    decider = user(actor, reason, execute=execute)
    tell_changing(run(_edit(workspace, who, wanted, decider, execute=execute)), "edited", execute=execute, json=json, workspace=workspace)


def validate(
    identifier: Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="Such as email:ann@example.com.")],
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Say that an identifier is validated: somebody has checked it. A lead becomes a contact."""
    decider = user(actor, reason, execute=execute)
    changing = run(_validate(workspace, identifier, decider, execute=execute))
    tell_changing(changing, f"{identifier} validated", execute=execute, json=json, workspace=workspace)


def archive(
    who: Who, workspace: Workspace = "acme", actor: Actor = None, reason: Reason = None, *, execute: Execute = False, json: Json = False
) -> None:
    """Archive a contact: it keeps its identifiers, goes on resolving, and belongs to no segment."""
    decider = user(actor, reason, execute=execute)
    changing = run(_archive(workspace, who, "archive", decider, execute=execute))
    tell_changing(changing, "archived", execute=execute, json=json, workspace=workspace)


def restore(
    who: Who, workspace: Workspace = "acme", actor: Actor = None, reason: Reason = None, *, execute: Execute = False, json: Json = False
) -> None:
    """Take a contact out of the archive; its segments have it back."""
    decider = user(actor, reason, execute=execute)
    changing = run(_archive(workspace, who, "restore", decider, execute=execute))
    tell_changing(changing, "restored", execute=execute, json=json, workspace=workspace)


def pair(text: str) -> tuple[str, Any]:
    """A path and its value; JSON for attributes where it is some."""
    path, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} sets nothing; write PATH=VALUE, such as given_name=Ann")
    if not path.startswith("attributes."):
        return path, value
    try:
        return path, msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return path, value


async def _edit(workspace: str, who: str, wanted: Edit, decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.change import edit as edited  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Changing:
        return await edited(connection, workspace, await found(connection, who, workspace), wanted, decider, shards=shards)

    return await act(workspace, work, execute=execute)


async def _validate(workspace: str, identifier: str, decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.change import validate as validated  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Changing:
        named = await meant(connection, identifier, workspace)
        if isinstance(named, UUID):
            raise InvalidMessage("name the identifier itself, as TYPE:VALUE: a contact has several")
        return await validated(connection, workspace, named, decider, shards=shards)

    return await act(workspace, work, execute=execute)


async def _archive(workspace: str, who: str, what: Literal["archive", "restore"], decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.change import archive as archived  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Changing:
        return await archived(connection, workspace, await found(connection, who, workspace), what, decider, shards=shards)

    return await act(workspace, work, execute=execute)


def tell_changing(changing: Changing, what: str, *, execute: bool, json: bool, workspace: str) -> None:
    """Show what an act on one contact did, or would do."""
    contact_id: UUID = changing.contact.contact_id
    changes: Sequence[Any] = changing.plan.changes
    told = {"contact": contact_id, "what": what if changes else "nothing would change"}
    tell(told, changes, contact_id, execute=execute, json=json, workspace=workspace)
