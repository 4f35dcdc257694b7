"""Another address in place of one: by proof of the new one, with notice to the old one and a way back (security.md, S56).

Whoever holds the old address gets a link by which the change is taken back for as long as the link lives, in whatever browser: it proves
the old address, and ends every session and the password. Called by `proofs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from onefold.contacts import identifiers as holding
from onefold.contacts.identifiers import Amendment, Raw
from onefold.contacts.merge import Wish as Merge
from onefold.contacts.merge import merge
from onefold.errors import IdentifierHeld, IdentifierNotFound
from onefold.identity.holding import Label
from onefold.identity.identifiers import IdentifierKey, identifier_key
from onefold.records import contact_sessions
from onefold.records.histories import open_now
from onefold.visitors.acting import acting_for
from onefold.visitors.telling import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.contact import Tenure
    from onefold.records.store import Connection
    from onefold.visitors.capture import Visit
    from onefold.visitors.challenges import Challenges
    from onefold.visitors.sessions import Visitor
    from onefold.visitors.telling import Teller

TAKEN_BACK: Final = "Address change taken back"


class Notices(NamedTuple):
    """By which whoever held an address is told."""

    challenges: Challenges
    links_origin: str


async def replace(
    connection: Connection, teller: Teller, visit: Visit, visitor: Visitor, new: Address, old: IdentifierKey, notices: Notices
) -> None:
    """Let an address that was proved stand in place of another one, under its label. Raises what the use cases of identifiers do."""
    key = identifier_key(*new)
    contact_id = await contact_sessions.holder_of(connection, visitor.workspace, key) or visitor.contact_id
    tenure = await _held(connection, visitor.workspace, contact_id, old)
    if tenure is None or old == key:
        return
    by = acting_for(contact_id, visit)
    if tenure.slug is not None:
        wanted = Amendment(Label(tenure.slug, takes_over=True))
        await holding.amend(connection, visitor.workspace, contact_id, key, wanted, by, numbers=teller.numbers, shards=teller.shards)
    await contact_sessions.carry_over(connection, visitor.workspace, visitor.session_id, key)
    await holding.remove(connection, visitor.workspace, contact_id, old, by, shards=teller.shards)
    if tenure.is_validated:
        held = {"contact_id": str(contact_id), "new": list(new), "slug": tenure.slug}
        gone = Address(tenure.semantic_type, tenure.normalised)
        await notices.challenges.tell_of_change(connection, visitor.workspace, gone, notices.links_origin, held)


async def take_back(connection: Connection, teller: Teller, visit: Visit, old: Address, held: Mapping[str, Any]) -> UUID:
    """Give a contact its old address back, and take the new one from it; gives the contact's id."""
    workspace, contact_id = visit.workspace, UUID(held["contact_id"])
    by = acting_for(contact_id, visit)
    try:
        new = identifier_key(*held["new"])
        await holding.remove(connection, workspace, contact_id, new, by, shards=teller.shards)
    except IdentifierNotFound:  # it went by another way
        pass
    own = identifier_key(*old)
    if await _held(connection, workspace, contact_id, own) is None:
        contact_id = await _give_back(connection, teller, visit, contact_id, old, held["slug"])
    await contact_sessions.end_all(connection, workspace, contact_id)
    await contact_sessions.forget_password(connection, workspace, contact_id)
    return await teller.tell(connection, visit, TAKEN_BACK, [old], method="magic_link")


async def _give_back(connection: Connection, teller: Teller, visit: Visit, contact_id: UUID, old: Address, slug: str | None) -> UUID:
    by = acting_for(contact_id, visit)
    raw = Raw(old.semantic_type, old.identifier, slug, is_validated=True)
    try:
        await holding.add(connection, visit.workspace, contact_id, [raw], by, numbers=teller.numbers, shards=teller.shards)
    except IdentifierHeld:  # its owner signed in by it meanwhile, and is the same person
        owner = await contact_sessions.holder_of(connection, visit.workspace, identifier_key(*old))
        if owner is None:
            raise
        await merge(connection, visit.workspace, Merge(contact_id, owner, {}), by, shards=teller.shards)
        return await contact_sessions.holder_of(connection, visit.workspace, identifier_key(*old)) or contact_id
    if slug is not None:
        wanted = Amendment(Label(slug, takes_over=True))
        key = identifier_key(*old)
        await holding.amend(connection, visit.workspace, contact_id, key, wanted, by, numbers=teller.numbers, shards=teller.shards)
    return contact_id


async def _held(connection: Connection, workspace: str, contact_id: UUID, key: IdentifierKey) -> Tenure | None:
    found = await open_now(connection, workspace, [key])
    return found[0] if found and found[0].contact_id == contact_id else None
