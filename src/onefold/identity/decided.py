"""What a user decides of one contact: its values, what hangs on it, that an identifier is validated, that it is archived or not.

Assurance *decided* (R19): guards do not ask, and no event replaces it. Each gives the plan of one version; what changes nothing gives an
empty one. Merging, unmerging and consent have rooms of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import InvalidMessage, ValueHeld
from onefold.identity import survivorship
from onefold.identity.contact import Provenance
from onefold.identity.plan import Rule
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.classification import Classification
    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import Act, Plan
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot


def edit(snapshot: Snapshot, contact: Contact, values: Mapping[str, object], act: Act, *, is_vendor: bool | None = None) -> Plan:
    """Give the contact these values, by path; None clears.

    Raises InvalidMessage where it has no room for them (R11), ValueHeld where software would replace what a person decided (R12).
    """
    work = Workbench(snapshot, iter(()))
    _write_values(work, contact, values, act)
    if is_vendor is not None and is_vendor is not contact.is_vendor:
        work.edit(contact).is_vendor = is_vendor
    return _done(work, act)


def classify(
    snapshot: Snapshot,
    contact: Contact,
    wanted: Classification,
    act: Act,
    *,
    tags: Iterable[str] | None = None,
    values: Mapping[str, object] | None = None,
) -> Plan:
    """Let this hang on the contact, in place of what did; tags too, if they are given, and values by path, as `edit` takes them."""
    work = Workbench(snapshot, iter(()))
    _write_values(work, contact, values or {}, act)
    if wanted != contact.classification:
        work.edit(contact).classification = wanted
    if tags is not None and (labels := sorted(set(tags))) != contact.tags:
        work.edit(contact).tags = labels
    return _done(work, act)


def rename(snapshot: Snapshot, organization_id: UUID, title: str, act: Act) -> Plan:
    """Let every contact of the snapshot that belongs to the organization show what it is called now."""
    work = Workbench(snapshot, iter(()))
    for contact in snapshot.contacts.values():
        if contact.organization_id == organization_id and contact.organization_name != title and not contact.is_absorbed:
            work.edit(contact).organization_name = title
    work.close_act(act, Rule.RENAMED)
    return work.finish([])


def validate(snapshot: Snapshot, contact: Contact, tenure: Tenure, act: Act, rules: Rules) -> Plan:
    """Say that an open identifier of the contact is validated: by hand, whatever it was before."""
    work = Workbench(snapshot, iter(()))
    if not tenure.is_validated:
        twin, holder = work.edit_tenure(tenure), work.edit(contact)
        unique = rules.is_unique(twin.semantic_type)
        holder.summary.count(twin, -1, unique=unique)
        twin.assurance = max(twin.assurance, act.assurance)
        twin.is_validated, twin.validated_at, twin.validated_by = True, act.at, "manual"
        holder.summary.count(twin, 1, unique=unique)
        work.alter(holder, twin)
    return _done(work, act)


def archive(snapshot: Snapshot, contact: Contact, act: Act, at: datetime | None = None) -> Plan:
    """Archive a contact: it keeps its identifiers and goes on resolving, and belongs to no segment. `at`: since an earlier time."""
    work = Workbench(snapshot, iter(()))
    if contact.archived_at is None:
        twin = work.edit(contact)
        twin.archived_at, twin.summary.restored_at = at or act.at, None
    return _done(work, act)


def restore(snapshot: Snapshot, contact: Contact, act: Act) -> Plan:
    """Take a contact out of the archive, and let no unmerge put it back: so too where a merge alone has made it active so far."""
    work = Workbench(snapshot, iter(()))
    if contact.archived_at is not None or contact.summary.restored_at is None:
        twin = work.edit(contact)
        twin.archived_at, twin.summary.restored_at = None, act.at
    return _done(work, act)


def _write_values(work: Workbench, contact: Contact, values: Mapping[str, object], act: Act) -> None:
    for path, value in values.items():
        held, is_same = contact.provenance.get(path), survivorship.same_value(survivorship.get(contact, path), value)
        if held is not None and held.assurance > act.assurance and not is_same:
            raise ValueHeld(path, held.assurance.word)
        if not is_same or held is None or held.assurance < act.assurance:
            survivorship.put(work.edit(contact), path, value, Provenance(act.assurance, act.at, act.act_id))
    if survivorship.is_over(work.contact(contact.workspace, contact.contact_id)):
        raise InvalidMessage(f"a contact's values may take {survivorship.MOST_VALUE_BYTES:,} bytes; with these they would take more")


def _done(work: Workbench, act: Act) -> Plan:
    work.close_act(act, Rule.DECIDED)
    return work.finish([])
