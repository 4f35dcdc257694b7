"""What calls that ask for a code or a link have in common: who asks, for which address, and what is answered whoever holds it (S26)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from onefold.http.contact_api.capture import Captured, Visiting
from onefold.visitors import capture as capturing
from onefold.visitors.capture import Lead
from onefold.visitors.challenges import Ask
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from onefold.http.contact_api.door import Call
    from onefold.records.store import Connection
    from onefold.visitors.capture import Visit
    from onefold.visitors.challenges import Asked, Purpose

Method = Literal["otp", "magic_link"]


class Addressed(Visiting):
    """An e-mail or a phone number, and who names it."""

    email: str | None = Field(None, max_length=320)
    phone: str | None = Field(None, max_length=50, description="With its country, such as +43 660 1234567.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.email is None) == (self.phone is None):
            raise ValueError("name an email or a phone, and not both")
        return self

    def address(self) -> Address:
        """The one that is named."""
        return Address("email", self.email.strip()) if self.email is not None else Address("phone", (self.phone or "").strip())


class ValidationAsked(Addressed):
    """A code or link that is asked for."""

    method: Method = Field("otp", description="A code; or, by e-mail only, a link with a code beside it.")
    language: str | None = Field(None, max_length=35, description="Of the message; else what the browser says, else the workspace's.")


class Sent(BaseModel):
    """That a message is on its way, whoever holds the address."""

    validation_id: UUID
    expires_at: datetime = Field(description="When what was sent ends.")
    resend_at: datetime = Field(description="From when on another one may be asked for.")
    browser: str = Field(description="Secret of this browser. Show it in the header onefold-browser where cookies do not reach.")


class SentTo(Sent, Captured):
    """The same, with the visitor's token."""


async def ask(
    call: Call, connection: Connection, visit: Visit, body: ValidationAsked, purpose: Purpose, held: Mapping[str, Any] | None = None
) -> Asked:
    """Send a code or link to an address, in this transaction. Raises what `Challenges.ask` does."""
    address = body.address()
    wanted = Ask(
        call.workspace,
        purpose,
        address.semantic_type,  # type: ignore[arg-type]  # an email or a phone
        address.identifier,
        call.parts.public_url,
        body.method,
        call.browser,
        call.origin.address,
        body.language or call.language,
        held or {},
        visit.token,
        call.site,
    )
    asked = await call.challenges.ask(connection, wanted)
    call.know_browser(asked.browser)
    return asked


async def claim(call: Call, connection: Connection, visit: Visit, address: Address, name: str) -> None:
    """Say that somebody named an address: a claim, which takes nothing from anybody."""
    is_email = address.semantic_type == "email"
    lead = Lead(address.identifier if is_email else None, None if is_email else address.identifier)
    await capturing.capture(connection, visit, lead, call.parts.shards, name=name)


def sent(asked: Asked) -> dict[str, Any]:
    """As it is answered."""
    return {
        "validation_id": asked.challenge_id,
        "expires_at": asked.expires_at,
        "resend_at": asked.resend_at,
        "browser": asked.browser,
    }
