"""Make a contact because somebody says so: a person, software, an import or a seed (product.md, sections 2 and 6).

It may be without any identifier. What it begins with counts as its maker says it: decided by a person, asserted by software.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from msgspec import Struct, field

from onefold.errors import InvalidMessage
from onefold.identity import survivorship
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.contact import Contact, ContactId, Provenance
from onefold.identity.holding import Given, attach, done
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.identity.contact import TenureId
    from onefold.identity.plan import Act, Plan
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot

_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:contact-by-hand")


class New(Struct, frozen=True):
    """A contact that is to be."""

    identifiers: tuple[Given, ...] = ()
    values: dict[str, object] = field(default_factory=dict)
    """By path: `given_name`, `attributes.unbound.plan`, `organization_id` (a `Membership`)."""
    is_vendor: bool = False
    tags: tuple[str, ...] = ()
    classification: Classification = UNCLASSIFIED


def contact_id_of(workspace: str, act: Act) -> ContactId:
    """The id of the contact that an act makes: the same act makes the same one; acts of people are named at random (S31)."""
    return ContactId(uuid5(_NAMESPACE, f"{workspace}\0{act.act_id}"))


def create(
    snapshot: Snapshot, contact_id: ContactId, workspace: str, wanted: New, act: Act, rules: Rules, numbers: Iterator[TenureId]
) -> Plan:
    """The plan of a new contact, at version 1. `snapshot` knows who holds its identifiers.

    Raises what `holding.add` does, and InvalidMessage where its values take more room than there is (R11).
    """
    work = Workbench(snapshot, numbers)
    contact = Contact(
        contact_id,
        workspace,
        version=0,
        created_at=act.at,
        updated_at=act.at,
        first_seen_at=act.at,
        last_seen_at=act.at,
        is_vendor=wanted.is_vendor,
        classification=wanted.classification,
        tags=sorted(set(wanted.tags)),
        root=contact_id,
    )
    for path, value in wanted.values.items():
        if value is not None:
            survivorship.put(contact, path, value, Provenance(act.assurance, act.at, act.act_id))
    if survivorship.is_over(contact):
        raise InvalidMessage(f"a contact's values may take {survivorship.MOST_VALUE_BYTES:,} bytes; these take more")
    work.create(contact)
    for given in wanted.identifiers:
        attach(work, contact, given, act, rules)
    return done(work, act)
