"""Opening a link (security.md, S10, S11): in the browser that asked for it, it proves the address; elsewhere it asks for the code.

A link is opened by a POST that a person causes; looking at the page changes nothing, and neither does a link that asks for its code.
Called by the doors of visitors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import WorkspaceNotFound
from onefold.records import outreach

if TYPE_CHECKING:
    from onefold.records.store import Connection, Store
    from onefold.visitors.challenges import Attempt, Challenges, Confirmed


class CodeNeeded(NamedTuple):
    """What a link says in another browser than the one that asked for it."""

    workspace: str
    service: str
    """The workspace's title."""
    purpose: str


async def open_link(connection: Connection, challenges: Challenges, token: str, browser: str | None) -> Confirmed | CodeNeeded:
    """Use a link, in a transaction that names `read_link(token)`'s workspace, or say what it is about. Raises ChallengeRefused."""
    attempt = await challenges.find_link(connection, token, browser)
    if attempt.in_asking_browser:
        return await challenges.consume(connection, attempt)
    workspace = attempt.challenge.workspace
    speaks = await outreach.speaks(connection, workspace)
    if speaks is None:
        raise WorkspaceNotFound(f"there is no workspace {workspace!r}")
    return CodeNeeded(workspace, speaks.service, attempt.challenge.purpose)


async def confirm_link(store: Store, challenges: Challenges, token: str, code: str, browser: str | None) -> Attempt:
    """Count a try of a link's code; what it gives is for `Challenges.consume`. Raises ChallengeRefused, TooManyRequests."""
    return await challenges.count_attempt_at_link(store, token, code, browser)
