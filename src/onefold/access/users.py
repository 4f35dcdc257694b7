"""Users of a workspace: made, changed, archived by those who may; nobody grants more than they have (security.md, S24, S79, S83).

Nothing here commits: the caller's transaction does. Called by the User API and by `onefold users`.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onefold.access import matrix, resets
from onefold.access.caller import NotAllowed
from onefold.access.emails import email_of
from onefold.errors import InvalidMessage, Refused, VersionConflict
from onefold.records import password_resets, sign_in_links, users
from onefold.records.users import NewUser, UserRow

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.access.caller import Caller
    from onefold.records.store import Connection

LONGEST_NAME = 200


class UserNotFound(Refused):
    """The workspace has no user of this id."""

    code = "user_not_found"


class LastAdmin(Refused):
    """Without this user nobody could manage users any more."""

    code = "last_admin"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a user is to be. None leaves a field of a present one as it is."""

    email: str | None = None
    given_name: str | None = None
    last_name: str | None = None
    roles: Sequence[str] | None = None
    is_enabled: bool | None = None


async def create_user(
    connection: Connection, workspace: str, caller: Caller | None, wish: Wish, password_hash: str | None, *, must_reset: bool = False
) -> UserRow:
    """Make a user; `caller` None is whoever sets the workspace up. Raises InvalidMessage, NotAllowed, AlreadyExists.

    `must_reset`: they choose another password before anything else.
    """
    if wish.email is None or not wish.roles:
        raise InvalidMessage("a user needs an e-mail and at least one role", code="incomplete_user")
    roles = _roles(wish.roles)
    _demand_rank(caller, roles)
    names = (_name(wish.given_name), _name(wish.last_name))
    user = NewUser(workspace, uuid.uuid4(), email_of(wish.email), *names, roles, password_hash, must_reset)
    return await users.insert_user(connection, user)


async def find_user(connection: Connection, workspace: str, user_id: UUID, *, will_write: bool = False) -> UserRow:
    """A user. Raises UserNotFound."""
    found = await users.user_by_id(connection, workspace, user_id, will_write=will_write)
    if found is None:
        raise UserNotFound(f"there is no user {user_id}")
    return found


async def edit_user(connection: Connection, caller: Caller, user_id: UUID, wish: Wish, version: int | None) -> tuple[UserRow, UserRow]:
    """Change a user; gives the one before and the one after. Who loses a role or is disabled loses it at the next call (S83)."""
    admins = await users.lock_admins(connection, caller.workspace)
    before = await find_user(connection, caller.workspace, user_id, will_write=True)
    if version is not None and before.version != version:
        raise VersionConflict(f"user {user_id} is at version {before.version} by now, not at {version}: look again")
    _demand_rank(caller, before.roles)
    after = before._replace(
        email=email_of(wish.email) if wish.email is not None else before.email,
        given_name=_name(wish.given_name) if wish.given_name is not None else before.given_name,
        last_name=_name(wish.last_name) if wish.last_name is not None else before.last_name,
        roles=_roles(wish.roles) if wish.roles is not None else before.roles,
        is_enabled=wish.is_enabled if wish.is_enabled is not None else before.is_enabled,
    )
    _demand_rank(caller, after.roles)
    return before, await _store(connection, before, after, admins)


async def archive_user(connection: Connection, caller: Caller, user_id: UUID, *, restore: bool = False) -> tuple[UserRow, UserRow]:
    """Archive a user, or take one out of the archive; one's own user nobody archives."""
    admins = await users.lock_admins(connection, caller.workspace)
    before = await find_user(connection, caller.workspace, user_id, will_write=True)
    _demand_rank(caller, before.roles)
    if not restore and user_id == caller.user_id:
        raise NotAllowed("you cannot archive your own user; another Super Admin can")
    if (before.archived_at is None) == restore:
        return before, before
    return before, await _store(connection, before, before._replace(archived_at=None if restore else datetime.now(UTC)), admins)


async def start_reset(connection: Connection, caller: Caller, user_id: UUID) -> tuple[UserRow, str]:
    """Void a user's password and end their sessions. Nobody sees or sets one (S24): the token, sent to the user, lets them choose one."""
    user = await find_user(connection, caller.workspace, user_id, will_write=True)
    _demand_rank(caller, user.roles)
    await users.set_password(connection, user, None, must_reset=True, is_change=True)
    await users.end_sessions(connection, caller.workspace, user_id)
    token = await resets.begin(connection, user)
    return user._replace(must_reset=True, password_hash=None, version=user.version + 1), token


async def _store(connection: Connection, before: UserRow, after: UserRow, admins: Sequence[UUID]) -> UserRow:
    if before == after:
        return before
    still = "super_admin" in after.roles and after.is_enabled and after.archived_at is None
    if before.user_id in admins and not still and len(admins) == 1:
        raise LastAdmin("this is the last Super Admin who can sign in; make another one first")
    stored = await users.update_user(connection, after)
    if not stored.is_enabled or stored.archived_at is not None or stored.email != before.email:
        await password_resets.end_all(connection, after.workspace, after.user_id)
        await sign_in_links.end_all(connection, after.workspace, after.user_id)
    if not stored.is_enabled or stored.archived_at is not None:
        await users.end_sessions(connection, after.workspace, after.user_id)
    return stored


def _demand_rank(caller: Caller | None, roles: Sequence[str]) -> None:
    if caller is not None and matrix.rank(roles) > matrix.rank(caller.roles):
        raise NotAllowed("nobody grants, changes or takes a role above their own; ask a Super Admin")


def _roles(roles: Sequence[str]) -> list[str]:
    unknown = sorted(set(roles) - matrix.MATRIX.keys())
    if unknown or not roles:
        raise InvalidMessage(f"{', '.join(unknown) or 'nothing'} is no role; there are {', '.join(matrix.MATRIX)}", code="unknown_role")
    return sorted(set(roles))


def _name(name: str | None) -> str | None:
    text = (name or "").strip()
    if len(text) > LONGEST_NAME or "\0" in text:
        raise InvalidMessage(f"a name has at most {LONGEST_NAME} characters", code="invalid_name")
    return text or None
