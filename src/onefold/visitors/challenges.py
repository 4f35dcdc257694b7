"""Challenges: a code, or a link with one, goes to an address, and whoever brings it back has proved the address (security.md, S1 to S9).

Anybody may ask for any address, and is answered alike, whoever holds it: only the message says more. A challenge is bound to purpose,
workspace, identifier and the browser that asked; whatever fails is refused in the same words. Called by the doors of visitors, which open
the transactions: an attempt is counted in one of its own, before anything is compared; what a proof brings about is in another one.
"""

from __future__ import annotations

import hmac
import re
import secrets
import uuid
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from onefold.errors import InvalidMessage, Refused, WorkspaceNotFound
from onefold.identity.identifiers import identifier_key
from onefold.identity.normalise import normalise, trim
from onefold.outreach.request import Wish, checked_language, request
from onefold.records import challenges, validation_counts, validation_settings
from onefold.records.challenges import Challenge, NewChallenge
from onefold.records.rules_versions import rules_in_force
from onefold.visitors import limits
from onefold.visitors.keyed import Keyed
from onefold.visitors.limits import Asker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from uuid import UUID

    from onefold.messages.outreach import Channel
    from onefold.records.store import Connection, Store
    from onefold.records.validation_settings import ValidationSettings
    from onefold.visitors.telling import Address

Purpose = Literal["validate", "sign_in", "register", "reset_password", "add_identifier", "change_address", "take_back"]
SemanticType = Literal["email", "phone"]
Method = Literal["otp", "magic_link"]

DIGITS: Final = 6
_ATTEMPTS_WITH_LINK: Final = 5
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LINK: Final = re.compile(r"([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{43})")
_LINKED: Final = frozenset({"validate", "sign_in", "register", "add_identifier", "change_address"})
"""Purposes that a link can serve: a new password is typed where its code is."""
_IN_ANY_BROWSER: Final = frozenset({"take_back"})
"""Purposes that nobody asks for in a browser: what they hold is the service's own."""
_CHANNELS: Final[Mapping[str, Channel]] = {"email": "email", "phone": "sms"}
_CODE_TEMPLATES: Final[Mapping[str, str]] = {"sign_in": "sign_in_code", "reset_password": "new_password_code"}


class ChallengeRefused(Refused):
    """It proves nothing; which of all reasons it is, is not said."""

    code = "challenge_refused"

    def __init__(self) -> None:
        super().__init__("this proves nothing: it is wrong, was used, is too old, or was asked for in another browser; ask for another one")


@dataclass(frozen=True, slots=True)
class Ask:
    """A code or link that is asked for."""

    workspace: str
    purpose: Purpose
    semantic_type: SemanticType
    identifier: str
    links_origin: str
    """Of the page that links lead to, from the settings (S13)."""
    method: Method = "otp"
    browser: str | None = None
    """The secret of the browser that asks, if it has one."""
    address: str | None = None
    """The client's."""
    language: str | None = None
    held: Mapping[str, Any] = field(default_factory=dict)
    """What waits for the proof. It is given back only where the one who asked proves it (S41)."""
    anonymous_token: str | None = None
    site: str | None = None
    """Origin of the page that asks, where links may lead back to it."""


class Asked(NamedTuple):
    """What is answered: the same whoever holds the identifier."""

    challenge_id: UUID
    browser: str
    """The browser's secret, to be shown when the proof is brought; nothing of it but a hash is stored."""
    expires_at: datetime
    resend_at: datetime


class Attempt(NamedTuple):
    """A code or link that was right when it was compared; it proves something once it is consumed."""

    challenge: Challenge
    browser: bytes
    """Hash of the browser in which it was brought."""
    by_link: bool
    counted: bytes | None = None
    """What it was counted for as a failure, until it is known to be none."""

    @property
    def in_asking_browser(self) -> bool:
        """Whether it was asked for there."""
        return self.browser == self.challenge.browser_hash


class Confirmed(NamedTuple):
    """An identifier that was proved."""

    workspace: str
    challenge_id: UUID
    purpose: str
    semantic_type: str
    identifier: str
    method: str
    held: Mapping[str, Any]
    """Empty where another browser than the one that asked brought the proof, and when a link is used again."""
    anonymous_token: str | None
    """Of whoever asked; None where another browser brought the proof."""
    in_asking_browser: bool
    redirect_url: str | None
    site: str | None = None


class Challenges:
    """Makes and takes them, under the key of the settings. `slowed` is told of workspace and type when the breaker slows asking (S15)."""

    def __init__(self, secret: bytes, slowed: Callable[[str, str], None] = lambda _workspace, _semantic_type: None) -> None:
        self._keyed, self._slowed = Keyed(secret), slowed

    async def ask(self, connection: Connection, ask: Ask) -> Asked:
        """Send a code or link. Raises InvalidMessage, TooManyRequests and DestinationRefused: then roll back."""
        settings = (await validation_settings.read(connection, ask.workspace)).settings
        normalised = await _normalised(connection, ask)
        key = identifier_key(ask.semantic_type, normalised)
        browser = ask.browser if ask.browser and _BROWSER.fullmatch(ask.browser) else secrets.token_urlsafe(32)
        hashed = self._browser(browser)
        is_known = await challenges.is_known(connection, ask.workspace, key, hashed)
        asker = Asker(ask.workspace, ask.semantic_type, normalised, hashed, is_known)
        await self._count_sending(connection, ask, asker, settings)
        made = self._make(ask, asker, settings)
        expires_at = await challenges.begin(connection, made.row)
        await request(connection, await self._wish(connection, ask, made, settings))
        await validation_counts.forget_old(connection, ask.workspace)
        counted = limits.of_identifier(self._keyed, "sends", asker, limits.SENDS)
        resend_at = await validation_counts.next_at(connection, ask.workspace, *counted)
        return Asked(made.row.challenge_id, browser, expires_at, resend_at)

    async def tell_of_change(
        self, connection: Connection, workspace: str, address: Address, links_origin: str, held: Mapping[str, Any]
    ) -> None:
        """Write to an address that was somebody's until now, with a link by which that is taken back (S56). Counted for nobody."""
        settings = (await validation_settings.read(connection, workspace)).settings
        kind: SemanticType = address.semantic_type  # type: ignore[assignment]  # an email or a phone
        ask = Ask(workspace, "take_back", kind, address.identifier, links_origin, "magic_link", held=held)
        asker = Asker(workspace, kind, address.identifier, self._browser(secrets.token_urlsafe(32)), is_known=False)
        made = self._make(ask, asker, settings)
        await challenges.begin(connection, made.row)
        link = {"link": link_to(links_origin, made.token or "")}
        channel = _CHANNELS[kind]
        challenge_id = made.row.challenge_id
        wish = Wish(
            workspace, "address_changed", address.identifier, made.row.life, "security_notice", channel, link, challenge_id=challenge_id
        )
        await request(connection, wish)

    async def ask_again(self, connection: Connection, challenge_id: UUID, ask: Ask) -> Asked:
        """Send anew what the same browser asked for, with what it held. Purpose, identifier, method and `held` of `ask` are not looked at.

        Raises what `ask` raises, and ChallengeRefused.
        """
        known = ask.browser is not None and await challenges.to_repeat(connection, ask.workspace, challenge_id, self._browser(ask.browser))
        if not known:
            raise ChallengeRefused
        first = replace(
            ask,
            purpose=known.purpose,  # type: ignore[arg-type]  # as it was taken
            semantic_type=known.semantic_type,  # type: ignore[arg-type]  # as it was taken
            identifier=known.identifier,
            method=known.method,  # type: ignore[arg-type]  # as it was taken
            held=known.held,
            anonymous_token=known.anonymous_token,
            site=known.site,
            language=ask.language or known.language,
        )
        return await self.ask(connection, first)

    async def count_attempt(
        self, store: Store, workspace: str, challenge_id: UUID, code: str, browser: str | None, purpose: Purpose | None = None
    ) -> Attempt:
        """Count a try of a code, then compare it: in a transaction of its own, so that no failure after it takes the count back.

        Raises ChallengeRefused, and TooManyRequests where too many codes of the identifier were wrong.
        """
        hashed = self._browser(browser or "")
        async with store.transaction([workspace]) as connection:
            found = await challenges.count_code(connection, workspace, challenge_id, hashed)
            counted = await self._count_failure(connection, found, hashed)
        return self._compared(found, code, purpose)._replace(browser=hashed, counted=counted)

    async def count_attempt_at_link(self, store: Store, token: str, code: str, browser: str | None) -> Attempt:
        """The same for the code that came with a link, in whatever browser: it lives as long as the link does."""
        workspace, secret = read_link(token)
        hashed = self._browser(browser or "")
        async with store.transaction([workspace]) as connection:
            found = await challenges.count_code_of_link(connection, workspace, self._link(workspace, secret))
            counted = await self._count_failure(connection, found, hashed)
        return self._compared(found, code, None)._replace(browser=hashed, by_link=True, counted=counted)

    async def find_link(self, connection: Connection, token: str, browser: str | None) -> Attempt:
        """The challenge of a link, which changes nothing. Raises ChallengeRefused."""
        workspace, secret = read_link(token)
        found = await challenges.open_link(connection, workspace, self._link(workspace, secret))
        if found is None:
            raise ChallengeRefused
        return Attempt(found, self._browser(browser or ""), by_link=True)

    async def consume(self, connection: Connection, attempt: Attempt) -> Confirmed:
        """Use a right code or link up, and end what its proof overtakes. Raises ChallengeRefused for whoever comes second.

        In the caller's transaction, with all that follows from the proof.
        """
        found = attempt.challenge
        present = await challenges.use(connection, found, attempt.browser, by_link=attempt.by_link)
        if present is None:
            raise ChallengeRefused
        if attempt.counted is not None:
            await validation_counts.take_back(connection, found.workspace, attempt.counted)
        if attempt.browser != self._browser(""):
            await challenges.know_browser(connection, found.workspace, found.identifier_key, attempt.browser)
        is_own = attempt.in_asking_browser or found.purpose in _IN_ANY_BROWSER
        return Confirmed(
            found.workspace,
            found.challenge_id,
            found.purpose,
            found.semantic_type,
            found.identifier,
            found.method,
            present.held if is_own else {},
            found.anonymous_token if is_own else None,
            is_own,
            found.redirect_url,
            found.site,
        )

    async def collect(self, connection: Connection, workspace: str, challenge_id: UUID, browser: str | None) -> Challenge:
        """What a link proved in the browser that had asked, for the page there; once. Raises ChallengeRefused."""
        found = await challenges.collect(connection, workspace, challenge_id, self._browser(browser or ""))
        if found is None:
            raise ChallengeRefused
        return found

    async def confirm(self, store: Store, workspace: str, challenge_id: UUID, code: str, browser: str | None) -> Confirmed:
        """Count, compare and consume, where nothing else is to be in one transaction with it. Raises what these raise."""
        attempt = await self.count_attempt(store, workspace, challenge_id, code, browser)
        async with store.transaction([workspace]) as connection:
            return await self.consume(connection, attempt)

    async def _count_sending(self, connection: Connection, ask: Ask, asker: Asker, settings: ValidationSettings) -> None:
        if asker.semantic_type == "phone":
            limits.check_destination(asker.normalised, settings.otp_sms.countries)
        slowed = await limits.pass_breaker(connection, self._keyed, asker, settings.breaker)
        if slowed:
            self._slowed(asker.workspace, asker.semantic_type)
        counted = limits.of_sending(self._keyed, asker, ask.address, settings.otp_sms)
        await limits.count(connection, ask.workspace, [*counted, *slowed])

    async def _count_failure(self, connection: Connection, found: Challenge | None, browser: bytes) -> bytes | None:
        """What is tried counts as failed until it is known to be right."""
        if found is None:
            return None
        is_known = await challenges.is_known(connection, found.workspace, found.identifier_key, browser)
        asker = Asker(found.workspace, found.semantic_type, found.identifier, browser, is_known)
        counted = limits.of_failing(self._keyed, asker)
        await limits.count(connection, found.workspace, [counted])
        return counted.bucket

    def _compared(self, found: Challenge | None, code: str, purpose: Purpose | None) -> Attempt:
        given = "".join(code.split())
        if found is None or (purpose is not None and found.purpose != purpose):
            raise ChallengeRefused
        if not hmac.compare_digest(found.code_hash, self._code(found, given)):
            raise ChallengeRefused
        return Attempt(found, found.browser_hash, by_link=False)

    def _make(self, ask: Ask, asker: Asker, settings: ValidationSettings) -> _Made:
        is_link = ask.method == "magic_link"
        code, secret = new_code(), secrets.token_urlsafe(32)
        by_code = settings.otp_sms if ask.semantic_type == "phone" else settings.otp_email
        code_life = timedelta(seconds=by_code.expires_after_seconds)
        link = settings.magic_link_contacts
        row = NewChallenge(
            ask.workspace,
            uuid.uuid4(),
            ask.purpose,
            ask.semantic_type,
            asker.normalised,
            identifier_key(ask.semantic_type, asker.normalised),
            ask.method,
            asker.browser,
            b"",
            self._link(ask.workspace, secret) if is_link else None,
            ask.language,
            ask.anonymous_token,
            ask.held,
            _ATTEMPTS_WITH_LINK if is_link else by_code.attempts,
            link.visits if is_link else 1,
            link.redirect_url if is_link else None,
            ask.site if is_link else None,
            code_life,
            timedelta(seconds=link.expires_after_seconds) if is_link else code_life,
        )
        return _Made(row._replace(code_hash=self._code(row, code)), code, f"{ask.workspace}.{secret}" if is_link else None)

    async def _wish(self, connection: Connection, ask: Ask, made: _Made, settings: ValidationSettings) -> Wish:
        """The message. Whether somebody holds the address is asked for every purpose: it takes as long (S27), and only mail tells (S28)."""
        row = made.row
        is_registered = await challenges.is_validated(connection, row.workspace, row.identifier_key) and ask.purpose == "register"
        parameters = {"code": made.code}
        if made.token is not None:
            template = settings.magic_link_contacts.template or ("sign_in_link" if ask.purpose == "sign_in" else "verification_link")
            parameters["link"] = link_to(ask.links_origin, made.token)
        else:
            wanted = settings.otp_email.template if ask.semantic_type == "email" else None
            fitting = _CODE_TEMPLATES.get(ask.purpose, "verification_code")
            template = fitting if ask.purpose == "reset_password" else wanted or fitting
        if is_registered:
            template, parameters, life = "already_registered", {"code": made.code}, row.code_life
        else:
            life = row.life
        return Wish(
            row.workspace,
            template,
            row.identifier,
            life,
            "asked_by_owner",
            _CHANNELS[row.semantic_type],
            parameters,
            challenge_id=row.challenge_id,
            language=ask.language,
        )

    def browser_hash(self, browser: str | None) -> bytes:
        """By which a browser is known."""
        return self._browser(browser or "")

    def _browser(self, browser: str) -> bytes:
        return self._keyed.hash("browser", browser)

    def _link(self, workspace: str, secret: str) -> bytes:
        return self._keyed.hash("link", workspace, secret)

    def _code(self, row: NewChallenge | Challenge, code: str) -> bytes:
        return self._keyed.hash("code", row.purpose, row.workspace, row.semantic_type, row.identifier, str(row.challenge_id), code)


class _Made(NamedTuple):
    row: NewChallenge
    code: str
    token: str | None
    """What a link ends with, for one by link."""


def new_code() -> str:
    """Six digits of the operating system's secure generator, each code as likely as any other (S1)."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def link_to(origin: str, token: str) -> str:
    """The address of a link: the secret lies behind the `#`, which no browser sends (S12)."""
    return f"{origin.rstrip('/')}/link#{token}"


def read_link(token: str) -> tuple[str, str]:
    """Workspace and secret of what a link ends with. Raises ChallengeRefused."""
    read = _LINK.fullmatch(token)
    if read is None:
        raise ChallengeRefused
    return read[1], read[2]


async def _normalised(connection: Connection, ask: Ask) -> str:
    """The address in its one form, to which the message goes as well. Raises InvalidMessage."""
    if ask.method == "magic_link" and (ask.semantic_type != "email" or ask.purpose not in _LINKED):
        raise InvalidMessage("a link goes by e-mail, and not for a new password; ask for a code (otp)", code="wrong_method")
    if ask.language is not None:
        checked_language(ask.language)
    rules = (await rules_in_force(connection, [ask.workspace], recency=timedelta(0))).get(ask.workspace)
    if rules is None:
        raise WorkspaceNotFound(f"there is no workspace {ask.workspace!r}")
    found = normalise(ask.semantic_type, trim(ask.identifier), rules.normalisation)
    if found is None:
        kind = "e-mail address" if ask.semantic_type == "email" else "phone number, with its country, such as +43 660 1234567"
        raise InvalidMessage(f"this is no {kind}", code=f"invalid_{ask.semantic_type}")
    return found
