"""Registering, signing in by code, link, password or a provider, a new password for whoever forgot theirs, and signing out.

Nothing here says whether an address is known: the same work is done, and the same answered (S26, S27); only the message says more (S28).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter
from pydantic import Field

from onefold.access.id_tokens import MOST_BYTES
from onefold.http.contact_api.asking import Addressed, Method, SentTo, ValidationAsked, ask, claim, sent
from onefold.http.contact_api.capture import Captured, Named, Visiting
from onefold.http.contact_api.door import Calling, DoorRoute, in_its_own, in_one_transaction, signed_in
from onefold.http.contact_api.validations import Password, Proved, proved
from onefold.http.problems import TOO_MANY
from onefold.visitors import capture as capturing
from onefold.visitors import me, providers, sessions
from onefold.visitors.providers import Token
from onefold.visitors.sessions import SigningIn

if TYPE_CHECKING:
    from onefold.records.store import Connection
    from onefold.visitors.challenges import Asked
    from onefold.visitors.sessions import Session

router = APIRouter(route_class=DoorRoute, tags=["sessions"])


class Registration(ValidationAsked, Named):
    """Somebody who registers."""

    password: Password
    method: Method = "otp"


class SignIn(Addressed):
    """An address and its password."""

    password: str = Field(max_length=512)


class ProviderToken(Visiting):
    """What a provider gave the page when its visitor signed in there."""

    id_token: str = Field(min_length=1, max_length=MOST_BYTES, description="An OpenID Connect ID token for this site.")
    nonce: str | None = Field(None, min_length=1, max_length=500, description="That the page sent to the provider, if it did.")


class ResetAsked(Addressed):
    """Somebody who forgot their password."""

    method: Literal["otp"] = "otp"
    language: str | None = Field(None, max_length=35)


@router.post("/registrations", status_code=202, responses=TOO_MANY)
@in_its_own
async def register(call: Calling, body: Registration) -> SentTo:
    """Register with a password: a lead until the code that is sent is brought back; then the password holds, and a session begins."""
    visit, lead = body.visit(call), body.lead()
    words = [value for value in (body.email, body.phone, body.given_name, body.last_name, body.name) if value]
    hashed = await sessions.judge_and_hash(call.parts.passwords, body.password, call.workspace, words)
    held = {"password_hash": hashed, **body.held()}

    async def work(connection: Connection) -> Asked:
        asked = await ask(call, connection, visit, body, "register", held)
        await capturing.capture(connection, visit, lead, call.parts.shards, name="Registration asked for")
        return asked

    return SentTo(anonymous_token=visit.token, **sent(await call.transact(work)))


@router.post("/sign-ins", status_code=202, responses=TOO_MANY)
@in_one_transaction
async def ask_to_sign_in(call: Calling, body: ValidationAsked) -> SentTo:
    """Send a code or a link by which somebody signs in without a password. Whoever is not known yet becomes a contact by it."""
    visit = body.visit(call)
    asked = await ask(call, call.connection, visit, body, "sign_in")
    await claim(call, call.connection, visit, body.address(), "Sign-in asked for")
    return SentTo(anonymous_token=visit.token, **sent(asked))


@router.post("/sessions", responses=TOO_MANY)
@in_its_own
async def sign_in(call: Calling, body: SignIn) -> Proved:
    """Sign in with a proved address and the password. Whatever is wrong is answered alike, and takes as long."""
    parts, visit = call.parts, body.visit(call)
    by = SigningIn(call.workspace, body.address(), call.origin.address, call.challenges.browser_hash(call.browser))
    compared = await sessions.compare(parts.store, parts.passwords, parts.rules, by, body.password)

    async def work(connection: Connection) -> Session:
        session = await sessions.sign_in(connection, call.workspace, compared, parts.lives)
        await parts.teller.say(connection, visit, "Signed in", [compared.address])
        return session

    session = await call.transact(work, keeps_plans=True)
    return proved(visit.token, compared.address, session)


@router.post("/sessions/oauth", responses=TOO_MANY)
@in_its_own
async def sign_in_by_provider(call: Calling, body: ProviderToken) -> Proved:
    """Sign in with the ID token of a provider that the workspace trusts. Whoever is not known yet becomes a contact by it."""
    parts, visit = call.parts, body.visit(call)
    token = Token(body.id_token, body.nonce, call.origin.address)
    told = await providers.verify(parts.store, parts.id_tokens, call.workspace, token)
    session = await call.transact(lambda connection: providers.sign_in(connection, parts.teller, visit, told, parts.lives))
    return proved(visit.token, providers.address_of(told), session)


@router.post("/password-resets", status_code=202, responses=TOO_MANY)
@in_one_transaction
async def forgot_password(call: Calling, body: ResetAsked) -> SentTo:
    """Send a code for a new password, to be brought back with it. It is sent whether or not the address is known."""
    visit = body.visit(call)
    wanted = ValidationAsked(email=body.email, phone=body.phone, language=body.language, anonymous_token=visit.token)
    asked = await ask(call, call.connection, visit, wanted, "reset_password")
    await claim(call, call.connection, visit, body.address(), "Password reset asked for")
    return SentTo(anonymous_token=visit.token, **sent(asked))


@router.delete("/session")
@signed_in
async def sign_out(call: Calling) -> Captured:
    """End the session. The answer brings a new visitor's token: whoever comes to this browser next is somebody else."""
    visit = call.visit()
    await me.leave(call.connection, call.parts.teller, visit, call.visitor)
    return Captured(anonymous_token=capturing.new_token())
