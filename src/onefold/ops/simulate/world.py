"""The state that simulated interactions meet and leave behind, in memory: a snapshot that the effect of each plan is folded into.

What `records.apply` would write, without a store. It begins empty, or learns what is stored of the identifiers that are named.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from onefold.identity.contact import TenureId
from onefold.identity.decide import decide
from onefold.identity.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from typing import TypeAlias

    from onefold.identity.assurance import Assurance
    from onefold.identity.contact import Contact, ContactId, Tenure
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction, Moment
    from onefold.identity.plan import Merge, Outcome, Plan, Proposed
    from onefold.identity.rules import Rules
    from onefold.ops.simulate.naming import Naming

    ContactKey: TypeAlias = tuple[str, ContactId]
    Key: TypeAlias = tuple[str, IdentifierKey]

FIRST_NUMBER = 1 << 40
"""Of new tenures: above every number that the store gives out, as what comes later is the younger."""


class World:
    """Contacts and tenures of one run."""

    def __init__(self) -> None:
        self._snapshot = Snapshot()
        self._numbers = map(TenureId, count(FIRST_NUMBER))
        self._held: dict[ContactKey, list[Key]] = {}
        """The identifiers whose tenures name a contact, ended ones too."""
        self._redirects: dict[ContactKey, ContactId] = {}
        self._merged: dict[ContactKey, list[ContactId]] = {}
        self._learnt: set[Key] = set()
        self._quarantined: dict[str, set[IdentifierKey]] = {}
        """What the run put into quarantine, by workspace: its rules do not know of it."""
        self._proposed: list[Proposed] = []

    @property
    def contacts(self) -> Sequence[Contact]:
        """Every contact that no other one absorbed."""
        return list(self._snapshot.contacts.values())

    def merged(self, contact: Contact) -> Sequence[ContactId]:
        """Whom a contact absorbed in this run, also by way of those that it absorbed."""
        return self._merged.get((contact.workspace, contact.contact_id), ())

    @property
    def proposed(self) -> Iterator[tuple[Proposed, tuple[ContactId, ContactId]]]:
        """What waits for proof or for a person, with the two contacts that it leads to now; one for each pair and interaction (R26)."""
        told = set()
        for each in self._proposed:
            pair = sorted((self.root(each.workspace, one) for one in (each.one, each.other)), key=lambda one: one.int)
            one, other = (self._snapshot.contacts[each.workspace, contact_id] for contact_id in pair)
            named = (each.workspace, one.contact_id, other.contact_id, each.interaction.event_id)
            if one is not other and one.summary.total and other.summary.total and named not in told:
                told.add(named)
                yield each, (one.contact_id, other.contact_id)

    def root(self, workspace: str, contact_id: ContactId) -> ContactId:
        """Where a contact's id leads."""
        while (workspace, contact_id) in self._redirects:
            contact_id = self._redirects[workspace, contact_id]
        return contact_id

    def decide(self, interaction: Interaction, rules: Mapping[str, Rules]) -> Outcome:
        """Decide on an interaction, and go on with what it leaves behind."""
        if self._quarantined:
            interaction = interaction.without(self._quarantined.get(interaction.workspace, ()))
        plan = decide(self._snapshot, [interaction], rules, self._numbers)
        self._fold(plan)
        return plan.outcomes[0]

    def see(self, naming: Naming, moment: Moment, assurance: Assurance, recency: timedelta) -> ContactId | None:
        """Let a known visitor be seen again, as `decide` would; gives the contact, or None where more than times may change.

        For interactions without values, proof or token. Every identifier must belong to the same contact since ever, and as firmly.
        """
        tenures = [self._firm(key, assurance) for key in naming.keys]
        first = tenures[0] if tenures else None
        if first is None:
            return None
        contact_id, at = first.contact_id, moment.at
        contact = self._snapshot.contacts[first.workspace, contact_id]
        if at < contact.first_seen_at:
            return None
        for tenure in tenures:
            if tenure is None or tenure.contact_id != contact_id or at < tenure.first_seen_at:
                return None
        if at > contact.last_seen_at and at >= contact.last_seen_at + recency:
            contact.last_seen_at = at
        for tenure, device_bound in zip(tenures, naming.device_bound, strict=True):
            if tenure is not None:
                _see(tenure, moment, recency, is_used=naming.has_personal and device_bound)
        return contact_id

    def _firm(self, key: Key, assurance: Assurance) -> Tenure | None:
        """The tenure of an identifier that never had another, if an interaction of this assurance cannot strengthen it."""
        held = self._snapshot.tenures.get(key)
        if (
            held is None
            or len(held) > 1
            or key in self._snapshot.barriers
            or (self._quarantined and key[1] in self._quarantined.get(key[0], ()))
        ):
            return None
        (tenure,) = held
        return tenure if tenure.is_open and tenure.held_from is None and assurance <= tenure.assurance else None

    # -- what a plan leaves behind ------------------------------------------------------------------------------------

    def _fold(self, plan: Plan) -> None:
        contacts = self._snapshot.contacts
        for tenure in plan.tenures_new:
            self._snapshot.tenures.setdefault((tenure.workspace, tenure.key), []).append(tenure)
            self._held.setdefault((tenure.workspace, tenure.contact_id), []).append((tenure.workspace, tenure.key))
        for tenure in plan.tenures_changed:
            held = self._snapshot.tenures.get((tenure.workspace, tenure.key), [])
            for place, each in enumerate(held):  # of what nobody named yet, the holder's listing alone knows
                if each.tenure_id == tenure.tenure_id:
                    held[place] = tenure
        for contact in (*plan.contacts_new, *plan.contacts_changed):
            if not contact.is_absorbed:
                contacts[contact.workspace, contact.contact_id] = contact
        for merge in plan.merges:
            self._absorb(merge)
        self._proposed.extend(plan.proposed)
        for found_out in plan.quarantined:
            self._quarantined.setdefault(found_out.tenure.workspace, set()).add(found_out.tenure.key)

    def _absorb(self, merge: Merge) -> None:
        absorbed, survivor = (merge.workspace, merge.absorbed.contact_id), (merge.workspace, merge.survivor)
        self._redirects[absorbed] = merge.survivor
        self._merged.setdefault(survivor, []).extend((merge.absorbed.contact_id, *self._merged.pop(absorbed, ())))
        self._snapshot.contacts.pop(absorbed, None)
        moving = self._held.pop(absorbed, [])
        for key in moving:
            for tenure in self._snapshot.tenures[key]:
                if tenure.contact_id == merge.absorbed.contact_id:
                    tenure.contact_id = merge.survivor
        self._held.setdefault(survivor, []).extend(moving)
        if merge.absorbed.summary.apart:
            self.keep_apart(self._snapshot.apart)

    # -- what is stored -----------------------------------------------------------------------------------------------

    def unknown(self, interactions: Sequence[Interaction]) -> list[Interaction]:
        """Those that name an identifier of which nothing was learnt yet."""
        learnt = self._learnt
        return [each for each in interactions if any((each.workspace, one.key) not in learnt for one in each.identifiers)]

    def keep_apart(self, pairs: Iterable[tuple[str, ContactId, ContactId]]) -> None:
        """Take over pairs that are kept apart, by the contacts that they lead to now."""
        self._snapshot.apart = {(workspace, self.root(workspace, one), self.root(workspace, other)) for workspace, one, other in pairs}

    def learn(self, interactions: Sequence[Interaction], stored: Snapshot) -> None:
        """Take over what is stored of these interactions' identifiers; what the run changed already stays as it made it."""
        all_named = dict.fromkeys((each.workspace, one.key) for each in interactions for one in each.identifiers)
        named = [key for key in all_named if key not in self._learnt]
        self._learnt.update(named)
        self._snapshot.barriers.update({key: at for key, at in stored.barriers.items() if key in all_named})
        for key in named:
            for tenure in stored.tenures.get(key, ()):
                self._take_over(key, tenure, stored)

    def _take_over(self, key: Key, tenure: Tenure, stored: Snapshot) -> None:
        workspace, _ = key
        asked = stored.contacts[workspace, tenure.contact_id]
        tenure.contact_id = self.root(workspace, tenure.contact_id)
        holder = self._snapshot.contacts.setdefault((workspace, tenure.contact_id), asked)
        if tenure.is_open:
            twin = next((each for each in holder.listed if each.tenure_id == tenure.tenure_id), None)
            if twin is None:  # beyond what a listing holds
                holder.listed.append(tenure)
            else:
                tenure = twin
                tenure.contact_id = holder.contact_id
        self._snapshot.tenures.setdefault(key, []).append(tenure)
        self._held.setdefault((workspace, tenure.contact_id), []).append(key)


def _see(tenure: Tenure, moment: Moment, recency: timedelta, *, is_used: bool) -> None:
    """Times of a tenure, as `attach.touch` leaves them."""
    at, used = moment.at, tenure.used
    if at > tenure.last_seen_at and at >= tenure.last_seen_at + recency:
        tenure.last_seen_at = at
    if is_used and (used is None or (moment > used and (used.at < tenure.last_seen_at or at >= used.at + recency))):
        tenure.used = moment
