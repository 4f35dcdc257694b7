"""Opening a link (security.md, S10, S11): in the browser that asked for it, it proves the address; elsewhere it asks for the code.

A link is opened by a POST that a person causes; looking at the page changes nothing, and neither does a link that asks for its code. The
page that asked collects the session, if the link was for one. Called by the pages of links.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from onefold.errors import WorkspaceNotFound
from onefold.records import outreach, validation_settings
from onefold.records.validation_settings import may_lead_to
from onefold.visitors import proofs, sessions
from onefold.visitors.capture import Visit
from onefold.visitors.challenges import read_link
from onefold.visitors.changing import Notices
from onefold.visitors.proofs import Prover

if TYPE_CHECKING:
    from onefold.records.log import Origin
    from onefold.records.store import Connection, Store
    from onefold.visitors.challenges import Attempt, Challenges, Confirmed
    from onefold.visitors.sessions import Lives, Visitor
    from onefold.visitors.telling import Teller


class Reader(NamedTuple):
    """Who opens a link, and with what it is carried out."""

    teller: Teller
    lives: Lives
    links_origin: str
    browser: str | None
    """Secret of the browser, if it has one."""
    origin: Origin


class CodeNeeded(NamedTuple):
    """What a link says in another browser than the one that asked for it."""

    workspace: str
    service: str
    """The workspace's title."""
    purpose: str


class Opened(NamedTuple):
    """A link that did what it was for."""

    purpose: str
    redirect_url: str | None
    """Where to go on; None: nowhere but to where one was."""


async def open_link(store: Store, challenges: Challenges, token: str, reader: Reader) -> Opened | CodeNeeded:
    """Use a link, or say what it is about. Raises ChallengeRefused, InvalidMessage."""
    workspace, _ = read_link(token)
    async with store.transaction([workspace]) as connection:
        attempt = await challenges.find_link(connection, token, reader.browser)
        if not (attempt.in_asking_browser or attempt.challenge.purpose == "take_back"):
            return await _code_needed(connection, attempt)
    return await _carry_out(store, challenges, attempt, reader)


async def confirm_link(store: Store, challenges: Challenges, token: str, code: str, reader: Reader) -> Opened:
    """Use a link by the code that came with it. Raises ChallengeRefused, TooManyRequests, InvalidMessage."""
    attempt = await challenges.count_attempt_at_link(store, token, code, reader.browser)
    return await _carry_out(store, challenges, attempt, reader)


async def _carry_out(store: Store, challenges: Challenges, attempt: Attempt, reader: Reader) -> Opened:
    """In one transaction, anew where an event was faster."""
    workspace = attempt.challenge.workspace

    async def work(connection: Connection) -> Opened:
        confirmed = await challenges.consume(connection, attempt)
        visitor = await _asking_session(connection, confirmed, reader.lives)
        visit = Visit(workspace, confirmed.anonymous_token, reader.origin)
        notices = Notices(challenges, reader.links_origin)
        prover = Prover(visit, reader.lives, visitor, notices=notices, begins_session=False)
        await proofs.carry_out(connection, reader.teller, confirmed, prover)
        return Opened(confirmed.purpose, await _onwards(connection, confirmed))

    return await store.repeated([workspace], work)


async def _asking_session(connection: Connection, confirmed: Confirmed, lives: Lives) -> Visitor | None:
    """The session that asked, in whose browser the link was opened."""
    named = confirmed.held.get("session_id")
    return await sessions.by_id(connection, confirmed.workspace, UUID(named), lives) if named is not None else None


async def _onwards(connection: Connection, confirmed: Confirmed) -> str | None:
    """Where the link leads: a path of the site that asked, or a URL that is listed now (S73)."""
    url = confirmed.redirect_url
    settings = (await validation_settings.read(connection, confirmed.workspace)).settings
    if url is None or confirmed.purpose == "take_back" or not may_lead_to(url, settings.redirect_origins):
        return None
    if not url.startswith("/"):
        return url
    return confirmed.site + url if confirmed.site is not None else None


async def _code_needed(connection: Connection, attempt: Attempt) -> CodeNeeded:
    workspace = attempt.challenge.workspace
    speaks = await outreach.speaks(connection, workspace)
    if speaks is None:
        raise WorkspaceNotFound(f"there is no workspace {workspace!r}")
    return CodeNeeded(workspace, speaks.service, attempt.challenge.purpose)
