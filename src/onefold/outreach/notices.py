"""Messages to users about their account: what was done to it, and links to it (security.md, S23).

Called by the doors, in the transaction that did it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from onefold.outreach.request import Wish, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.records.store import Connection
    from onefold.records.users import UserRow

_NOTICE_LIFE: Final = timedelta(days=3)


async def password_changed(connection: Connection, user: UserRow) -> None:
    """Tell a user, at the address that they sign in with, that their password is another one now."""
    await request(connection, Wish(user.workspace, "password_changed", user.email, _NOTICE_LIFE, "security_notice", user_id=user.user_id))


async def new_password(connection: Connection, user: UserRow, link: str, life: timedelta) -> None:
    """Send whoever said that they forgot their password the link by which they choose another one; until then the old one works."""
    wish = Wish(user.workspace, "new_password_link", user.email, life, "asked_by_owner", parameters={"link": link}, user_id=user.user_id)
    await request(connection, wish)


async def sign_in_link(connection: Connection, user: UserRow, template: str, brought: Mapping[str, str], life: timedelta) -> None:
    """Send a user the link by which they sign in, with the code that it wants in another browser."""
    wish = Wish(user.workspace, template, user.email, life, "asked_by_owner", parameters=brought, user_id=user.user_id)
    await request(connection, wish)


async def password_reset(connection: Connection, user: UserRow, link: str, life: timedelta) -> None:
    """Send a user the link by which they choose another password."""
    wish = Wish(user.workspace, "password_reset", user.email, life, "security_notice", parameters={"link": link}, user_id=user.user_id)
    await request(connection, wish)
