"""Signing in by a link that was sent to the user's address (product.md, section 6; security.md, S2 to S13).

A link works in the browser that asked for it. In any other one it signs nobody in silently: there it wants the code that stands beside it
in the message (S11), whose hash has the link's own secret as its key, which is stored nowhere (S3). Opening a link changes nothing, since
its secret lies behind the `#`, which no browser sends, and only a POST uses it (S10). Called by the User API.
"""

from __future__ import annotations

import hmac
import re
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.access import attempts, links, sessions
from onefold.errors import Refused
from onefold.records import log, sign_in_links, users, validation_settings
from onefold.records.sign_in_links import NewLink
from onefold.records.validation_settings import LinkSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.access.sessions import Lives, SignedIn
    from onefold.records.log import Origin
    from onefold.records.sign_in_links import OpenLink
    from onefold.records.store import Connection, Store
    from onefold.records.users import UserRow

    SendLink = Callable[[Connection, UserRow, "Made"], Awaitable[None]]
    """Sends a user what was made."""

MOST_CODES: Final = 5
"""Tries of one link's code (S5)."""
DIGITS: Final = 6
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_TOKEN: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{43})")
_PAGE: Final = "sign-in"


class LinkRefused(Refused):
    """The link signs nobody in; which of all reasons it is, is not said."""

    code = "link_refused"

    def __init__(self) -> None:
        super().__init__("this link does not work: it was used or replaced, is too old, or its code is wrong; ask for another one")


class CodeNeeded(Refused):
    """The link was asked for in another browser: what stands beside it in the message is needed, too."""

    code = "code_needed"

    def __init__(self) -> None:
        super().__init__("this link was asked for in another browser; to sign in here, type the code that stands in the message as well")


class Made(NamedTuple):
    """A link that was made: nothing of it is stored but hashes."""

    template: str
    token: str
    code: str
    life: timedelta


class FollowedLink(NamedTuple):
    """A session that a link began."""

    signed_in: SignedIn
    redirect_url: str


def browser_of(text: str | None) -> str:
    """The secret of the browser that asks: what it shows, or a new one."""
    return text if text is not None and _BROWSER.fullmatch(text) else secrets.token_urlsafe(32)


async def ask(store: Store, named: tuple[str, str], browser: str, origin: Origin, send: SendLink) -> timedelta:
    """Send a link to the user of (workspace, e-mail), if there is one; gives how long it works. Raises what `send_if_known` does."""
    life = timedelta(seconds=LinkSettings().expires_after_seconds)

    async def make(connection: Connection, user: UserRow) -> None:
        nonlocal life
        made = await _begin(connection, user, browser)
        life = made.life
        await send(connection, user, made)
        act = log.Act(links.ANYBODY, "sign_in_link_asked", "users", str(user.user_id), user.version, origin=origin)
        await log.append(connection, user.workspace, [act])

    await links.send_if_known(store, named, origin.address, make)
    return life


def link(origin: str, token: str) -> str:
    """The link, at an origin that the installation's settings say (S13)."""
    return f"{origin.rstrip('/')}/{_PAGE}#{token}"


async def follow(store: Store, lives: Lives, shown: tuple[str, str | None, str | None], origin: Origin) -> FollowedLink:
    """Begin a session by (token, code, the browser's secret). Raises LinkRefused, CodeNeeded, TooManyAttempts.

    A try of a code is counted in a transaction of its own, so that no failure after it takes the count back.
    """
    token, code, browser = shown
    read = _TOKEN.fullmatch(token)
    if read is None:
        raise LinkRefused
    workspace, secret = read[1], read[2]
    async with store.transaction([workspace]) as connection:
        found = await _count(connection, workspace, secret, (code, browser), origin)
    if found is None or not (_is_own(found, browser) or hmac.compare_digest(found.code_hash, _code(secret, code or ""))):
        raise LinkRefused
    async with store.transaction([workspace]) as connection:
        user = await users.user_by_id(connection, workspace, found.user_id, will_write=True)
        if user is None or not user.is_enabled or user.archived_at is not None:
            raise LinkRefused
        redirect_url = await sign_in_links.use(connection, workspace, found)
        if redirect_url is None:
            raise LinkRefused
        return FollowedLink(await sessions.begin(connection, user, lives, origin, reason="by a link"), redirect_url)


async def _begin(connection: Connection, user: UserRow, browser: str) -> Made:
    settings = (await validation_settings.read(connection, user.workspace)).settings.magic_link_users
    secret, code = secrets.token_urlsafe(32), f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    life = timedelta(seconds=settings.expires_after_seconds)
    new = NewLink(
        user.workspace, user.user_id, _hash(secret), _hash(browser), _code(secret, code), settings.redirect_url, settings.visits, life
    )
    await sign_in_links.begin(connection, new)
    return Made(settings.template or "sign_in_link", f"{user.workspace}.{secret}", code, life)


async def _count(
    connection: Connection, workspace: str, secret: str, shown: tuple[str | None, str | None], origin: Origin
) -> OpenLink | None:
    """The link, if it lives; a guess of one counts by the place that it comes from, a try of its code by the link. Raises CodeNeeded."""
    code, browser = shown
    counted = attempts.of_link(origin.address)
    await attempts.count(connection, workspace, counted)
    found = await sign_in_links.open_link(connection, workspace, _hash(secret))
    if found is None:
        return None
    await attempts.take_back(connection, workspace, counted)
    if _is_own(found, browser):
        return found
    if code is None:
        raise CodeNeeded
    return found if await sign_in_links.count_code(connection, workspace, found.link_id, MOST_CODES) else None


def _is_own(found: OpenLink, browser: str | None) -> bool:
    """Whether the link was asked for in that browser."""
    return browser is not None and hmac.compare_digest(found.browser_hash, _hash(browser))


def _hash(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _code(secret: str, code: str) -> bytes:
    return hmac.digest(secret.encode(), "".join(code.split()).encode(), "sha256")
