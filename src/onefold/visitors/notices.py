"""Messages to people about their own account: what was done to it (security.md, S23, S56). Written in the transaction that did it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from onefold.outreach.request import Wish, request
from onefold.records import contact_sessions

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.records.store import Connection

_LIFE: Final = timedelta(days=3)


async def password_changed(connection: Connection, workspace: str, contact_id: UUID, language: str | None) -> None:
    """Tell every proved e-mail address of a contact that their password is another one now."""
    for kind, address in await contact_sessions.proved_addresses(connection, workspace, contact_id):
        if kind == "email":
            wish = Wish(workspace, "password_changed", address, _LIFE, "security_notice", contact_id=contact_id, language=language)
            await request(connection, wish)
