"""Ask for a message to be sent: written into the outbox in the caller's transaction, sent when that is committed (security.md, S17).

Called by use cases that make codes and links, and by `notices`.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from email_validator import EmailNotValidError, validate_email

from onefold.errors import InvalidMessage, Refused
from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import time_text
from onefold.outreach.templates import TEMPLATES
from onefold.records import outreach

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from uuid import UUID

    from onefold.messages.outreach import Channel, Reason
    from onefold.records.store import Connection

_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SEMANTIC_TYPES: Final[Mapping[Channel, str]] = {"email": "email", "sms": "phone"}
_ALWAYS_TAKEN: Final = frozenset({"asked_by_owner", "security_notice"})


class OutreachRefused(Refused):
    """Whose address it is does not want to be written to."""

    code = "outreach_refused"


@dataclass(frozen=True, slots=True)
class Wish:
    """A message that is to be sent."""

    workspace: str
    template: str
    address: str
    life: timedelta
    """After that it is worth nothing, and not sent."""
    reason: Reason
    channel: Channel = "email"
    parameters: Mapping[str, str] = field(default_factory=dict)
    contact_id: UUID | None = None
    user_id: UUID | None = None
    """Instead of a contact."""
    challenge_id: UUID | None = None
    """Instead of both, where nobody knows yet whose address it is."""
    language: str | None = None
    """None: the workspace's own."""


async def request(connection: Connection, wish: Wish) -> UUID:
    """Ask for a message; gives its id. Raises InvalidMessage, and OutreachRefused where the contact's identifier says `outreach: false`.

    What its owner asked for themselves, and a notice of what was done to their account, goes to such an address too.
    """
    _check(wish)
    speaks = await outreach.speaks(connection, wish.workspace)
    if speaks is None:
        raise InvalidMessage(f"there is no workspace {wish.workspace!r}", code="unknown_workspace")
    if wish.contact_id is not None and wish.reason not in _ALWAYS_TAKEN:
        kind = _SEMANTIC_TYPES[wish.channel]
        if not await outreach.takes_messages(connection, wish.workspace, wish.contact_id, kind, wish.address):
            raise OutreachRefused(f"contact {wish.contact_id} holds this {kind} with outreach: false; only its owner can ask for a message")
    message = OutreachRequested(
        message_id=uuid.uuid4(),
        workspace=wish.workspace,
        at=time_text(speaks.now),
        expires_at=time_text(speaks.now + wish.life),
        channel=wish.channel,
        address=wish.address,
        template=wish.template,
        language=wish.language or speaks.language,
        service=speaks.service,
        reason=wish.reason,
        parameters=dict(wish.parameters),
        contact_id=wish.contact_id,
        user_id=wish.user_id,
        challenge_id=wish.challenge_id,
    )
    await outreach.enqueue(connection, message)
    return message.message_id


async def set_language(connection: Connection, workspace: str, language: str) -> None:
    """Let a workspace write in a language, where nobody asks for another. Raises InvalidMessage."""
    if not await outreach.set_language(connection, workspace, checked_language(language)):
        raise InvalidMessage(f"there is no workspace {workspace!r}", code="unknown_workspace")


def checked_language(text: str) -> str:
    """A language as workspaces and messages name it. Raises InvalidMessage."""
    if not _LANGUAGE.fullmatch(text):
        raise InvalidMessage(f"{text!r} is no language tag, such as en or de-AT", code="invalid_language")
    return text


def _check(wish: Wish) -> None:
    template = TEMPLATES.get(wish.template)
    if template is None:
        raise InvalidMessage(f"{wish.template!r} is no template; there are {', '.join(sorted(TEMPLATES))}", code="unknown_template")
    if wish.channel not in template.channels:
        raise InvalidMessage(f"the template {wish.template} is for {', '.join(template.channels)}", code="wrong_channel")
    if set(wish.parameters) != set(template.parameters):
        needed = ", ".join(template.parameters) or "no parameters"
        raise InvalidMessage(f"the template {wish.template} needs {needed}", code="wrong_parameters")
    if [wish.contact_id, wish.user_id, wish.challenge_id].count(None) != 2:  # noqa: PLR2004 - all but one
        raise InvalidMessage("a message concerns a contact, a user or a challenge", code="no_recipient")
    if wish.language is not None:
        checked_language(wish.language)
    if not _is_address(wish.channel, wish.address):
        raise InvalidMessage(f"this is no address for {wish.channel}", code="invalid_address")


def _is_address(channel: Channel, address: str) -> bool:
    if channel == "sms":
        return _PHONE.fullmatch(address) is not None
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return False
    return True
