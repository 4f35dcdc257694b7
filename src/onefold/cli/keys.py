"""`onefold keys`: the write keys of a workspace. A secret key is shown once, when it is made (S58)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli import options
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.access.keys import CreatedKey
    from onefold.records.keys import KeyRow

app = typer.Typer(help="Write keys, which SDKs show to the collector.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]


class Kind(StrEnum):
    """Where a key is used, which says how sure we are of what comes with it."""

    PUBLIC = "public"
    SECRET = "secret"  # noqa: S105 - the word, not one
    SERVICE = "service"


@app.command()
def create(
    workspace: Workspace,
    kind: Annotated[
        Kind,
        typer.Option(help="public: for pages and apps, its events are claims. secret: for servers, asserted. service: opens the User API."),
    ],
    title: Annotated[str, typer.Option(help="What it is for, as lists show it.")],
    expires_in_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="Unset, it never does.", show_default=False)] = None,
    *,
    require_identity: Annotated[
        bool, typer.Option("--require-identity", help="public only: refuse whatever names a person without an identity token.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="service only: e-mail of the user that it speaks for.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """Make a key and print it: a secret or service one is never shown again.

    Any number of keys may be live at a time: to rotate, make a new one, use it, then revoke the old one.
    """
    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days is not None else None
    created = run(_create(workspace, kind, title, expires_at, requires_identity=require_identity, user=user))
    if json:
        print_json({"key": created.text, **_shown(created.row)})
        return
    print(created.text)
    say("`onefold keys list` shows it again." if kind is Kind.PUBLIC else "Keep it now: it is stored hashed and cannot be shown again.")


@app.command("list")
def list_(workspace: Workspace, *, json: Json = False) -> None:
    """List the keys, revoked ones too."""
    rows = run(_list(workspace))
    if json:
        print_json([_shown(row) for row in rows])
        return
    now = datetime.now(UTC)
    print_table(
        ["id", "kind", "title", "key", "identity token", "state", "last used"],
        [_cells(row, now) for row in rows],
        then=f"onefold keys create --workspace {workspace} --kind public --title …",
    )


@app.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="Id of the key, as `onefold keys list` shows it.")],
    workspace: Workspace,
    *,
    json: Json = False,
) -> None:
    """End a key, within a minute everywhere. Safe to repeat; cannot be undone."""
    row = run(_revoke(workspace, key_id))
    if json:
        print_json(_shown(row))
    else:
        say(f"{row.kind} key {row.key_id} ({row.title}) is revoked; collectors stop taking it within a minute")


def state(row: KeyRow, now: datetime) -> str:
    """Live, revoked or expired."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "live"


def _shown(row: KeyRow) -> dict[str, Any]:
    return {**row._asdict(), "state": state(row, datetime.now(UTC))}


def _cells(row: KeyRow, now: datetime) -> tuple[object, ...]:
    required = "required" if row.requires_identity else None
    return row.key_id, row.kind, row.title, row.shown, required, state(row, now), _minute(row.last_used_at)


def _minute(at: datetime | None) -> str:
    return at.strftime("%Y-%m-%d %H:%M") if at is not None else "never"


async def _create(
    workspace: str, kind: Kind, title: str, expires_at: datetime | None, *, requires_identity: bool, user: str | None
) -> CreatedKey:
    from onefold import bootstrap  # noqa: PLC0415 - a command loads only what it needs
    from onefold.access.emails import email_of  # noqa: PLC0415
    from onefold.access.keys import create_key  # noqa: PLC0415
    from onefold.access.users import UserNotFound  # noqa: PLC0415
    from onefold.records.log import Act, append  # noqa: PLC0415
    from onefold.records.users import user_by_email  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("keys", Settings.load())) as store, store.transaction([workspace]) as tx:
        speaker = await user_by_email(tx, workspace, email_of(user)) if user is not None else None
        if user is not None and speaker is None:
            raise UserNotFound(f"workspace {workspace} has no user {user}; `onefold users list` shows those that it has")
        made = await create_key(
            tx,
            workspace,
            kind.value,
            title,
            expires_at=expires_at,
            requires_identity=requires_identity,
            user_id=speaker.user_id if speaker is not None else None,
        )
        await append(tx, workspace, [Act(options.actor(), "created", "keys", str(made.row.key_id))])
        return made


async def _list(workspace: str) -> list[KeyRow]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.records.keys import list_keys  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("keys", Settings.load())) as store, store.transaction([workspace]) as tx:
        return await list_keys(tx, workspace)


async def _revoke(workspace: str, key_id: UUID) -> KeyRow:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.access import keys  # noqa: PLC0415
    from onefold.records.log import Act, append  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("keys", Settings.load())) as store, store.transaction([workspace]) as tx:
        row = await keys.revoke(tx, workspace, key_id)
        await append(tx, workspace, [Act(options.actor(), "revoked", "keys", str(key_id))])
        return row
