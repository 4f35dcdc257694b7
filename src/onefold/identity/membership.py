"""Whom a contact belongs to: an organization, by id and by what it was called then."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID  # noqa: TC003 -- msgspec reads it


class Membership(NamedTuple):
    """A contact's organization. Whoever renames it rewrites its contacts."""

    organization_id: UUID
    name: str
