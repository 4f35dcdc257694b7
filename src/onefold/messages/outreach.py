"""A message that is to be sent to one address, as it lies on `outreach.requested`.

It holds an address, and often a code or a link that opens something: the topic keeps records for an hour (decision 0041), and whoever may
read it may do what codes and links allow. Whoever sends it drops what it sent before, by `message_id`, and what comes after `expires_at`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from uuid import UUID

from msgspec import Meta, Struct

from onefold.errors import InvalidMessage
from onefold.messages.codec import decode
from onefold.messages.interactions import WORKSPACE_PATTERN
from onefold.messages.times import Time, parse_time

Channel = Literal["email", "sms"]
CHANNELS: Final = ("email", "sms")
Reason = Literal["asked_by_owner", "security_notice", "campaign"]
"""Why it is sent. What its owner asked for, and notices of what was done to their account, go to an address that takes nothing else."""


class OutreachRequested(Struct):
    """One message to one address."""

    message_id: Annotated[UUID, Meta(description="The same message told twice has the same.")]
    workspace: str
    at: Time
    expires_at: Annotated[Time, Meta(description="After that it is not sent any more.")]
    channel: Channel
    address: Annotated[str, Meta(description="An e-mail address, or a phone number in E.164.")]
    template: str
    language: Annotated[str, Meta(description="A BCP 47 tag, such as de-AT; a sender falls back to what it has.")]
    service: Annotated[str, Meta(description="What the message names as its sender: the workspace's title.")]
    reason: Reason
    parameters: Annotated[dict[str, str], Meta(description="What the template needs: `code`, `link`.")] = {}
    contact_id: UUID | None = None
    user_id: Annotated[UUID | None, Meta(description="Instead of a contact, for messages to users.")] = None
    challenge_id: Annotated[UUID | None, Meta(description="Instead of both, where nobody knows yet whose address it is.")] = None
    schema: Annotated[int, Meta(description="Major version of this schema; absent means 1.")] = 1

    @property
    def subject_id(self) -> UUID:
        """Whom it concerns: the record's key."""
        found = self.contact_id or self.user_id or self.challenge_id
        if found is None:
            raise ValueError("a message concerns a contact, a user or a challenge")
        return found


def read(value: bytes | None) -> OutreachRequested:
    """The message of a record's value. Raises InvalidMessage or UnsupportedVersion; what it says repeats nothing of the message."""
    found = decode(value, OutreachRequested)
    try:
        parse_time(found.at), parse_time(found.expires_at)
    except ValueError:
        raise InvalidMessage("a time cannot be read", code="invalid_time") from None
    if [found.contact_id, found.user_id, found.challenge_id].count(None) != 2:  # noqa: PLR2004 - all but one
        raise InvalidMessage("it concerns no contact, user or challenge, or several", code="no_recipient")
    if not re.fullmatch(WORKSPACE_PATTERN.rstrip("$"), found.workspace):
        raise InvalidMessage("the workspace is none", code="invalid_workspace")
    return found
