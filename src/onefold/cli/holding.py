"""`onefold contacts create|identify|amend|release`: contacts and their identifiers by hand. Without --execute the plan is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from onefold.cli.changing import Set, pair, tell_changing
from onefold.cli.contacts import Json, Who, Workspace, meant
from onefold.cli.merging import Actor, Execute, Reason, act, found, tell, user
from onefold.cli.output import run
from onefold.errors import ContactNotFound, InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.change import Changing
    from onefold.contacts.create import Draft, Making
    from onefold.contacts.identifiers import Amendment, Raw
    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.store import Connection

    Work = Callable[[Connection, UUID, IdentifierKey, int | None], Awaitable[Changing]]

Named = Annotated[str, typer.Argument(metavar="TYPE:VALUE", help="Such as email:ann@example.com.")]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--identifier", metavar="[SLUG@]TYPE:VALUE", help="Such as email:ann@example.com or work@phone:+4930123456.", show_default=False
    ),
]


def create(
    values: Set = None,
    identifier: Given = None,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    vendor: Annotated[bool, typer.Option("--vendor", help="It is a vendor.")] = False,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Make a contact, with identifiers that nobody holds or with none."""
    from onefold.contacts.create import Draft  # noqa: PLC0415 -- a command loads only what it needs

    draft = Draft([_raw(each) for each in identifier or []], dict(map(pair, values or [])), vendor)
    making = run(_create(workspace, draft, user(actor, reason, execute=execute), execute=execute))
    told = {"contact": making.contact_id if execute else None, "what": "created"}
    tell(told, making.plan.changes, making.contact_id, execute=execute, json=json, workspace=workspace)


def identify(
    who: Who,
    identifiers: Annotated[list[str], typer.Argument(metavar="[SLUG@]TYPE:VALUE", help="What it is to hold as well.")],
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Give a contact identifiers that nobody holds."""
    raw = [_raw(each) for each in identifiers]
    changing = run(_identify(workspace, who, raw, user(actor, reason, execute=execute), execute=execute))
    tell_changing(changing, "identifiers given", execute=execute, json=json, workspace=workspace)


def amend(  # noqa: PLR0913 -- the options of one command
    identifier: Named,
    workspace: Workspace = "acme",
    label: Annotated[str | None, typer.Option(help="What it is called: a label of the catalog.", show_default=False)] = None,
    value: Annotated[str | None, typer.Option(help="Another value, which is not validated.", show_default=False)] = None,
    actor: Actor = None,
    reason: Reason = None,
    *,
    no_label: Annotated[bool, typer.Option("--no-label", help="Take its label away.")] = False,
    take_over: Annotated[bool, typer.Option("--take-over", help="Whoever has the label loses it.")] = False,
    outreach: Annotated[bool | None, typer.Option("--outreach/--no-outreach", help="Whether to write to it.", show_default=False)] = None,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Call an identifier otherwise, say whether it may be written to, or change its value."""
    from onefold.contacts.identifiers import Amendment  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.identity.holding import Label  # noqa: PLC0415

    wanted = Amendment(Label(label, take_over) if label is not None or no_label else None, outreach, value)
    if wanted == Amendment():
        raise typer.BadParameter("say what to change: --label, --no-label, --outreach, --no-outreach or --value")
    changing = run(_amend(workspace, identifier, wanted, user(actor, reason, execute=execute), execute=execute))
    tell_changing(changing, "identifier changed", execute=execute, json=json, workspace=workspace)


def release(
    identifier: Named,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Take an identifier from the contact that holds it. The contact stays, and no older event brings it back."""
    changing = run(_release(workspace, identifier, user(actor, reason, execute=execute), execute=execute))
    tell_changing(changing, "identifier removed", execute=execute, json=json, workspace=workspace)


def _raw(text: str) -> Raw:
    from onefold.contacts.identifiers import Raw  # noqa: PLC0415

    kind, colon, value = text.partition(":")
    if not colon:
        raise typer.BadParameter(f"{text!r} is no identifier; write TYPE:VALUE, such as email:ann@example.com")
    slug, at, named = kind.partition("@")
    return Raw(named, value, slug) if at else Raw(kind, value)


async def _create(workspace: str, draft: Draft, decider: User, *, execute: bool) -> Making:
    from onefold.contacts.create import create as created  # noqa: PLC0415
    from onefold.records.numbers import TenureNumbers  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Making:
        return await created(connection, workspace, draft, decider, numbers=TenureNumbers(), shards=shards)

    return await act(workspace, work, execute=execute)


async def _identify(workspace: str, who: str, raw: Sequence[Raw], decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.identifiers import add  # noqa: PLC0415
    from onefold.records.numbers import TenureNumbers  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> Changing:
        contact_id = await found(connection, who, workspace)
        return await add(connection, workspace, contact_id, raw, decider, numbers=TenureNumbers(), shards=shards)

    return await act(workspace, work, execute=execute)


async def _amend(workspace: str, identifier: str, wanted: Amendment, decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.identifiers import amend as amended  # noqa: PLC0415
    from onefold.records.numbers import TenureNumbers  # noqa: PLC0415

    async def work(connection: Connection, contact_id: UUID, key: IdentifierKey, shards: int | None) -> Changing:
        return await amended(connection, workspace, contact_id, key, wanted, decider, numbers=TenureNumbers(), shards=shards)

    return await _on(workspace, identifier, work, execute=execute)


async def _release(workspace: str, identifier: str, decider: User, *, execute: bool) -> Changing:
    from onefold.contacts.identifiers import remove  # noqa: PLC0415

    async def work(connection: Connection, contact_id: UUID, key: IdentifierKey, shards: int | None) -> Changing:
        return await remove(connection, workspace, contact_id, key, decider, shards=shards)

    return await _on(workspace, identifier, work, execute=execute)


async def _on(workspace: str, identifier: str, work: Work, *, execute: bool) -> Changing:
    """Act on an identifier of whoever holds it."""
    from onefold.records.histories import open_now  # noqa: PLC0415

    async def inner(connection: Connection, shards: int | None) -> Changing:
        named = await meant(connection, identifier, workspace)
        if isinstance(named, UUID):
            raise InvalidMessage("name the identifier itself, as TYPE:VALUE: a contact has several")
        held = await open_now(connection, workspace, [named.key])
        if not held:
            raise ContactNotFound(f"nobody in workspace {workspace} has {identifier}. Is the workspace right (--workspace)?")
        return await work(connection, held[0].contact_id, named.key, shards)

    return await act(workspace, inner, execute=execute)
