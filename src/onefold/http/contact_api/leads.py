"""Leads: what a form brought, and the code or link that goes to the address in it, if the form wants that."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field

from onefold.errors import InvalidMessage
from onefold.http.contact_api.asking import Sent, ValidationAsked, ask, sent
from onefold.http.contact_api.capture import Captured, LeadAsked
from onefold.http.contact_api.door import Calling, DoorRoute, in_one_transaction
from onefold.http.problems import TOO_MANY
from onefold.visitors import capture as use_cases

router = APIRouter(route_class=DoorRoute, tags=["capture"])


class LeadCaptured(Captured):
    """That it was taken, and nothing of anybody."""

    validation: Sent | None = Field(None, description="Of the code or link that is on its way.")


@router.post("/leads", status_code=202, responses=TOO_MANY)
@in_one_transaction
async def capture_lead(call: Calling, body: LeadAsked) -> LeadCaptured:
    """Take what a form brought. It is decided on by the workspace's rules, as any claim is: it takes nothing from anybody."""
    visit, lead = body.visit(call), body.lead()
    if not (lead.email or lead.phone or lead.traits):
        raise InvalidMessage("a lead needs an email, a phone, a name or an attribute", code="empty_lead")
    if body.consent and body.validation is None:
        raise InvalidMessage("consent counts once the address is proved: say validation, otp or magic_link", code="consent_needs_proof")
    asked = None
    if body.validation is not None:
        phone = lead.phone if lead.email is None else None
        wanted = ValidationAsked(email=lead.email, phone=phone, method=body.validation, language=body.language)
        asked = Sent(**sent(await ask(call, call.connection, visit, wanted, "validate", body.held())))
    await use_cases.capture(call.connection, visit, lead, call.parts.shards)
    return LeadCaptured(anonymous_token=visit.token, validation=asked)
