"""A contact who acts on their own record: how the log and the rows name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.contacts.acting import User

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.visitors.capture import Visit


def acting_for(contact_id: UUID, visit: Visit) -> User:
    """Them, from where they are."""
    return User(f"contact:{contact_id}", None, visit.origin)
