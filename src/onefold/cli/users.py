"""`onefold users`: who may sign in; for operators, where nobody can any more. Users make and change each other through the User API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli import options
from onefold.cli.output import print_json, print_table, run, say

if TYPE_CHECKING:
    from onefold.records.users import UserRow

app = typer.Typer(help="Who may sign in to the User API.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
_SHOWN = ("user_id", "email", "given_name", "last_name", "roles", "is_enabled", "must_reset", "version", "created_at", "archived_at")


@app.command("list")
def list_(workspace: Workspace = "acme", *, json: Json = False) -> None:
    """List the users who are not archived."""
    rows = run(_list(workspace))
    if json:
        print_json([{name: getattr(row, name) for name in _SHOWN} for row in rows])
        return
    print_table(
        ["id", "e-mail", "roles", "state"],
        [(row.user_id, row.email, ", ".join(row.roles), "enabled" if row.is_enabled else "disabled") for row in rows],
        then=f"onefold users add --workspace {workspace} --email … --role master",
    )


@app.command()
def add(
    email: Annotated[str, typer.Option(help="What they sign in with.")],
    role: Annotated[list[str], typer.Option(help="super_admin, master, service_account, coach or journey_manager; may be repeated.")],
    workspace: Workspace = "acme",
    *,
    json: Json = False,
) -> None:
    """Make a user. Prints a password that opens nothing but choosing another one."""
    row, password = run(_add(workspace, email, role))
    _tell(row, password, json=json)


@app.command()
def reset(email: Annotated[str, typer.Argument(help="Whose password.")], workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Void a user's password and end their sessions. Prints a password that opens nothing but choosing another one."""
    row, password = run(_reset(workspace, email))
    _tell(row, password, json=json)


def _tell(row: UserRow, password: str, *, json: bool) -> None:
    if json:
        print_json({"user_id": row.user_id, "email": row.email, "roles": row.roles, "password": password})
        return
    print(password)
    say(f"{row.email} signs in with it once, and must choose another one at once. It is not shown again.")


async def _list(workspace: str) -> list[UserRow]:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records.users import list_users  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("users", Settings.load())) as store, store.transaction([workspace]) as connection:
        return await list_users(connection, workspace, after=None, limit=10_000)


async def _add(workspace: str, email: str, roles: list[str]) -> tuple[UserRow, str]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.access.passwords import temporary  # noqa: PLC0415
    from onefold.access.users import Wish, create_user  # noqa: PLC0415
    from onefold.records.log import Act, append  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    password, hashed = await temporary()
    async with bootstrap.store(bootstrap.begin("users", Settings.load())) as store, store.transaction([workspace]) as connection:
        row = await create_user(connection, workspace, None, Wish(email, roles=roles), hashed, must_reset=True)
        await append(connection, workspace, [Act(options.actor(), "created", "users", str(row.user_id), row.version)])
        return row, password


async def _reset(workspace: str, email: str) -> tuple[UserRow, str]:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.access.emails import email_of  # noqa: PLC0415
    from onefold.access.passwords import temporary  # noqa: PLC0415
    from onefold.access.users import UserNotFound  # noqa: PLC0415
    from onefold.records import users  # noqa: PLC0415
    from onefold.records.log import Act, append  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    password, hashed = await temporary()
    async with bootstrap.store(bootstrap.begin("users", Settings.load())) as store, store.transaction([workspace]) as connection:
        found = await users.user_by_email(connection, workspace, email_of(email))
        if found is None:
            raise UserNotFound(f"workspace {workspace} has no user {email}; `onefold users list` shows those that it has")
        await users.set_password(connection, found, hashed, must_reset=True, is_change=True)
        await users.end_sessions(connection, workspace, found.user_id)
        await append(connection, workspace, [Act(options.actor(), "reset_started", "users", str(found.user_id), found.version + 1)])
        return found, password
