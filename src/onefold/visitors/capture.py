"""What somebody says of themselves without proof: a lead's form, a message in a chat. Claimed, and decided on by the resolver alone.

Nothing is looked up here, so that whoever says it learns nothing, not even by the time that it takes (S26, S27, S46).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from onefold.errors import ConfigurationError, InvalidMessage
from onefold.messages.interactions import InteractionMessage, WireIdentifier
from onefold.messages.times import time_text
from onefold.outreach.request import is_address
from onefold.records import said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.records.log import Origin
    from onefold.records.store import Connection

Channel = Literal["web", "chat_widget", "funnel"]

LEAD: Final = "Lead captured"


@dataclass(frozen=True, slots=True)
class Visit:
    """Where somebody is while they say something."""

    workspace: str
    anonymous_token: str | None
    """None where no visitor's browser is at work, such as on the page of a link."""
    origin: Origin
    channel: Channel = "web"
    page: Mapping[str, str] | None = None

    @property
    def token(self) -> str:
        """The visitor's. Raises ConfigurationError where there is none."""
        if self.anonymous_token is None:
            raise ConfigurationError("nobody's browser is at work here")
        return self.anonymous_token

    def context(self) -> dict[str, Any] | None:
        """As SDKs tell it."""
        told = {"page": dict(self.page) if self.page else None, "ip": self.origin.address, "user_agent": self.origin.user_agent}
        return {name: value for name, value in told.items() if value} or None


@dataclass(frozen=True, slots=True)
class Lead:
    """What a form asks for."""

    email: str | None = None
    phone: str | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)
    """`given_name`, `last_name` or `name`, and unbound attributes."""


def new_token() -> str:
    """Of a visitor who has none."""
    return str(uuid.uuid4())


async def capture(connection: Connection, visit: Visit, lead: Lead, shards: int, *, name: str = LEAD) -> None:
    """Say what a form brought, as one interaction. Raises InvalidMessage."""
    identifiers = [WireIdentifier("anonymous_token", visit.token)]
    identifiers += [WireIdentifier(kind, value) for kind, value in (("email", lead.email), ("phone", lead.phone)) if value is not None]
    at = time_text(await said.now(connection))
    message = InteractionMessage(
        event_id=str(uuid.uuid4()),
        workspace=visit.workspace,
        type="form",
        channel=visit.channel,
        name=name,
        assurance="claimed",
        occurred_at=at,
        received_at=at,
        identifiers=identifiers,
        traits=dict(lead.traits) or None,
        context=visit.context(),
    )
    await said.say(connection, message, shards)


async def write(connection: Connection, visit: Visit, text: str, shards: int, *, event_id: str | None = None) -> str:
    """Say what somebody wrote into a chat; gives the event's id. The same id again is the same message (R7)."""
    at = time_text(await said.now(connection))
    message = InteractionMessage(
        event_id=event_id or str(uuid.uuid4()),
        workspace=visit.workspace,
        type="message",
        channel=visit.channel,
        assurance="claimed",
        occurred_at=at,
        received_at=at,
        identifiers=[WireIdentifier("anonymous_token", visit.token)],
        properties={"text": text},
        context=visit.context(),
    )
    await said.say(connection, message, shards)
    return message.event_id


def checked_email(text: str) -> str:
    """An address that mail can be sent to. Raises InvalidMessage."""
    if not is_address("email", text.strip()):
        raise InvalidMessage("this is no e-mail address; one looks like name@example.com", code="invalid_email")
    return text.strip()
