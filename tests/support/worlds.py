"""Small worlds for tests of the heart: interactions in one line each, and a state that plans are applied to in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from dataclasses import replace as dataclass_replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from onefold.identity import decided
from onefold.identity.assurance import Assurance
from onefold.identity.consent import record_consent
from onefold.identity.contact import Consent, Contact, ContactId, Tenure, TenureId, listing_order
from onefold.identity.decide import decide
from onefold.identity.erase import erase
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.interaction import Interaction, Position, Proof
from onefold.identity.merge import merge_decided
from onefold.identity.plan import Act, KeptApart
from onefold.identity.rules import Rules
from onefold.identity.snapshot import Snapshot
from onefold.identity.tree import MergeRecord, Tree
from onefold.identity.unmerge import unmerge

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.membership import Membership
    from onefold.identity.plan import Erasure, Merge, Outcome, Plan, Return

START = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
EXACT = Rules(recency=timedelta(0))

_offsets = count()


def at(minutes: float) -> datetime:
    """A time so many minutes after the start."""
    return START + timedelta(minutes=minutes)


def event(
    *identifiers: str,
    minutes: float = 0,
    event_id: str | None = None,
    assurance: Assurance = Assurance.CLAIMED,
    proof: str | None = None,
    asserts: Sequence[str] | None = None,
    fields: Mapping[str, str] | None = None,
    attributes: Mapping[str, object] | None = None,
    organization: Membership | None = None,
    workspace: str = "acme",
    rules: Rules = EXACT,
    slug: str | None = None,
) -> Interaction:
    """An interaction with identifiers written `type:value`; `proof` names the proved one, `asserts` what a token names."""
    raw = [(kind, value, slug) for kind, _, value in (text.partition(":") for text in identifiers)]
    resolved, dropped = resolve_identifiers(raw, rules)
    offset = next(_offsets)
    proved = next((each for each in resolved if proof is not None and each.normalised == proof.partition(":")[2]), None)
    return Interaction(
        position=Position("interactions", 0, offset),
        event_id=event_id if event_id is not None else f"e{offset:06}",
        workspace=workspace,
        type="track",
        channel="web",
        assurance=assurance,
        at=at(minutes),
        appended_at=at(minutes) + timedelta(seconds=1),
        identifiers=resolved,
        dropped=dropped,
        proof=Proof(proved.key, "otp") if proved is not None else None,
        asserts=frozenset(each.key for each in resolved if f"{each.semantic_type}:{each.normalised}" in asserts)
        if asserts is not None
        else None,
        fields=fields or {},
        attributes=attributes or {},
        organization=organization,
    )


@dataclass
class World:
    """The state of one or several workspaces, kept in memory; a plan's effect is what `records.apply` would write."""

    rules: Rules = EXACT
    contacts: dict[tuple[str, ContactId], Contact] = field(default_factory=dict)
    tenures: dict[TenureId, Tenure] = field(default_factory=dict)
    quarantined: dict[str, set[IdentifierKey]] = field(default_factory=dict)
    """By workspace; events name these values as if they had been read under rules that know of them."""
    plans: list[Plan] = field(default_factory=list)
    apart: list[KeptApart] = field(default_factory=list)
    merges: list[MergeRecord] = field(default_factory=list)
    barriers: dict[tuple[str, IdentifierKey], datetime] = field(default_factory=dict)
    erased: dict[tuple[str, IdentifierKey], datetime] = field(default_factory=dict)
    """Of the barriers those that erasures left."""
    numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def play(self, *interactions: Interaction, size: int = 1) -> list[Outcome]:
        """Decide and apply in batches of `size`."""
        outcomes: list[Outcome] = []
        for start in range(0, len(interactions), size):
            outcomes.extend(self._play(interactions[start : start + size]))
        return outcomes

    def snapshot(self, interactions: Sequence[Interaction]) -> Snapshot:
        """What the store would load."""
        found = Snapshot()
        wanted = {(each.workspace, identifier.key) for each in interactions for identifier in each.identifiers}
        for tenure in self.tenures.values():
            if (tenure.workspace, tenure.key) in wanted:
                found.tenures.setdefault((tenure.workspace, tenure.key), []).append(tenure.fork())
        known = {tenure.tenure_id: tenure for tenures in found.tenures.values() for tenure in tenures}
        for tenure in list(known.values()):
            key = (tenure.workspace, tenure.contact_id)
            contact = self.contacts[key].fork()
            contact.listed = [
                known.get(each.tenure_id) or each.fork()
                for each in self.tenures.values()
                if (each.workspace, each.contact_id) == key and each.is_open
            ]
            found.contacts[key] = contact
        found.barriers = {key: until for key, until in self.barriers.items() if key in wanted}
        found.erased = {key: until for key, until in self.erased.items() if key in wanted}
        pairs = {(each.workspace, self.root(each.workspace, each.one), self.root(each.workspace, each.other)) for each in self.apart}
        found.apart = {pair for pair in pairs if {(pair[0], pair[1]), (pair[0], pair[2])} <= found.contacts.keys()}
        return found

    def _play(self, given: Sequence[Interaction]) -> list[Outcome]:
        interactions = [each.without(self.quarantined.get(each.workspace, ())) for each in given]
        rules = {each.workspace: self.rules for each in interactions}
        plan = decide(self.snapshot(interactions), interactions, rules, (TenureId(n) for n in self.numbers))
        self.apply(plan)
        return plan.outcomes

    def apply(self, plan: Plan) -> None:
        """Write a plan down."""
        self.plans.append(plan)
        for found_out in plan.quarantined:
            self.quarantined.setdefault(found_out.tenure.workspace, set()).add(found_out.tenure.key)
        assert not any((each.workspace, each.contact_id) in self.contacts for each in plan.contacts_new), "an id is given once"
        for contact in (*plan.contacts_new, *plan.contacts_changed):
            self.contacts[contact.workspace, contact.contact_id] = contact
        for merge in plan.merges:
            self._record(merge)
        for each in plan.returns:
            self._return(each)
        for tenure in plan.tenures_changed:
            self.tenures[tenure.tenure_id] = tenure.fork()
            self.tenures[tenure.tenure_id].contact_id = self.root(tenure.workspace, tenure.contact_id)
        for tenure in plan.tenures_new:
            self.tenures[tenure.tenure_id] = tenure.fork()
        self.apart += plan.kept_apart
        for barrier in plan.barriers:
            self.bar(barrier.workspace, barrier.key, barrier.at)
        for erasure in plan.erasures:
            self._take_out(erasure)

    def _record(self, merge: Merge) -> None:
        moved = set(merge.gained)
        for tenure in self.tenures.values():
            if (tenure.workspace, tenure.contact_id) == (merge.workspace, merge.absorbed.contact_id):
                tenure.contact_id = merge.survivor
                moved.add(tenure.tenure_id)
        number = max((each.number for each in self.merges), default=0) + 1
        act_id = merge.cause.act_id if isinstance(merge.cause, Act) else None
        sides = (merge.survivor, merge.absorbed.contact_id, merge.winner, merge.absorbed)
        self.merges.append(MergeRecord(UUID(int=number), number, *sides, frozenset(moved), merge.labels, act_id))

    def _return(self, back: Return) -> None:
        for tenure_id in back.tenures:
            self.tenures[tenure_id].contact_id = back.contact_id
        for contact_id in back.contacts:
            self.contacts[back.workspace, contact_id].root = back.contact_id
        (number,) = [place for place, each in enumerate(self.merges) if each.merge_id == back.merge_id]
        self.merges[number] = dataclass_replace(self.merges[number], is_undone=True, returned=frozenset(back.tenures))

    def _take_out(self, erasure: Erasure) -> None:
        for tenure_id in erasure.tenures:
            del self.tenures[tenure_id]
        gone = set(erasure.contacts)
        self.merges = [
            dataclass_replace(each, **_without(each, gone)) for each in self.merges if not {each.survivor, each.absorbed} <= gone
        ]
        self.apart = [each for each in self.apart if not {each.one, each.other} & gone]
        self.quarantined.get(erasure.workspace, set()).difference_update(erasure.keys)
        for barrier in erasure.barriers:
            key = (barrier.workspace, barrier.key)
            self.erased[key] = max(barrier.at, self.barriers.get(key, barrier.at))
            self.bar(*key, barrier.at)

    def tree(self, contact_id: ContactId, workspace: str = "acme") -> Tree:
        """The tree that a contact's id leads to."""
        root = self.root(workspace, contact_id)
        absorbed = {
            each.contact_id: each
            for each in self.contacts.values()
            if each.workspace == workspace and each.is_absorbed and self.root(workspace, each.contact_id) == root
        }
        tenures = [each.fork() for each in self.tenures.values() if (each.workspace, each.contact_id) == (workspace, root)]
        contact = self.contacts[workspace, root].fork()
        contact.listed = sorted((each for each in tenures if each.is_open), key=listing_order)
        members = {root, *absorbed}
        return Tree(contact, absorbed, tenures, [each for each in self.merges if {each.survivor, each.absorbed} & members])

    def merge(self, survivor: ContactId, absorbed: ContactId, *, minutes: float = 1_000, workspace: str = "acme") -> Plan:
        """Make one of two contacts, because a user says so."""
        winner, gone = (self.tree(each, workspace).root for each in (survivor, absorbed))
        snapshot = Snapshot({(workspace, each.contact_id): each for each in (winner, gone)})
        plan = merge_decided(snapshot, winner, gone, {}, Act(f"act{len(self.plans)}", "ann@host", "a test", at(minutes)))
        self.apply(plan)
        return plan

    def unmerge(self, contact_id: ContactId, *, minutes: float = 1_000, workspace: str = "acme") -> Plan:
        """Undo the merge that absorbed a contact."""
        tree = self.tree(contact_id, workspace)
        merge = tree.in_force(contact_id)
        assert merge is not None
        plan = unmerge(tree, merge, Act(f"act{len(self.plans)}", "ann@host", "a test", at(minutes)), self.rules)
        self.apply(plan)
        return plan

    def erase(self, contact_id: ContactId, *, minutes: float = 1_000, workspace: str = "acme") -> Plan:
        """A user erases the person that an id leads to."""
        tree = self.tree(contact_id, workspace)
        keys = {tenure.key for tenure in tree.tenures}
        elsewhere = {
            each.key
            for each in self.tenures.values()
            if each.key in keys and each.is_open and (each.workspace, each.contact_id) != (workspace, tree.root.contact_id)
        }
        return self._acted(erase(tree, elsewhere, Act(f"act{len(self.plans)}", "ann@host", "a test", at(minutes))))

    def consent(self, contact_id: ContactId, purpose: str, state: Literal["granted", "denied"], *, minutes: float = 1_000) -> Plan:
        """Record what a person said."""
        snapshot, contact, act = self._acting(contact_id, minutes)
        word = Consent(state, f"call of minute {minutes}", at(minutes), contact.contact_id)
        return self._acted(record_consent(snapshot, contact, [(purpose, word)], act))

    def edit(self, contact_id: ContactId, values: Mapping[str, object], *, minutes: float = 1_000, is_vendor: bool | None = None) -> Plan:
        """A user changes values."""
        snapshot, contact, act = self._acting(contact_id, minutes)
        return self._acted(decided.edit(snapshot, contact, values, act, is_vendor=is_vendor))

    def validate(self, identifier: str, *, minutes: float = 1_000) -> Plan:
        """A user says that an identifier is validated."""
        snapshot, contact, act = self._acting(self.holder(identifier).contact_id, minutes)
        (tenure,) = [each for each in contact.listed if each.text == identifier]
        snapshot.tenures["acme", tenure.key] = [tenure]
        return self._acted(decided.validate(snapshot, contact, tenure, act, self.rules))

    def archive(self, contact_id: ContactId, *, minutes: float = 1_000) -> Plan:
        """A user archives a contact."""
        return self._acted(decided.archive(*self._acting(contact_id, minutes)))

    def restore(self, contact_id: ContactId, *, minutes: float = 1_000) -> Plan:
        """A user takes a contact out of the archive."""
        return self._acted(decided.restore(*self._acting(contact_id, minutes)))

    def _acting(self, contact_id: ContactId, minutes: float) -> tuple[Snapshot, Contact, Act]:
        contact = self.tree(contact_id).root
        return Snapshot({("acme", contact.contact_id): contact}), contact, Act(f"act{len(self.plans)}", "ann@host", "a test", at(minutes))

    def _acted(self, plan: Plan) -> Plan:
        self.apply(plan)
        return plan

    def bar(self, workspace: str, key: IdentifierKey, until: datetime) -> None:
        """Leave a barrier."""
        self.barriers[workspace, key] = max(until, self.barriers.get((workspace, key), until))

    def keep_apart(self, one: str, other: str, workspace: str = "acme") -> None:
        """Say of the holders of two identifiers that they are two people."""
        sides = [self.holder(each, workspace) for each in (one, other)]
        for contact in sides:
            contact.summary.apart = True
        self.apart.append(KeptApart(workspace, sides[0].contact_id, sides[1].contact_id, "refused", "ann", None, START))

    def root(self, workspace: str, contact_id: ContactId) -> ContactId:
        """Where a contact's id leads."""
        contact = self.contacts[workspace, contact_id]
        while contact.merged_into is not None:
            contact = self.contacts[workspace, contact.merged_into]
        return contact.contact_id

    def holder(self, identifier: str, workspace: str = "acme") -> Contact:
        """The contact that holds an identifier now."""
        kind, _, value = identifier.partition(":")
        found = [each for each in self.tenures.values() if each.is_open and (each.semantic_type, each.normalised) == (kind, value)]
        (tenure,) = [each for each in found if each.workspace == workspace]
        return self.contacts[workspace, tenure.contact_id]

    def holder_of(self, interaction: Interaction) -> Contact:
        """The contact that holds an interaction's first identifier now."""
        first = interaction.identifiers[0]
        return self.holder(f"{first.semantic_type}:{first.normalised}", interaction.workspace)

    def groups(self, workspace: str = "acme") -> list[list[str]]:
        """The open identifiers, by contact, in a canonical form."""
        by_contact: dict[ContactId, list[str]] = {}
        for tenure in self.tenures.values():
            if tenure.is_open and tenure.workspace == workspace:
                by_contact.setdefault(tenure.contact_id, []).append(f"{tenure.semantic_type}:{tenure.normalised}")
        return sorted(sorted(group) for group in by_contact.values())

    def identifiers(self, contact_id: ContactId, workspace: str = "acme") -> list[str]:
        """The open identifiers of the contact that an id leads to."""
        root = self.root(workspace, contact_id)
        held = [each for each in self.tenures.values() if each.is_open and (each.workspace, each.contact_id) == (workspace, root)]
        return sorted(f"{each.semantic_type}:{each.normalised}" for each in held)

    def labels(self, contact: Contact) -> dict[str, str | None]:
        """The label of each open identifier of a contact."""
        key = (contact.workspace, contact.contact_id)
        return {each.normalised: each.slug for each in self.tenures.values() if each.is_open and (each.workspace, each.contact_id) == key}


def _without(merge: MergeRecord, gone: Container[ContactId]) -> dict[str, Any]:
    """What an erasure takes out of a record of a merge with somebody else."""
    found: dict[str, Any] = {}
    if merge.survivor in gone:
        found["survivor_record"] = None
    if merge.absorbed in gone:
        record = merge.absorbed_record
        times = (record.created_at, record.updated_at, record.first_seen_at, record.last_seen_at)
        found["absorbed_record"] = Contact(record.contact_id, record.workspace, record.version, *times)
    return found
