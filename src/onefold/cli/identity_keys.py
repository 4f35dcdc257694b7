"""`onefold identity-keys`: the keys that verify the identity tokens of a workspace's own servers. Private halves are never stored."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from onefold.access.identity_keys import Span
    from onefold.records.identity_keys import IdentityKeyRow
    from onefold.records.store import Connection

    T = TypeVar("T")

app = typer.Typer(help="Keys that verify identity tokens, which pages show to the collector.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Title = Annotated[str, typer.Option(help="Whose key it is, as lists show it.")]
Expires = Annotated[int | None, typer.Option(min=1, max=36_500, help="Unset, it never does.", show_default=False)]
Begins = Annotated[
    datetime | None, typer.Option(help="From when on it counts, in UTC; unset, from now on.", formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"])
]


@app.command()
def create(workspace: Workspace, title: Title, not_before: Begins = None, expires_in_days: Expires = None, *, json: Json = False) -> None:
    """Make a pair: print the private key, which is stored nowhere, and keep the public one.

    Any number may be live at a time: to rotate, make a new one, sign with it, then revoke the old one.
    """
    from onefold.access.identity_keys import create_identity_key  # noqa: PLC0415 - a command loads only what it needs

    span = _span(not_before, expires_in_days)
    created = run(_within(workspace, lambda tx: create_identity_key(tx, workspace, title, span)))
    if json:
        print_json({"private_key": created.private_key, **_shown(created.row)})
        return
    print(created.private_key, end="")
    say(f"Keep it now: it cannot be shown again. Sign with ES256, and name it in the header: kid {created.row.key_id}")


@app.command()
def add(
    workspace: Workspace,
    title: Title,
    public_key: Annotated[Path, typer.Argument(help="PEM of a public key on P-256; - for standard input.", allow_dash=True)],
    not_before: Begins = None,
    expires_in_days: Expires = None,
    *,
    json: Json = False,
) -> None:
    """Take over the public key of a pair that your server made itself."""
    from onefold.access.identity_keys import add_identity_key  # noqa: PLC0415

    span, pem = _span(not_before, expires_in_days), _read(public_key)
    row = run(_within(workspace, lambda tx: add_identity_key(tx, workspace, title, pem, span)))
    if json:
        print_json(_shown(row))
        return
    print(row.key_id)
    say("Name it in the header of every token: `kid`. Collectors know it within half a minute.")


@app.command("list")
def list_(workspace: Workspace, *, json: Json = False) -> None:
    """List the keys, revoked ones too."""
    from onefold.records.identity_keys import list_identity_keys  # noqa: PLC0415

    rows = run(_within(workspace, lambda tx: list_identity_keys(tx, workspace)))
    if json:
        print_json([_shown(row) for row in rows])
        return
    now = datetime.now(UTC)
    print_table(
        ["kid", "title", "state", "counts from", "until"],
        [(row.key_id, row.title, state(row, now), row.not_before, row.expires_at) for row in rows],
        then=f"onefold identity-keys create --workspace {workspace} --title …",
    )


@app.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="kid of the key, as `onefold identity-keys list` shows it.")],
    workspace: Workspace,
    *,
    json: Json = False,
) -> None:
    """End a key and every token signed with it, within a minute everywhere. Safe to repeat; cannot be undone."""
    from onefold.access.identity_keys import revoke_identity  # noqa: PLC0415

    row = run(_within(workspace, lambda tx: revoke_identity(tx, workspace, key_id)))
    if json:
        print_json(_shown(row))
    else:
        say(f"identity key {row.key_id} ({row.title}) is revoked; collectors stop taking its tokens within a minute")


def state(row: IdentityKeyRow, now: datetime) -> str:
    """Live, revoked, expired, or waiting for its time to begin."""
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return "waiting" if row.not_before > now else "live"


def _read(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidMessage(f"{file} cannot be read: {error.strerror}", code="no_such_file") from error


def _span(not_before: datetime | None, expires_in_days: int | None) -> Span:
    from onefold.access.identity_keys import Span  # noqa: PLC0415

    begins = not_before.replace(tzinfo=UTC) if not_before is not None else None
    counted_from = begins if begins is not None else datetime.now(UTC)
    return Span(begins, counted_from + timedelta(days=expires_in_days) if expires_in_days is not None else None)


def _shown(row: IdentityKeyRow) -> dict[str, Any]:
    return {**row._asdict(), "state": state(row, datetime.now(UTC))}


async def _within(workspace: str, work: Callable[[Connection], Awaitable[T]]) -> T:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("identity-keys", Settings.load())) as store, store.transaction([workspace]) as tx:
        return await work(tx)
