"""`onefold validation`: how a workspace validates addresses: look, and change."""

from __future__ import annotations

import json as json_
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onefold.cli.contacts import Json, Workspace  # noqa: TC001 -- typer reads them
from onefold.cli.merging import Actor, Reason, user
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.contacts.acting import User
    from onefold.records.validation_settings import Stored

app = typer.Typer(help="How addresses are validated: codes, links, the countries that texts go to.", no_args_is_help=True)


@app.command()
def show(workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Print the settings in force."""
    _print(run(_show(workspace)), workspace, json=json)


@app.command("set")
def set_(
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Such as 'otp_sms.countries=[\"AT\"]'. Values are JSON or text.", show_default=False),
    ] = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Follow the default again.", show_default=False)] = None,
    if_version: Annotated[
        int | None, typer.Option("--if-version", min=0, help="Only if this version is still in force.", show_default=False)
    ] = None,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    json: Json = False,
) -> None:
    """Change settings. They hold for what is sent from now on; codes and links that are under way stay as they were made."""
    pairs = [_pair(each) for each in keys or []]
    if not pairs and not unset:
        raise typer.BadParameter("say what to change: KEY=VALUE, or --unset KEY")
    who = user(actor, reason or "said at the command line", execute=True)
    _print(run(_set(workspace, pairs, unset or [], if_version, who)), workspace, json=json)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} sets nothing; write KEY=VALUE, such as otp_sms.per_day=100")
    try:
        return key, json_.loads(value)
    except (ValueError, RecursionError):
        return key, value


def _print(stored: Stored, workspace: str, *, json: bool) -> None:
    from onefold.workspace.validation import flat  # noqa: PLC0415 -- a command loads only what it needs

    if json:
        print_json({"workspace": workspace, "version": stored.version, "settings": stored.settings.model_dump(mode="json")})
        return
    rows = [(key, json_.dumps(value, ensure_ascii=False)) for key, value in flat(stored.settings).items()]
    print_table(["key", "value"], rows, title=f"workspace {workspace}, version {stored.version}")
    if not stored.settings.otp_sms.countries:
        say("\nno text is sent before countries are named")
        say(f"\nnext: onefold validation set 'otp_sms.countries=[\"AT\"]' --workspace {workspace}")


async def _show(workspace: str) -> Stored:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.workspace import validation  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        return await validation.show(connection, workspace)


async def _set(workspace: str, keys: Sequence[tuple[str, Any]], unset: Sequence[str], if_version: int | None, who: User) -> Stored:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records import log  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.workspace import validation  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        present = await validation.show(connection, workspace)
        wanted = validation.edited(present.settings, keys, unset)
        before, after = await validation.change(
            connection, workspace, wanted, if_version=present.version if if_version is None else if_version
        )
        if before != after:
            changes = validation.changes_told(before, after)
            act = log.Act(who.actor, "updated", validation.OBJECT_TYPE, workspace, after.version, reason=who.reason, changes=changes)
            await log.append(connection, workspace, [act])
        return after
