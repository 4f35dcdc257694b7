"""Codes and links: ask for one, have another one sent, bring it back. What a proof does is `onefold.visitors.proofs`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID  # noqa: TC003 -- FastAPI reads it

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from onefold.errors import InvalidMessage
from onefold.http.contact_api.asking import Sent, SentTo, ValidationAsked, ask, claim, sent
from onefold.http.contact_api.capture import Body, Captured, Visiting
from onefold.http.contact_api.door import Calling, DoorRoute, in_its_own, in_one_transaction
from onefold.http.problems import TOO_MANY
from onefold.visitors import proofs, sessions
from onefold.visitors.challenges import Ask
from onefold.visitors.changing import Notices
from onefold.visitors.proofs import Prover
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from onefold.http.contact_api.door import Call
    from onefold.records.store import Connection
    from onefold.visitors.challenges import Attempt
    from onefold.visitors.proofs import Proof
    from onefold.visitors.sessions import Session

router = APIRouter(route_class=DoorRoute, tags=["validation"])

Code = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Password = Annotated[str, Field(max_length=512, description="12 to 128 characters.")]


class SessionShown(BaseModel):
    """A session that has begun."""

    token: str = Field(description="Send it with later calls: Authorization: Bearer of_ses_…. It is shown once.")
    expires_at: datetime


class Proved(Captured):
    """What was proved."""

    semantic_type: Literal["email", "phone", "oauth"] = Field(description="oauth: what a provider calls somebody.")
    session: SessionShown | None = Field(description="Where the code was for signing in, registering or a new password.")


class CodeBrought(Visiting):
    """A code, as it was sent."""

    code: Code
    new_password: Password | None = Field(None, description="Of whoever forgot theirs, and asked for the code for that.")


class Again(Body):
    """Another one of what was sent."""

    language: str | None = Field(None, max_length=35)


@router.post("/validations", status_code=202, responses=TOO_MANY)
@in_one_transaction
async def ask_for_validation(call: Calling, body: ValidationAsked) -> SentTo:
    """Send a code or a link to an address, to prove that it is the visitor's. The answer is the same whoever holds it."""
    visit = body.visit(call)
    asked = await ask(call, call.connection, visit, body, "validate")
    await claim(call, call.connection, visit, body.address(), "Validation asked for")
    return SentTo(anonymous_token=visit.token, **sent(asked))


@router.post("/validations/{validation_id}/resend", status_code=202, responses=TOO_MANY)
@in_one_transaction
async def send_again(call: Calling, validation_id: UUID, body: Again | None = None) -> Sent:
    """Send another one in place of it, from the same browser, with all that waits for it. The one before works no more."""
    told = body.language if body is not None else None
    wanted = Ask(
        call.workspace, "validate", "email", "", call.parts.public_url, "otp", call.browser, call.origin.address, told or call.language
    )
    return Sent(**sent(await call.challenges.ask_again(call.connection, validation_id, wanted)))


@router.post("/validations/{validation_id}/confirm", responses=TOO_MANY)
@in_its_own
async def confirm(call: Calling, validation_id: UUID, body: CodeBrought) -> Proved:
    """Bring a code back, in the browser that asked for it. A lead becomes a contact, and what waited for the proof is done."""
    parts = call.parts
    attempt = await call.challenges.count_attempt(parts.store, call.workspace, validation_id, body.code, call.browser)
    hashed = await _new_password(call, attempt, body.new_password)
    visit = body.visit(call)

    async def work(connection: Connection) -> Proof:
        confirmed = await call.challenges.consume(connection, attempt)
        visitor = await call.demand_session(connection) if confirmed.purpose in proofs.OF_A_SESSION else None
        prover = Prover(visit, parts.lives, visitor, hashed, Notices(call.challenges, parts.public_url))
        return await proofs.carry_out(connection, parts.teller, confirmed, prover)

    proof = await call.transact(work)
    token = attempt.challenge.anonymous_token or visit.token
    return proved(token, proof.address, proof.session)


@router.post("/validations/{validation_id}/session")
@in_one_transaction
async def collect_session(call: Calling, validation_id: UUID, body: Visiting) -> Proved:
    """Have the session of a link that was opened in the same browser: once, within ten minutes."""
    found = await call.challenges.collect(call.connection, call.workspace, validation_id, call.browser)
    session = None
    if found.purpose in proofs.SIGNS_IN:
        session = await sessions.begin(call.connection, call.workspace, found.identifier_key, found.method, call.parts.lives)
    token = found.anonymous_token or body.visit(call).token
    return proved(token, Address(found.semantic_type, found.identifier), session)


def proved(anonymous_token: str, address: Address, session: Session | None) -> Proved:
    """As it is answered."""
    shown = SessionShown(token=session.token, expires_at=session.expires_at) if session is not None else None
    return Proved(anonymous_token=anonymous_token, semantic_type=address.semantic_type, session=shown)


async def _new_password(call: Call, attempt: Attempt, wanted: str | None) -> str | None:
    """The hash of a new password, where the code is for one. Raises InvalidMessage."""
    found = attempt.challenge
    if found.purpose != "reset_password":
        if wanted is not None:
            raise InvalidMessage("this code is not for a new password; ask for one at /password-resets", code="wrong_purpose")
        return None
    if wanted is None:
        raise InvalidMessage("send the new password beside the code: new_password", code="password_missing")
    return await sessions.judge_and_hash(call.parts.passwords, wanted, call.workspace, [found.identifier])
