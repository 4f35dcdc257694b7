"""What somebody decides of the identifiers of one contact: add one, call it otherwise, change its value, remove it (product.md, section 3).

Guards do not ask, since no event joins anything here; that an identifier has one owner, that labels are unique and how much a contact
holds are no matter of who asks. A removal is a separation: it leaves a barrier that no older event crosses. Each gives the plan of one
version; what changes nothing gives an empty one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from onefold.errors import IdentifierConflict, IdentifierHeld, InvalidMessage, LabelTaken, LimitReached
from onefold.identity.attach import promote
from onefold.identity.contact import MAIN, Contact, Tenure
from onefold.identity.identifiers import Identifier
from onefold.identity.interaction import Moment
from onefold.identity.plan import BY_HAND, Barrier, Evidence, EvidenceKind, Rule
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onefold.identity.contact import TenureId
    from onefold.identity.plan import Act, ActKind, Plan
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot

SOURCES: Final[dict[ActKind, str]] = {"user": "manual", "api": "api", "import": "import", "seed": "seed", "job": "manual"}
"""The first origin of an identifier, by who gave it."""
_AFTER = timedelta(microseconds=1)


class Given(Struct, frozen=True):
    """An identifier that a contact is to hold. Its slug may be None: the first of its type becomes Main whatever it says."""

    identifier: Identifier
    outreach: bool | None = None
    """None: as the catalog has it."""
    is_validated: bool = False
    """Whether whoever gives it has checked it."""


class Label(Struct, frozen=True):
    """What an identifier is to be called; None is no label."""

    slug: str | None
    takes_over: bool = False
    """Whether the identifier that carries the label now loses it."""


def add(snapshot: Snapshot, contact: Contact, given: Sequence[Given], act: Act, rules: Rules, numbers: Iterator[TenureId]) -> Plan:
    """Give the contact identifiers that nobody holds.

    Raises IdentifierHeld, IdentifierConflict, LabelTaken, LimitReached, InvalidMessage (a label that the catalog has not).
    """
    work = Workbench(snapshot, numbers)
    for each in given:
        attach(work, work.edit(contact), each, act, rules)
    return done(work, act)


def attach(work: Workbench, holder: Contact, given: Given, act: Act, rules: Rules) -> None:
    """Open one tenure of a contact that is being edited; raises what `add` does."""
    identifier = given.identifier
    kind = identifier.semantic_type
    refuse_held(work, holder, identifier)
    held = holder.summary.open_by_type.get(kind, 0)
    if held and rules.is_unique(kind):
        raise IdentifierConflict(f"a contact holds one {kind}, and this one has another: change its value, or remove it first")
    if holder.summary.total >= rules.limits.identifiers_per_contact or held >= rules.values_limit(kind):
        raise LimitReached(f"the contact holds {held} of {kind}, {holder.summary.total} identifiers in all, and may hold no more")
    slug = MAIN if not held else _free_label(holder, kind, identifier.slug, act, rules)
    outreach = given.outreach if given.outreach is not None else rules.catalog.entry(kind).outreach
    _open(work, holder, given, act, rules, slug=slug, outreach=outreach, via=None)


def amend(
    snapshot: Snapshot,
    contact: Contact,
    tenure: Tenure,
    act: Act,
    rules: Rules,
    *,
    label: Label | None = None,
    outreach: bool | None = None,
) -> Plan:
    """Call an identifier of the contact otherwise, or say whether it may be written to.

    Raises LabelTaken; InvalidMessage for a label that the catalog has not, and where the type would be left without a Main one.
    """
    work = Workbench(snapshot, iter(()))
    if label is not None and label.slug != tenure.slug:
        _relabel(work, contact, tenure, label, rules)
    if outreach is not None and outreach is not tenure.outreach:
        twin = work.edit_tenure(tenure)
        twin.outreach = outreach
        work.alter(work.edit(contact), twin)
    return done(work, act)


def replace(
    snapshot: Snapshot, contact: Contact, tenure: Tenure, identifier: Identifier, act: Act, rules: Rules, numbers: Iterator[TenureId]
) -> Plan:
    """Change the value of an identifier: one tenure ends, another begins, under the same label, and is not validated.

    Another spelling of the same value is the same identifier. Raises IdentifierHeld.
    """
    work = Workbench(snapshot, numbers)
    if identifier.key == tenure.key:
        if identifier.identifier != tenure.identifier:
            twin = work.edit_tenure(tenure)
            twin.identifier = identifier.identifier
            work.alter(work.edit(contact), twin)
        return done(work, act)
    holder = work.edit(contact)
    refuse_held(work, holder, identifier)
    _end(work, holder, tenure, act, rules)
    _open(work, holder, Given(identifier), act, rules, slug=tenure.slug, outreach=tenure.outreach, via=tenure.tenure_id)
    return done(work, act)


def remove(snapshot: Snapshot, contact: Contact, tenure: Tenure, act: Act, rules: Rules) -> Plan:
    """Take an identifier from the contact, which stays, without any too (R17). Where it was Main the next one is (R17)."""
    work = Workbench(snapshot, iter(()))
    holder = work.edit(contact)
    _end(work, holder, tenure, act, rules)
    promote(work, holder, tenure)
    return done(work, act)


def refuse_held(work: Workbench, holder: Contact, identifier: Identifier) -> None:
    """Raises IdentifierHeld where somebody has the identifier."""
    present = work.open_tenure(holder.workspace, identifier.key)
    if present is not None:
        owner = work.contact_of(present)
        raise IdentifierHeld(identifier.semantic_type, owner, is_own=owner == holder.contact_id)


def done(work: Workbench, act: Act) -> Plan:
    """The plan of one act."""
    work.close_act(act, Rule.DECIDED)
    return work.finish([])


def _open(
    work: Workbench, holder: Contact, given: Given, act: Act, rules: Rules, *, slug: str | None, outreach: bool, via: TenureId | None
) -> None:
    identifier = given.identifier
    tenure = Tenure(
        tenure_id=work.next_tenure_id(),
        workspace=holder.workspace,
        contact_id=holder.contact_id,
        key=identifier.key,
        semantic_type=identifier.semantic_type,
        identifier=identifier.identifier,
        normalised=identifier.normalised,
        slug=slug,
        assurance=act.assurance,
        source=SOURCES[act.kind],
        outreach=outreach,
        first_seen_at=act.at,
        last_seen_at=act.at,
        is_validated=given.is_validated,
        validated_at=act.at if given.is_validated else None,
        validated_by="manual" if given.is_validated else None,
        via=via,
    )
    holder.summary.count(tenure, 1, unique=rules.is_unique(tenure.semantic_type))
    work.open(tenure, holder)
    evidence = Evidence(tenure.tenure_id, tenure.workspace, EvidenceKind.FIRST, act.act_id, BY_HAND, act.at, Rule.DECIDED, act.assurance)
    work.plan.evidence.append(evidence._replace(actor=act.actor))


def _end(work: Workbench, holder: Contact, tenure: Tenure, act: Act, rules: Rules) -> None:
    """End a tenure, and bar what is older: up to now, or to the identifier's last event, should its clock be ahead of ours."""
    times = (tenure.last_seen_at, tenure.used.at if tenure.used is not None else tenure.last_seen_at)
    until = max(act.at, *(each + _AFTER for each in times))
    holder.summary.count(tenure, -1, unique=rules.is_unique(tenure.semantic_type))
    work.end(tenure, Moment(until, act.act_id))
    work.plan.barriers.append(Barrier(tenure.workspace, tenure.key, until))


def _free_label(holder: Contact, kind: str, slug: str | None, act: Act, rules: Rules) -> str | None:
    """The label of a later identifier of its type; from an import it is left out where it cannot be had."""
    is_lenient = act.kind == "import"
    if slug is None or (is_lenient and slug not in rules.catalog.entry(kind).slugs):
        return None
    _demand_label(kind, slug, rules)
    if _carrier(holder, kind, slug) is None:
        return slug
    if is_lenient:
        return None
    raise _taken(kind, slug)


def _relabel(work: Workbench, contact: Contact, tenure: Tenure, label: Label, rules: Rules) -> None:
    kind, holder = tenure.semantic_type, work.edit(contact)
    if label.slug is not None:
        _demand_label(kind, label.slug, rules)
    carrier = _carrier(holder, kind, label.slug) if label.slug is not None else None
    if carrier is not None and not label.takes_over:
        raise _taken(kind, str(label.slug))
    if tenure.slug == MAIN and holder.summary.open_by_type.get(kind, 0) < 2:  # noqa: PLR2004 -- itself, and one to be Main
        raise InvalidMessage(f"the only {kind} of a contact is its {MAIN} one", code="main_needed")
    if carrier is not None:
        loser = work.edit_tenure(carrier)
        loser.slug = None
        work.alter(holder, loser)
    twin = work.edit_tenure(tenure)
    twin.slug = label.slug
    work.alter(holder, twin)
    promote(work, holder, tenure)


def _demand_label(kind: str, slug: str, rules: Rules) -> None:
    entry = rules.catalog.find(kind)
    known = entry.slugs if entry is not None else (MAIN,)
    if slug not in known:
        raise InvalidMessage(f"{slug!r} is no label of {kind}; the catalog has {', '.join(known)}", code="unknown_slug")


def _carrier(holder: Contact, kind: str, slug: str) -> Tenure | None:
    """Labelled ones are always among those that a contact lists."""
    return next((each for each in holder.listed if each.slug == slug and each.semantic_type == kind), None)


def _taken(kind: str, slug: str) -> LabelTaken:
    return LabelTaken(f"the contact has a {slug} {kind} already: take another label, or none, or take it over")
