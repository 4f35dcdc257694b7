"""Make a contact by hand: what it would be, and make it. The preview is the plan itself (product.md, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.contacts import acting, identifiers
from onefold.contacts.change import checked_values
from onefold.identity import creating
from onefold.identity.adoption import Change, Hung, hung
from onefold.identity.classification import UNCLASSIFIED
from onefold.identity.snapshot import Snapshot
from onefold.identity.survivorship import attribute_path
from onefold.messages.reading import storable
from onefold.records import relations
from onefold.records.catalogs import catalog_for
from onefold.records.visibility import EVERYBODYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.identifiers import Raw
    from onefold.identity.contact import ContactId
    from onefold.identity.plan import Act, Plan
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection
    from onefold.records.visibility import Sight


@dataclass(frozen=True, slots=True)
class Draft:
    """A contact as somebody wrote it."""

    identifiers: Sequence[Raw] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    """By path: `given_name`, `last_name`, `attributes.unbound.plan`, `organization_id` (an id)."""
    is_vendor: bool = False
    hanging: Change = field(default_factory=Change)
    """Profiles with their attributes, tags and the like, which it begins with."""
    sight: Sight = field(default_factory=dict)
    """Which organizations it may join, and which records it may be related to."""


@dataclass(frozen=True, slots=True)
class Making:
    """The id of a contact, and the plan that makes it."""

    contact_id: ContactId
    plan: Plan
    skipped_tags: Sequence[str] = ()
    """Unknown ones, which are left out."""


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

    Raises IdentifierHeld (which names the holder), InvalidMessage, InvalidAttributes, LabelTaken, LimitReached, OrganizationNotFound,
    OrganizationRefused, RelationTaken; a race of the store's where an event was faster: roll back and repeat.
    """
    rules = await acting.rules_of(connection, workspace)
    given = identifiers.read(draft.identifiers, rules)
    snapshot = Snapshot()
    await identifiers.know_holders(connection, workspace, snapshot, [each.identifier.key for each in given])
    act = act if act is not None else await acting.begin(connection, user)
    contact_id = creating.contact_id_of(workspace, act)
    hanging = await _hung(connection, workspace, contact_id, draft, act, will_write=shards is not None)
    values = await checked_values(connection, workspace, draft.values, None, draft.sight.get("organizations", EVERYBODYS))
    values.update((attribute_path(slug, profile), storable(value)) for (profile, slug), value in hanging.values.items())
    new = creating.New(given, values, draft.is_vendor, tuple(hanging.tags), hanging.classification)
    free = await identifiers.numbers_for(connection, numbers, len(given), will_write=shards is not None)
    making = Making(contact_id, creating.create(snapshot, contact_id, workspace, new, act, rules, free), hanging.skipped_tags)
    return await acting.carry_out(connection, making, shards, user)


async def _hung(connection: Connection, workspace: str, contact_id: ContactId, draft: Draft, act: Act, *, will_write: bool) -> Hung:
    """What hangs on it from its first version on."""
    nothing, change = Hung(UNCLASSIFIED, (), {}), draft.hanging
    if change == Change():
        return nothing
    after = hung(await catalog_for(connection, workspace, "contacts", nothing, change, will_use=will_write), nothing, change, act.at)
    await relations.demand_others(connection, workspace, "contacts", contact_id, change, draft.sight)
    return after
