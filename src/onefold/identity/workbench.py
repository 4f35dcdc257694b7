"""The state that `decide` works on: copies of what it edits, so that the snapshot stays as it was.

Copies are made anew for each interaction. What an earlier one left behind is thus never changed again, and serves as the
*before* of the next change and as the snapshot that its change message shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity import classification
from onefold.identity.classification import UNCLASSIFIED
from onefold.identity.contact import LISTED_IDENTIFIERS, listing_order
from onefold.identity.plan import Cause, ContactChanged, Evidence, EvidenceKind, Plan, Quarantined
from onefold.identity.survivorship import same_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import TypeAlias

    from onefold.identity.contact import Consent, Contact, ContactId, Tenure, TenureId
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction, Moment
    from onefold.identity.plan import Act, Merge, Outcome, Reason, Rule
    from onefold.identity.snapshot import Snapshot

    _ContactKey: TypeAlias = tuple[str, ContactId]


class Workbench:
    """What is so far, between the interactions of one batch."""

    def __init__(self, snapshot: Snapshot, tenure_ids: Iterator[TenureId]) -> None:
        self._snapshot = snapshot
        self._tenure_ids = tenure_ids
        self._contacts: dict[_ContactKey, Contact] = {}
        self._tenures: dict[tuple[str, IdentifierKey], list[Tenure]] = {}
        self._redirects: dict[_ContactKey, ContactId] = {}
        self._created: set[_ContactKey] = set()
        self._opened: dict[TenureId, Tenure] = {}
        self._edited: dict[TenureId, Tenure] = {}
        self._before: dict[_ContactKey, Contact | None] = {}
        self._altered: dict[_ContactKey, tuple[list[str], list[str]]] = {}
        self._merged: dict[_ContactKey, list[ContactId]] = {}
        self._fresh_tenures: set[TenureId] = set()
        self._current: dict[tuple[str, IdentifierKey], Tenure] = {}
        self.quarantined: dict[str, set[IdentifierKey]] = {}
        """What the interactions so far put into quarantine, by workspace."""
        self.plan = Plan()

    # -- reading ------------------------------------------------------------------------------------------------------

    def contact(self, workspace: str, contact_id: ContactId) -> Contact:
        """The contact that answers to an id, redirects followed."""
        key = (workspace, contact_id)
        while key in self._redirects:
            key = (workspace, self._redirects[key])
        found = self._contacts.get(key)
        return found if found is not None else self._snapshot.contacts[key]

    def tenures(self, workspace: str, key: IdentifierKey) -> list[Tenure]:
        """All known tenures of an identifier, the open one and ended ones."""
        found = self._tenures.get((workspace, key))
        return found if found is not None else self._snapshot.tenures.get((workspace, key), [])

    def open_tenure(self, workspace: str, key: IdentifierKey) -> Tenure | None:
        """The open tenure of an identifier."""
        return next((tenure for tenure in self.tenures(workspace, key) if tenure.is_open), None)

    def has_past(self, workspace: str, key: IdentifierKey) -> bool:
        """Whether somebody held the identifier, or a separation left a barrier for it."""
        return bool(self.tenures(workspace, key)) or (workspace, key) in self._snapshot.barriers

    def contact_of(self, tenure: Tenure) -> ContactId:
        """Who holds an open tenure, as far as it is known here."""
        key = (tenure.workspace, tenure.contact_id)
        while key in self._redirects:
            key = (tenure.workspace, self._redirects[key])
        return key[1]

    def tenure_at(self, workspace: str, key: IdentifierKey, moment: Moment) -> Tenure | None:
        """The tenure that an event at this moment falls into: whoever held the identifier then is credited.

        The last one that a hand-over had begun by then; of those that began by themselves the first that had not ended.
        """
        best: Tenure | None = None
        for tenure in self.tenures(workspace, key):
            if tenure.held_from is not None and tenure.held_from > moment:
                continue
            if tenure.held_until is not None and tenure.held_until < moment.at:
                continue  # whoever had it after that may be erased
            if best is None or _falls_rather_into(tenure, best):
                best = tenure
        return best

    def are_kept_apart(self, one: Contact, other: Contact) -> bool:
        """Whether a pair that is kept apart has a side in each: they never join by an event."""
        if not (one.summary.apart and other.summary.apart):
            return False
        sides = {one.contact_id, other.contact_id}
        workspace = one.workspace
        return any(
            {self.contact(workspace, left).contact_id, self.contact(workspace, right).contact_id} == sides
            for where, left, right in self._snapshot.apart
            if where == workspace
        )

    def names_somebody_erased(self, interaction: Interaction) -> bool:
        """Whether an event is from before an erasure, and names what the erased person held."""
        found = (self._snapshot.erased.get((interaction.workspace, each.key)) for each in interaction.identifiers)
        return any(until is not None and interaction.at < until for until in found)

    def is_barred(self, interaction: Interaction, key: IdentifierKey) -> bool:
        """Whether an event is older than the barrier that a separation left for the identifier."""
        until = self._snapshot.barriers.get((interaction.workspace, key))
        return until is not None and interaction.at < until

    def is_of_somebody_erased(self, interaction: Interaction, tenure: Tenure) -> bool:
        """Whether an event is from before an erasure, and whoever holds its identifier got it after that."""
        until = self._snapshot.erased.get((interaction.workspace, tenure.key))
        return until is not None and interaction.at < until <= tenure.since

    # -- editing ------------------------------------------------------------------------------------------------------

    def create(self, contact: Contact) -> None:
        """Take a new contact."""
        key = (contact.workspace, contact.contact_id)
        self._contacts[key] = contact
        self._created.add(key)
        self._before[key] = None

    def welcome(self, contact: Contact, tenures: list[Tenure], interaction: Interaction, rule: Rule) -> None:
        """Take a new contact, at its first version, with the first tenures of its identifiers; ends the interaction.

        What `create`, `open`, `prove` and `close` do, step by step, to a contact that grows.
        """
        workspace = contact.workspace
        key, evidence = (workspace, contact.contact_id), self.plan.evidence
        self._contacts[key] = contact
        self._created.add(key)
        contact.listed = tenures if len(tenures) == 1 else sorted(tenures, key=listing_order)
        contact.derive()
        changes = changes_between(None, contact)
        changes["identifiers"] = ([], [tenure.text for tenure in tenures])
        event_id, position, at = interaction.event_id, interaction.position, interaction.at
        for tenure in tenures:
            self._opened[tenure.tenure_id] = tenure
            self._tenures[workspace, tenure.key] = [tenure]
            evidence.append(Evidence(tenure.tenure_id, workspace, EvidenceKind.FIRST, event_id, position, at, rule, tenure.assurance))
        self.plan.changes.append(
            ContactChanged(
                contact.contact_id,
                workspace,
                1,
                contact.updated_at,
                Cause(event_id, position, rule),
                changes,
                (),
                None,
                contact,
                tuple(contact.listed[:LISTED_IDENTIFIERS]),
            )
        )

    def edit(self, contact: Contact) -> Contact:
        """The contact's copy of this interaction, to be changed."""
        key = (contact.workspace, contact.contact_id)
        if key in self._before:
            return self._contacts[key]
        present = self.contact(*key)
        self._before[key] = present
        twin = self._contacts[key] = present.fork()
        return twin

    def edit_tenure(self, tenure: Tenure) -> Tenure:
        """The tenure's copy of this interaction, to be changed. Its holder becomes edited too, since it lists it."""
        if tenure.tenure_id in self._fresh_tenures:
            return self._opened.get(tenure.tenure_id) or self._edited[tenure.tenure_id]
        twin = tenure.fork()
        self._keep(twin)
        key = (tenure.workspace, tenure.key)
        self._tenures[key] = [twin if each.tenure_id == twin.tenure_id else each for each in self.tenures(*key)]
        holder = self.edit(self.contact(tenure.workspace, tenure.contact_id))
        holder.listed = [twin if each.tenure_id == twin.tenure_id else each for each in holder.listed]
        return twin

    def open(self, tenure: Tenure, holder: Contact) -> None:
        """Take a new tenure of a contact that is being edited."""
        self._opened[tenure.tenure_id] = tenure
        self._fresh_tenures.add(tenure.tenure_id)
        key = (tenure.workspace, tenure.key)
        self._tenures[key] = [*self.tenures(*key), tenure]
        holder.listed.append(tenure)
        self.alter(holder, tenure)

    def end(self, tenure: Tenure, moment: Moment) -> None:
        """End a tenure: a separation, which makes index entries of its identifier false."""
        twin = self.edit_tenure(tenure)
        twin.held_until = moment.at
        holder = self.edit(self.contact(tenure.workspace, tenure.contact_id))
        holder.listed = [each for each in holder.listed if each.tenure_id != tenure.tenure_id]
        removed, _ = self._altered.setdefault((holder.workspace, holder.contact_id), ([], []))
        removed.append(f"{tenure.semantic_type}:{tenure.normalised}")
        self.plan.separated.append(twin)

    def absorb(self, absorbed: Contact, winner: Contact, merge: Merge) -> None:
        """Redirect an absorbed contact, both being edited."""
        self._redirects[absorbed.workspace, absorbed.contact_id] = winner.contact_id
        self._merged.setdefault((winner.workspace, winner.contact_id), []).append(absorbed.contact_id)
        self.plan.merges.append(merge)

    def alter(self, holder: Contact, tenure: Tenure) -> None:
        """Note that an identifier of the contact is new or looks different now: its change message says so."""
        _, present = self._altered.setdefault((holder.workspace, holder.contact_id), ([], []))
        text = f"{tenure.semantic_type}:{tenure.normalised}"
        if text not in present:
            present.append(text)

    def quarantine(self, interaction: Interaction, key: IdentifierKey) -> None:
        """Let an identifier resolve no more from the next interaction on (guard 5). Its tenure stays as it is."""
        tenure = self.open_tenure(interaction.workspace, key)
        if tenure is not None:
            self.quarantined.setdefault(interaction.workspace, set()).add(key)
            _, in_day = tenure.joins.until(interaction.at)
            self.plan.quarantined.append(Quarantined(tenure, in_day + 1, interaction))

    def next_tenure_id(self) -> TenureId:
        """The number of a new tenure."""
        return next(self._tenure_ids)

    def opened_here(self, contact_id: ContactId) -> tuple[TenureId, ...]:
        """Tenures that this plan gave to a contact, and that are thus not in the store yet."""
        return tuple(tenure.tenure_id for tenure in self._opened.values() if tenure.contact_id == contact_id)

    def prove(self, tenure: Tenure, kind: EvidenceKind, interaction: Interaction, rule: Rule) -> None:
        """Keep evidence of a tenure."""
        self.plan.evidence.append(
            Evidence(
                tenure.tenure_id, tenure.workspace, kind, interaction.event_id, interaction.position, interaction.at, rule, tenure.assurance
            )
        )

    def note_guard(self, interaction: Interaction, guard: Reason) -> None:
        """Let the evidence of one interaction, the last so far, say which guard left something of it out."""
        evidence = self.plan.evidence
        place = len(evidence) - 1
        while place >= 0 and evidence[place].position == interaction.position:
            evidence[place] = evidence[place]._replace(guard=guard)
            place -= 1

    # -- finishing ----------------------------------------------------------------------------------------------------

    def close(self, interaction: Interaction, rule: Rule) -> bool:
        """End one interaction: a version and a change for every contact that it changed. Gives whether there was one."""
        return self._close(Cause(interaction.event_id, interaction.position, rule), interaction.appended_at)

    def close_act(self, act: Act, rule: Rule) -> bool:
        """End what a user did, in the same way."""
        return self._close(Cause(act.act_id, None, rule, act.actor, act.kind), act.at)

    def _close(self, cause: Cause, at: datetime) -> bool:
        told = False
        for key, before in self._before.items():
            after = self._contacts[key]
            if not after.is_absorbed:
                after.derive()
            changes = changes_between(before, after)
            altered = self._altered.get(key)
            if altered is not None and not after.is_absorbed:
                changes["identifiers"] = altered
            if not changes:
                continue
            told = True
            if after.is_absorbed:
                # Derived, and it holds nothing: what it once held may be somebody else's later, who may be erased.
                after.email = after.phone = None
            after.version = after.version + 1 if before is not None else 1
            after.updated_at = at
            after.listed.sort(key=listing_order)
            self.plan.changes.append(
                ContactChanged(
                    contact_id=after.contact_id,
                    workspace=after.workspace,
                    version=after.version,
                    at=at,
                    cause=cause,
                    changes=changes,
                    merged=tuple(self._merged.get(key, ())),
                    merged_into=after.merged_into,
                    snapshot=None if after.is_absorbed else after,
                    listed=tuple(after.listed[:LISTED_IDENTIFIERS]),
                )
            )
        for table in (self._before, self._altered, self._merged, self._fresh_tenures):
            table.clear()
        return told

    def note_current(self, interaction: Interaction) -> None:
        """Remember the open tenures of an interaction's identifiers, for the index."""
        for identifier in interaction.identifiers:
            tenure = self.open_tenure(interaction.workspace, identifier.key)
            if tenure is not None:
                self._current[interaction.workspace, identifier.key] = tenure

    def finish(self, outcomes: list[Outcome]) -> Plan:
        """The plan of the whole batch: the last state of everything that was created or edited."""
        plan = self.plan
        for key, contact in self._contacts.items():
            (plan.contacts_new if key in self._created else plan.contacts_changed).append(contact)
        for tenure in self._opened.values():
            tenure.contact_id = self.contact(tenure.workspace, tenure.contact_id).contact_id
            plan.tenures_new.append(tenure)
        plan.tenures_changed.extend(self._edited.values())
        plan.outcomes = outcomes
        for tenure in self._current.values():
            holder = self.contact(tenure.workspace, tenure.contact_id).contact_id
            if tenure.contact_id != holder:
                tenure = tenure.fork()  # noqa: PLW2901 -- the one that lies in the store names whom it was given to
                tenure.contact_id = holder
            plan.current.append(tenure)
        return plan

    def _keep(self, tenure: Tenure) -> None:
        table = self._opened if tenure.tenure_id in self._opened else self._edited
        table[tenure.tenure_id] = tenure
        self._fresh_tenures.add(tenure.tenure_id)


def _falls_rather_into(tenure: Tenure, other: Tenure) -> bool:
    if tenure.held_from is not None:
        return other.held_from is None or tenure.held_from > other.held_from
    if other.held_from is not None or tenure.held_until is None:
        return False
    return other.held_until is None or tenure.held_until < other.held_until


_PLAIN = (
    "type", "given_name", "last_name", "email", "phone", "is_vendor", "organization_id", "organization_name", "merged_into", "archived_at",
)  # fmt: skip


def changes_between(before: Contact | None, after: Contact) -> dict[str, tuple[object, object]]:
    """Field by field, old and new value of what is part of a version. Being seen is not."""
    found: dict[str, tuple[object, object]] = {}
    for name in _PLAIN:
        old = getattr(before, name) if before is not None else None
        new = getattr(after, name)
        if old != new and not (before is None and new is False):
            found[name] = (old, new)
    old_attributes = before.attributes if before is not None else {}
    for profile in sorted(old_attributes.keys() | after.attributes.keys()):
        mine, theirs = old_attributes.get(profile, {}), after.attributes.get(profile, {})
        for slug in sorted(mine.keys() | theirs.keys()):
            if not same_value(mine.get(slug), theirs.get(slug)):
                found[f"attributes.{profile}.{slug}"] = (mine.get(slug), theirs.get(slug))
    old_tags = before.tags if before is not None else []
    if old_tags != after.tags:
        found["tags"] = (old_tags, after.tags)
    found.update(classification.differences(before.classification if before is not None else UNCLASSIFIED, after.classification))
    old_consent = before.consent if before is not None else {}
    if old_consent != after.consent:
        for purpose in sorted(old_consent.keys() | after.consent.keys()):
            said = _word(old_consent.get(purpose)), _word(after.consent.get(purpose))
            if said[0] != said[1]:
                found[f"consent.{purpose}"] = said
    return found


def _word(consent: Consent | None) -> dict[str, object] | None:
    return {"state": consent.state, "source": consent.source, "at": consent.at} if consent is not None else None
