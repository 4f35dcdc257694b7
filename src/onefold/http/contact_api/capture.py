"""What somebody says without proof, as routes read it, and messages of a chat. The answer is the same whoever holds the address (S26)."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from onefold.http.contact_api.door import Call, Calling, DoorRoute, in_one_transaction
from onefold.visitors import capture as use_cases
from onefold.visitors.capture import Lead, Visit, checked_email

router = APIRouter(route_class=DoorRoute, tags=["capture"])

Token = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Channel = Literal["web", "chat_widget", "funnel"]
Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
States = Annotated[dict[Purpose, Literal["granted", "denied"]], Field(max_length=50)]
"""What somebody says of purposes."""


class Body(BaseModel):
    """What a call brings; what it does not know is refused, so that a misspelt field is not lost silently."""

    model_config = ConfigDict(extra="forbid")


class Page(Body):
    """The page that somebody is on."""

    url: str | None = Field(None, max_length=2_000)
    title: str | None = Field(None, max_length=500)
    referrer: str | None = Field(None, max_length=2_000)


class Visiting(Body):
    """Who visits, as far as the page knows."""

    anonymous_token: Token | None = Field(None, description="Of the tracking script, or of an earlier answer. None: a new one.")
    channel: Channel = "web"
    page: Page | None = None

    def visit(self, call: Call) -> Visit:
        """The same, for use cases."""
        page = self.page.model_dump(exclude_none=True) if self.page is not None else None
        return Visit(call.workspace, self.anonymous_token or use_cases.new_token(), call.origin, self.channel, page)


class Named(Body):
    """What somebody says of themselves beside their address."""

    given_name: Name | None = None
    last_name: Name | None = None
    name: Name | None = Field(None, description="Where a form asks for one name: all but its last word is the given name.")
    email: str | None = Field(None, max_length=320)
    phone: str | None = Field(None, max_length=50)
    attributes: dict[Annotated[str, Field(max_length=200)], Any] | None = Field(None, max_length=100, description="Unbound ones.")
    consent: States | None = Field(None, description="Purposes that are granted or denied. It counts once the address is proved.")

    def lead(self) -> Lead:
        """The same, for use cases. Raises InvalidMessage."""
        email = checked_email(self.email) if self.email is not None else None
        return Lead(email, self.phone, self.traits())

    def traits(self) -> dict[str, Any]:
        """Names and attributes, as events carry them."""
        names = {name: value for name in ("given_name", "last_name", "name") if (value := getattr(self, name)) is not None}
        taken = {"email", "phone", *names}
        return {**{name: value for name, value in (self.attributes or {}).items() if name not in taken}, **names}

    def held(self) -> dict[str, Any]:
        """What waits for the proof."""
        found = {"traits": self.traits(), "consent": dict(self.consent or {})}
        return {name: value for name, value in found.items() if value}


class LeadAsked(Visiting, Named):
    """What a form brought."""

    validation: Literal["otp", "magic_link"] | None = Field(
        None, description="Whether to send a code or a link to the address that is given, the e-mail first; null: neither."
    )
    language: str | None = Field(None, max_length=35, description="Of that message.")


class Captured(BaseModel):
    """That it was taken, and nothing of anybody."""

    anonymous_token: str = Field(description="To be kept, and sent with the next call.")


class MessageAsked(Visiting):
    """A message of a chat."""

    channel: Channel = "chat_widget"
    text: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000)]
    message_id: UUID | None = Field(None, description="The page's own id of it: sent again, it is the same message.")


class Written(Captured):
    """That a message was taken."""

    event_id: str


@router.post("/messages", status_code=202)
@in_one_transaction
async def write_message(call: Calling, body: MessageAsked) -> Written:
    """Take a message of a chat."""
    visit = body.visit(call)
    event_id = str(body.message_id) if body.message_id is not None else None
    event_id = await use_cases.write(call.connection, visit, body.text, call.parts.shards, event_id=event_id)
    return Written(anonymous_token=visit.token, event_id=event_id)
