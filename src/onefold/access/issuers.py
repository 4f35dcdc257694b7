"""Which OpenID issuers a workspace trusts, and which of its users each subject is (security.md, S81, S82).

A user is known by (issuer, subject), which an administrator says: never by an e-mail, and nobody becomes a user by showing a token.
Nothing here commits: the caller's transaction does. Called by the User API; `issuer_finder` by its door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onefold.access import matrix, oidc
from onefold.access.caller import NotAllowed
from onefold.access.fetching import check_url
from onefold.access.provider_keys import Issuer
from onefold.access.users import find_user
from onefold.errors import InvalidMessage, Refused
from onefold.records import issuers

if TYPE_CHECKING:
    from uuid import UUID

    from onefold.access.caller import Caller
    from onefold.records.issuers import IssuerRow, SubjectRow
    from onefold.records.store import Connection, Store

MOST_ISSUERS: Final = 10
MOST_SUBJECTS: Final = 20
LONGEST_TITLE: Final = 200
LONGEST_URL: Final = 1_000


class IssuerNotFound(Refused):
    """The workspace trusts no such issuer."""

    code = "issuer_not_found"


class SubjectNotFound(Refused):
    """The user is not known by this subject."""

    code = "subject_not_found"


def issuer_finder(store: Store) -> oidc.FindIssuer:
    """How a verifier of access tokens learns whom a workspace trusts: at every token, so that a removed issuer is out at once."""

    async def find(workspace: str, named: str) -> Issuer | None:
        async with store.transaction([workspace]) as connection:
            row = await issuers.find_issuer(connection, workspace, named)
        return Issuer(workspace, row.issuer, row.jwks_uri) if row is not None and row.is_enabled else None

    return find


async def trust_issuer(connection: Connection, workspace: str, issuer: str, title: str, jwks_uri: str | None) -> IssuerRow:
    """Trust an issuer to say who somebody is. Raises InvalidMessage, AlreadyExists."""
    if not title.strip() or len(title) > LONGEST_TITLE or "\0" in title:
        raise InvalidMessage(f"an issuer's title has 1 to {LONGEST_TITLE} characters", code="invalid_title")
    for url in (issuer, jwks_uri):
        if url is not None and len(check_url(url)) > LONGEST_URL:
            raise InvalidMessage(f"a URL has at most {LONGEST_URL} characters", code="invalid_url")
    if "?" in issuer:
        raise InvalidMessage("an issuer's URL has no query", code="invalid_url")
    if len(await issuers.list_issuers(connection, workspace)) >= MOST_ISSUERS:
        raise InvalidMessage(f"a workspace trusts at most {MOST_ISSUERS} issuers", code="too_many")
    return await issuers.insert_issuer(connection, workspace, issuer, title, jwks_uri)


async def enable_issuer(connection: Connection, workspace: str, issuer: str, *, is_enabled: bool) -> IssuerRow:
    """Let an issuer's tokens count, or not for now: its subjects are kept. Raises IssuerNotFound."""
    row = await issuers.enable_issuer(connection, workspace, issuer, is_enabled=is_enabled)
    if row is None:
        raise _missing(workspace, issuer)
    return row


async def distrust_issuer(connection: Connection, workspace: str, issuer: str) -> None:
    """Trust an issuer no longer, and forget by what subjects it knew users. Raises IssuerNotFound."""
    if not await issuers.delete_issuer(connection, workspace, issuer):
        raise _missing(workspace, issuer)


async def link_subject(connection: Connection, caller: Caller, user_id: UUID, issuer: str, subject: str) -> SubjectRow:
    """Let a subject be a user. Raises UserNotFound, IssuerNotFound, InvalidMessage, NotAllowed, AlreadyExists."""
    await _demand(connection, caller, user_id)
    if await issuers.find_issuer(connection, caller.workspace, issuer) is None:
        raise InvalidMessage("this workspace does not trust this issuer; add it first: POST /api/v1/issuers", code="unknown_issuer")
    if not oidc.is_subject(subject):
        raise InvalidMessage(f"a subject has 1 to {oidc.MOST_SUBJECT} printable characters", code="invalid_subject")
    if len(await issuers.list_subjects(connection, caller.workspace, user_id)) >= MOST_SUBJECTS:
        raise InvalidMessage(f"a user is known by at most {MOST_SUBJECTS} subjects", code="too_many")
    return await issuers.insert_subject(connection, caller.workspace, issuer, subject, user_id)


async def unlink_subject(connection: Connection, caller: Caller, user_id: UUID, issuer: str, subject: str) -> None:
    """Let a subject be nobody. Raises UserNotFound, SubjectNotFound, NotAllowed."""
    await _demand(connection, caller, user_id)
    if not await issuers.delete_subject(connection, caller.workspace, user_id, issuer, subject):
        raise SubjectNotFound(f"user {user_id} is not known by this subject")


def _missing(workspace: str, issuer: str) -> IssuerNotFound:
    return IssuerNotFound(f"workspace {workspace!r} trusts no issuer {issuer!r}")


async def _demand(connection: Connection, caller: Caller, user_id: UUID) -> None:
    """Whoever says who somebody is can be them (S79)."""
    user = await find_user(connection, caller.workspace, user_id, will_write=True)
    if matrix.rank(user.roles) > matrix.rank(caller.roles):
        raise NotAllowed("nobody says how users above themselves sign in")
