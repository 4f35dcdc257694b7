"""Rows of OpenID issuers that sign in a workspace's contacts. Those of its users are `issuers`: neither knows of the other (S45)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from onefold.errors import AlreadyExists

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.records.store import Connection

_COLUMNS = "workspace, issuer, title, audiences, email_domains, jwks_uri, is_enabled, created_at"
INSERT = f"""
insert into contact_issuers (workspace, issuer, title, audiences, email_domains, jwks_uri) values ($1, $2, $3, $4, $5, $6)
returning {_COLUMNS}
"""
FIND = f"select {_COLUMNS} from contact_issuers where issuer = $2 and workspace = $1"
LIST = f"select {_COLUMNS} from contact_issuers where workspace = $1 order by issuer"
UPDATE = f"""
update contact_issuers set title = $3, audiences = $4, email_domains = $5, is_enabled = $6 where issuer = $2 and workspace = $1
returning {_COLUMNS}
"""
DELETE = "delete from contact_issuers where issuer = $2 and workspace = $1"


class ContactIssuerRow(NamedTuple):
    """An issuer by which contacts sign in."""

    workspace: str
    issuer: str
    title: str
    audiences: list[str]
    email_domains: list[str]
    jwks_uri: str | None
    is_enabled: bool
    created_at: datetime


class NewContactIssuer(NamedTuple):
    """What is said of a new one."""

    workspace: str
    issuer: str
    title: str
    audiences: list[str]
    email_domains: list[str]
    jwks_uri: str | None


async def insert(connection: Connection, new: NewContactIssuer) -> ContactIssuerRow:
    """Trust an issuer. Raises AlreadyExists where the workspace does already."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(INSERT, *new)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"workspace {new.workspace} trusts {new.issuer} for contacts already") from error
    assert row is not None  # noqa: S101 -- the statement gives a row
    return ContactIssuerRow(*row.values())


async def find(connection: Connection, workspace: str, issuer: str) -> ContactIssuerRow | None:
    """An issuer, whether or not it is enabled."""
    row = await connection.fetchrow(FIND, workspace, issuer)
    return ContactIssuerRow(*row.values()) if row is not None else None


async def every(connection: Connection, workspace: str) -> list[ContactIssuerRow]:
    """Every issuer of a workspace."""
    return [ContactIssuerRow(*row.values()) for row in await connection.fetch(LIST, workspace)]


async def update(connection: Connection, row: ContactIssuerRow) -> ContactIssuerRow | None:
    """Store what is said of an issuer now; None where there is no such one."""
    stored = await connection.fetchrow(UPDATE, row.workspace, row.issuer, row.title, row.audiences, row.email_domains, row.is_enabled)
    return ContactIssuerRow(*stored.values()) if stored is not None else None


async def delete(connection: Connection, workspace: str, issuer: str) -> bool:
    """Trust an issuer no longer. Gives whether there was one."""
    return bool(await connection.execute(DELETE, workspace, issuer) == "DELETE 1")
