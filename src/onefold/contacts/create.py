"""Make a contact by hand: what it would be, and make it. The preview is the plan itself (product.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.contacts import acting, identifiers
from onefold.contacts.change import checked_values
from onefold.identity import creating
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.snapshot import Snapshot
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.identifiers import Raw
    from onefold.identity.contact import ContactId
    from onefold.identity.plan import Act, Plan
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection
    from onefold.records.visibility import Visible


@dataclass(frozen=True, slots=True)
class Draft:
    """A contact as somebody wrote it."""

    identifiers: Sequence[Raw] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    """By path: `given_name`, `last_name`, `attributes.unbound.plan`, `organization_id` (an id)."""
    is_vendor: bool = False
    tags: Sequence[str] = ()
    classification: Classification = UNCLASSIFIED
    joins: Visible = EVERYBODYS
    """Whose organizations it may join."""


@dataclass(frozen=True, slots=True)
class Making:
    """The id of a contact, and the plan that makes it."""

    contact_id: ContactId
    plan: Plan


async def create(
    connection: Connection,
    workspace: str,
    draft: Draft,
    user: User,
    *,
    numbers: TenureNumbers,
    act: Act | None = None,
    shards: int | None = None,
) -> Making:
    """Plan to make a contact; with `shards` of the outbox, make it. The same `act` makes the same id.

    Raises IdentifierHeld (which names the holder), InvalidMessage, LabelTaken, LimitReached, OrganizationNotFound, OrganizationRefused; a
    race of the store's where an event was faster: roll back and repeat.
    """
    rules = await acting.rules_of(connection, workspace)
    given = identifiers.read(draft.identifiers, rules)
    snapshot = Snapshot()
    await identifiers.know_holders(connection, workspace, snapshot, [each.identifier.key for each in given])
    act = act if act is not None else await acting.begin(connection, user)
    new = creating.New(
        given,
        await checked_values(connection, workspace, draft.values, None, draft.joins),
        draft.is_vendor,
        tuple(draft.tags),
        draft.classification,
    )
    contact_id = creating.contact_id_of(workspace, act)
    free = await identifiers.numbers_for(connection, numbers, len(given), will_write=shards is not None)
    making = Making(contact_id, creating.create(snapshot, contact_id, workspace, new, act, rules, free))
    return await acting.carry_out(connection, making, shards, user)
