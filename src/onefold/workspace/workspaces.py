"""Workspaces: the tenants. Everything belongs to one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from onefold.errors import PermanentError

if TYPE_CHECKING:
    from onefold.records.store import Connection

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

INSERT = "insert into workspaces (workspace, title) values ($1, $2) on conflict do nothing returning workspace"


class InvalidSlug(PermanentError):
    """A slug that could not stand in keys, URLs and settings."""

    code = "invalid_slug"


async def create_workspace(connection: Connection, slug: str, title: str) -> bool:
    """Make a workspace; gives whether it is new. The transaction must name it."""
    if not SLUG.fullmatch(slug):
        raise InvalidSlug(f"{slug!r} is no slug: use lower-case letters, digits, - and _, beginning with a letter or digit")
    return await connection.fetchval(INSERT, slug, title) is not None
