"""A second reading of the rules of resolution, to hold `decide` against: facts are only ever added, all else is counted anew from them.

Written from the specification, and apart from `onefold.identity`, of which it uses nothing: no snapshots, no summaries, no batches, no
plans. It leaves out what has nothing to do with who is whom: normalising, labels, versions, evidence, messages.

A *stay* is an identifier with one contact. Stays, and what was said of contacts through them, are lists that grow, and who absorbed whom is
a union-find. A *thing* is what an identifier leads to: a contact, or itself where it is new or changes hands. A *party* is a list of things
that become one contact. At most 200 lines of code, which a test counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.simulation.worlds import ASSERTED, CLAIMED, EVER, NOW, PROVED, Event, Moment, NameContact, Order, Parting, kind_of


class Stay(NamedTuple):
    """An identifier with one contact: since ever, or since it came from another one, where it ended then."""

    identifier: str
    contact: str
    since: Moment


class Said(NamedTuple):
    """What an event said of a contact, or what was copied to it."""

    contact: str
    sure: dict[Stay, int]
    """How sure it was of the identifiers that it named."""
    rank: tuple[int, Moment]
    """What decides between values (R12)."""
    values: dict[str, object]
    is_seen: bool
    """Whether the contact itself was there."""


@dataclass
class Model:
    """All facts of one workspace: first what is looked up in them, then what an event adds to them."""

    order: Order
    name: NameContact
    stays: list[Stay] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    absorbed: dict[str, str] = field(default_factory=dict)
    merges: list[tuple[str, int]] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    partings: list[tuple[set[str], Parting]] = field(default_factory=list)

    def now(self, contact: str) -> str:
        """Who answers to an id."""
        return self.now(self.absorbed[contact]) if contact in self.absorbed else contact

    def stay(self, identifier: str, moment: Moment = NOW) -> Stay | None:
        """With whom an identifier is, or was."""
        stays = (stay for stay in self.stays if stay.identifier == identifier and stay.since <= moment)
        return max(stays, key=lambda stay: stay.since, default=None)

    def assurance(self, stay: Stay) -> int:
        """The strongest that was ever said for it."""
        return max((each.sure[stay] for each in self.said if stay in each.sure), default=CLAIMED)

    def held(self, *things: str) -> dict[str, int]:
        """The identifiers of things, with how sure they are."""
        alone = {each: CLAIMED for each in things if ":" in each}
        lasting = {stay.identifier: stay for stay in self.stays if len(alone) < len(things)}
        return {each: self.assurance(stay) for each, stay in lasting.items() if self.now(stay.contact) in things} | alone

    def values(self, contact: str) -> dict[str, tuple[object, Said]]:
        """What a contact is called and has, and who said so: the strongest, then the latest (R12); of the same event, what came first."""
        said = sorted((each for each in reversed(self.said) if self.now(each.contact) == contact), key=lambda each: each.rank)
        return {name: (value, each) for each in said for name, value in each.values.items()}

    def type_of(self, contact: str) -> str:
        """Ghost, lead or contact."""
        sure = [sure for each, sure in self.held(contact).items() if kind_of(each) in ("email", "phone")]
        is_named = all(self.values(contact).get(name, (None,))[0] for name in ("given_name", "last_name"))
        return "ghost" if not (is_named and sure) else "contact" if PROVED in sure else "lead"

    def seen_at(self, contact: str) -> list[int]:
        """When a contact was seen."""
        return [each.rank[1][0] for each in self.said if self.now(each.contact) == contact and each.is_seen]

    def take(self, event: Event) -> tuple[str | None, set[str]]:
        """Add what an event says; gives the contact that it belongs to, and the guards that held something back (guard 5, R6)."""
        self.event, self.reasons, self.own, self.was = event, set[str](), list[str](), dict[str, str]()
        found = [each for each in dict.fromkeys(event.identifiers) if each not in self.order.blocked]
        found = [each for each in found if self._once(found).get(kind_of(each), each) == each and each not in self.quarantined]
        self.named = sorted(found, key=lambda each: self.order.priority.index(kind_of(each)))
        self.then = {each: stay for each in self.named if (stay := self.stay(each, event.moment)) is not None}
        self.leads = {each: self.now(self.then[each].contact) if each in self.then else each for each in self.named}
        side, aside = self._parties()
        if not self.own:
            return None, {"barred" if self.named else "no_identifier"}
        is_vouched = event.assurance == ASSERTED and event.asserts is None
        becomes_known = any(self._assurance(each) > CLAIMED and self.then.get(each) is self.stay(each) for each in self.named)
        takes_values = is_vouched or self.order.policy != "strict" or not (becomes_known or self._is_closed([*self.own]))
        contact = self._settle(self.own, self.named, (int(is_vouched), event.moment), dict(event.values) if takes_values else {})
        if side:
            self._settle(side, aside, (CLAIMED, event.moment), {})
        return contact, self.reasons

    def _assurance(self, identifier: str) -> int:
        """How strongly the event binds it (R8)."""
        if self.event.asserts is None and (self.event.assurance < PROVED or identifier == self.event.proof):
            return self.event.assurance
        return int(self._is_device(identifier) if self.event.asserts is None else identifier in self.event.asserts)

    def _is_barred(self, identifier: str) -> bool:
        """Old news takes nothing back."""
        return any(identifier in parting[:2] and self.event.at < parting.until for _, parting in self.partings)

    def _is_sealed(self, identifier: str) -> bool:
        """Guard 2, and old news: it joins nobody."""
        is_proved = identifier in self.then and self.assurance(self.then[identifier]) == PROVED
        return self._is_barred(identifier) or (is_proved and self._assurance(identifier) == CLAIMED)

    def _is_claim(self, identifier: str) -> bool:
        """Whether the policy says what it may do (R4)."""
        return self._assurance(identifier) == CLAIMED and self.order.policy != "eager"

    def _is_refused(self, identifier: str) -> bool:
        """A claim on somebody whom claims do not join."""
        return self._is_claim(identifier) and self._is_closed([self.leads[identifier]])

    def _once(self, identifiers: list[str] | dict[str, int]) -> dict[str, str]:
        """Those of unique types, by type; the first of each."""
        return {kind_of(each): each for each in reversed(identifiers) if kind_of(each) in self.order.unique}

    def _is_device(self, thing: str) -> bool:
        """Nothing else (R16)."""
        return all(kind_of(each) in self.order.device_bound for each in self.held(thing))

    def _is_known(self, party: list[str]) -> bool:
        """Whether what is together holds more than claims, or will."""
        asserted = {self.leads[each] for each in self.named if self._assurance(each) > CLAIMED and party is self.own}
        return not asserted.isdisjoint(party) or any(sure > CLAIMED for sure in self.held(*party).values())

    def _is_closed(self, party: list[str]) -> bool:
        """Whether claims come to what is together by the policy alone (R3)."""
        return self._is_known(party) or (self.order.policy == "strict" and any(self.type_of(each) != "ghost" for each in party))

    def _clashes(self, thing: str, only: dict[str, str]) -> bool:
        """Guard 1."""
        return any(only.get(kind, value) != value for kind, value in self._once(self.held(thing)).items())

    def _are_apart(self, thing: str, party: list[str]) -> bool:
        return any({*map(self.now, sides)} == {thing, each} for sides, _ in self.partings for each in party)

    def _parties(self) -> tuple[list[str], list[str]]:
        """What becomes the contact of the event; gives what becomes another one aside of it, and through which identifiers (R1)."""
        own, side, is_proof = self.own, list[str](), self.event.proof in self.named
        claims = [each for each in self.named if self._is_claim(each) or (is_proof and self._assurance(each) == CLAIMED)]
        self._prove(self.event.proof or "")
        self._gather([each for each in self.named if each not in claims], own)
        sealed = [each for each in claims if self._is_sealed(each)]
        claims = [each for each in claims if each not in sealed]
        closed = [each for each in claims if self._is_closed([self.leads[each]])]
        aside = self._gather(claims, own) if own or not closed or self._goes_its_own_way(claims, closed) else []
        if closed and not own:
            self.reasons.clear()
            own.append(self.leads[min(closed, key=lambda each: self._clashes(self.leads[each], self._once(claims)))])
            aside = self._gather(claims, own)
        self._gather(sealed, own)
        self._gather([each for each in aside if self.leads[each] not in own], side)
        self.reasons |= {"conflict" if each in self.then else "policy" for each in side}
        return side, aside

    def _prove(self, proved: str) -> None:
        """Who is the prover, where it is not the contact of what is proved and may not become one with it (R9, R10)."""
        stay = self.stay(proved)
        if proved not in self.named or stay is None or self._is_barred(proved):
            return
        sure, holder = self.assurance(stay), self.now(stay.contact)
        self.then[proved], self.leads[proved] = stay, holder
        asserted = [each for each in self.named if self._assurance(each) == ASSERTED]
        devices = [each for each in asserted if not self._is_sealed(each)]
        theirs = [self.leads[each] for each in devices if each in self.then]
        fitting = [each for each in theirs if not self._clashes(each, self._once([proved, *self.held(holder)]))]
        is_theirs = theirs[:1] != fitting[:1] or holder in theirs[:1]
        guard = self._why_not(proved, theirs[:1], {}) if sure > CLAIMED and not is_theirs else ""
        guard = "kept_apart" if guard and self._are_apart(holder, fitting) else guard
        if guard or (sure == CLAIMED and not is_theirs and (devices or len(self.held(holder)) > 1)):
            self._gather(asserted, self.own)
            if holder not in self.own:
                self.reasons |= {guard} - {""}
                proofs = [each.rank[1][0] for each in self.said if each.sure.get(stay) == PROVED]
                if not guard or (proofs and self.event.at > max(proofs)):
                    self.leads[proved], self.was[proved] = proved, holder

    def _goes_its_own_way(self, claims: list[str], closed: list[str]) -> bool:
        """Whether nothing of the event reaches a closed contact: its unique identifier is not there, or the join is refused (R1)."""
        unique, theirs = {self.leads[each] for each in self._once(self.named).values()}, [self.leads[each] for each in closed]
        first = next(self.leads[each] for each in claims if each in self.then)
        only, free = self._once(self.held(first)), [self.leads[each] for each in claims if each not in closed and self._is_device(each)]
        both = only | self._once(self.held(theirs[0]))
        is_refused = first not in theirs and any(self._clashes(each, only) for each in theirs)
        is_strange = any(not self._is_device(each) and not self._clashes(each, both) for each in free)
        return self.order.policy == "strict" or (unique.isdisjoint(theirs) if unique else is_refused or is_strange)

    def _gather(self, named: list[str], party: list[str]) -> list[str]:
        """Bring together what identifiers lead to, in the order of R5, as guards let it; gives those that claims may not bring."""
        first = next((self.leads[each] for each in named if each in self.then and not self._is_sealed(each)), "")
        given = [*self.held(*party), *(each for each in named if not self._is_barred(each)), *self.held(*party or [first])]
        whys = dict[str, str]()
        for each in sorted(named, key=lambda each: 2 if self._is_sealed(each) else int(not party and self._is_refused(each))):
            only = self._once([*given, *self.held(*party)])
            if self._clashes(self.leads[each], only) and self._changes_hands(each):
                self.leads[each] = each
            whys[each] = self._why_not(each, party, only)
            if not whys[each] and self.leads[each] not in party:
                party.append(self.leads[each])
        self.reasons |= {*whys.values()} - {"", "aside"}
        return [each for each, why in whys.items() if why == "aside"]

    def _changes_hands(self, identifier: str) -> bool:
        """A device that two people use, by event time (R2, R7)."""
        stay, present = self.then.get(identifier), self.stay(identifier)
        beside = [each.rank[1] for each in self.said if stay in each.sure and not all(self._is_device(one.identifier) for one in each.sure)]
        return stay is not None and stay is present and self._is_device(identifier) and self.event.moment > max([stay.since, *beside])

    def _why_not(self, identifier: str, party: list[str], only: dict[str, str]) -> str:
        """The guard that keeps from a party what an identifier leads to."""
        thing = self.leads[identifier]
        is_held, is_device = ":" not in thing, self.order.policy == "careful" and self._is_device(identifier) and self._is_device(thing)
        if thing in party or (self._is_sealed(identifier) and is_held and not party):
            return ""
        return (
            (self._is_sealed(identifier) and ("barred" if self._is_barred(identifier) else "proof"))
            or (self._clashes(thing, only) and ("conflict" if is_held else "aside"))
            or (self._is_refused(identifier) and ("known" if self._is_known(party) and self._is_known([thing]) else "policy"))
            or (self._is_claim(identifier) and self._is_closed(party) and not is_device and "aside")
            or (self._are_apart(thing, party) and "kept_apart")
            or (is_held and self._too_much([each for each in party if ":" not in each], thing) and "limit")
            or ""
        )

    def _too_much(self, group: list[str], thing: str) -> bool:
        """Guard 4, for one more contact (R11)."""
        kinds, theirs = ([*map(kind_of, self.held(*things))] for things in (group, [thing]))
        too_many = any(kind in kinds and (kinds + theirs).count(kind) > self.order.values_per_type for kind in theirs)
        is_full = too_many or len(kinds + theirs) > self.order.identifiers_per_contact
        joining = [each for each in self.named if group and not is_full and {self.leads[each], self.was.get(each)} & {*group, thing}]
        times = {each: [at for named, at in self.merges if named == each] + [self.event.at] * (len(group) - 1) for each in joining}
        on_day, in_hour = ({each: sum(at // unit == self.event.at // unit for at in times[each]) for each in times} for unit in (1440, 60))
        too_often = {each for each in times if on_day[each] + 2 > self.order.contacts_per_day}
        self.quarantined |= too_often
        return is_full or bool(too_often) or any(count >= self.order.merges_per_hour for count in in_hour.values())

    def _settle(self, party: list[str], named: list[str], rank: tuple[int, Moment], values: dict[str, object]) -> str:
        """Make one contact of a party. Survivor: the strongest before this event (R14), then who was seen first, then the smallest id."""
        group, fresh = [each for each in party if ":" not in each], [each for each in party if ":" in each]
        named = [each for each in named if self.leads[each] in party]
        self.merges += [(each, self.event.at) for each in named if self.leads[each] in group for _ in group[1:]]
        first = min(fresh, key=self.event.identifiers.index, default="")
        contact = min(group, key=lambda each: (-max([CLAIMED, *self.held(each).values()]), min(self.seen_at(each)), each), default="")
        contact = contact or self.name(self.event, first, first not in self.then)
        self.absorbed |= {each: contact for each in group if each != contact}
        coming = [each for each in fresh if each not in self.then or self.now(self.then[each].contact) != contact]
        for each in sorted(coming, key=self.then.__contains__):
            kinds, before = [*map(kind_of, self.held(contact))], self.then.get(each)
            if len(kinds) >= self.order.identifiers_per_contact or kinds.count(kind_of(each)) >= self.order.values_per_type:
                self.reasons.add("limit")
                continue
            self.then[each] = Stay(each, contact, self.event.moment if before else EVER)
            self.stays.append(self.then[each])
            if before and each == self.event.proof:
                self._copy(before, self.then[each], values)
        sure = {stay: self._assurance(each) for each, stay in self.then.items() if each in named and self.now(stay.contact) == contact}
        self.said.append(Said(contact, sure, rank, values, party is self.own or not group))
        return contact

    def _copy(self, left: Stay, stay: Stay, values: dict[str, object]) -> None:
        """The values that came with what is proved, where the prover has none. Whoever is left is proposed (R9)."""
        mine, holder = {*self.values(stay.contact), *values}, self.now(left.contact)
        for name, (value, said) in self.values(holder).items():
            if left in said.sure and value is not None and name not in mine:
                self.said.append(Said(stay.contact, {stay: CLAIMED}, (CLAIMED, said.rank[1]), {name: value}, is_seen=False))
        self.reasons |= {"proof"} if self.held(holder) else set()
