"""Rows of OpenID issuers that a workspace trusts, and of the subjects by which they know its users."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from onefold.errors import AlreadyExists

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from onefold.records.store import Connection

_COLUMNS = "workspace, issuer, title, jwks_uri, is_enabled, created_at"
INSERT = f"insert into oidc_issuers (workspace, issuer, title, jwks_uri) values ($1, $2, $3, $4) returning {_COLUMNS}"
FIND = f"select {_COLUMNS} from oidc_issuers where issuer = $2 and workspace = $1"
LIST = f"select {_COLUMNS} from oidc_issuers where workspace = $1 order by issuer"
ENABLE = f"update oidc_issuers set is_enabled = $3 where issuer = $2 and workspace = $1 returning {_COLUMNS}"
DELETE = "delete from oidc_issuers where issuer = $2 and workspace = $1"
FORGET_SUBJECTS = "delete from oidc_subjects where issuer = $2 and workspace = $1"
INSERT_SUBJECT = "insert into oidc_subjects (workspace, issuer, subject, user_id) values ($1, $2, $3, $4) returning created_at"
LIST_SUBJECTS = (
    "select issuer, subject, created_at from oidc_subjects where user_id = $2 and workspace = $1 order by created_at, issuer, subject"
)
DELETE_SUBJECT = "delete from oidc_subjects where issuer = $3 and subject = $4 and workspace = $1 and user_id = $2"
ENTER = """
select u.user_id, u.roles
from oidc_subjects s
join oidc_issuers i on i.issuer = s.issuer and i.workspace = s.workspace
join users u on u.user_id = s.user_id and u.workspace = s.workspace
where s.issuer = $2 and s.subject = $3 and s.workspace = $1 and i.is_enabled and u.is_enabled and u.archived_at is null
"""


class IssuerRow(NamedTuple):
    """An issuer that a workspace trusts."""

    workspace: str
    issuer: str
    title: str
    jwks_uri: str | None
    is_enabled: bool
    created_at: datetime


class SubjectRow(NamedTuple):
    """How an issuer calls a user."""

    issuer: str
    subject: str
    created_at: datetime


class EnteredBySubject(NamedTuple):
    """Which user a subject is, with the roles that they have now."""

    user_id: UUID
    roles: list[str]


async def insert_issuer(connection: Connection, workspace: str, issuer: str, title: str, jwks_uri: str | None) -> IssuerRow:
    """Trust an issuer. Raises AlreadyExists where the workspace does already."""
    try:
        async with connection.transaction():
            row = await connection.fetchrow(INSERT, workspace, issuer, title, jwks_uri)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists(f"workspace {workspace} trusts {issuer} already") from error
    assert row is not None  # noqa: S101 -- the statement gives a row
    return IssuerRow(*row.values())


async def find_issuer(connection: Connection, workspace: str, issuer: str) -> IssuerRow | None:
    """An issuer, whether or not it is enabled."""
    row = await connection.fetchrow(FIND, workspace, issuer)
    return IssuerRow(*row.values()) if row is not None else None


async def list_issuers(connection: Connection, workspace: str) -> list[IssuerRow]:
    """Every issuer of a workspace."""
    return [IssuerRow(*row.values()) for row in await connection.fetch(LIST, workspace)]


async def enable_issuer(connection: Connection, workspace: str, issuer: str, *, is_enabled: bool) -> IssuerRow | None:
    """Let an issuer count or not; None where there is no such one."""
    row = await connection.fetchrow(ENABLE, workspace, issuer, is_enabled)
    return IssuerRow(*row.values()) if row is not None else None


async def delete_issuer(connection: Connection, workspace: str, issuer: str) -> bool:
    """Trust an issuer no longer, nor what it says of anybody. Gives whether there was one."""
    await connection.execute(FORGET_SUBJECTS, workspace, issuer)
    return bool(await connection.execute(DELETE, workspace, issuer) == "DELETE 1")


async def insert_subject(connection: Connection, workspace: str, issuer: str, subject: str, user_id: UUID) -> SubjectRow:
    """Know a user by a subject. Raises AlreadyExists where the subject is somebody already."""
    try:
        async with connection.transaction():
            created_at = await connection.fetchval(INSERT_SUBJECT, workspace, issuer, subject, user_id)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyExists("this subject of this issuer is a user already; take it from them first") from error
    return SubjectRow(issuer, subject, created_at)


async def list_subjects(connection: Connection, workspace: str, user_id: UUID) -> list[SubjectRow]:
    """By what subjects a user is known."""
    return [SubjectRow(*row.values()) for row in await connection.fetch(LIST_SUBJECTS, workspace, user_id)]


async def delete_subject(connection: Connection, workspace: str, user_id: UUID, issuer: str, subject: str) -> bool:
    """Know a user by a subject no longer. Gives whether they were."""
    return bool(await connection.execute(DELETE_SUBJECT, workspace, user_id, issuer, subject) == "DELETE 1")


async def enter_by_subject(connection: Connection, workspace: str, issuer: str, subject: str) -> EnteredBySubject | None:
    """Which user of the workspace, that the transaction names, a subject is, unless they or the issuer are disabled."""
    row = await connection.fetchrow(ENTER, workspace, issuer, subject)
    return EnteredBySubject(*row.values()) if row is not None else None
