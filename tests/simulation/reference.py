"""A second reading of the rules of resolution, to hold `decide` against: facts are only ever added, all else is counted anew from them.

Written from the specification, and apart from `onefold.identity`, of which it uses nothing: no snapshots, no summaries, no batches, no
plans. It leaves out what has nothing to do with who is whom: normalising, labels, versions, evidence, messages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.facts import EVER, Facts, Stay, kind_of
from tests.simulation.worlds import ASSERTED, CLAIMED, PROVED, Event, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Model(Facts):
    """The facts, and what events add to them."""

    def __init__(self, order: Order, name: Callable[[Event, str, bool], str]) -> None:
        """`name` gives the id of the contact that an event creates with an identifier first, which is new or not: it only breaks ties."""
        super().__init__(order)
        self.name = name

    def take(self, event: Event) -> tuple[str | None, set[str]]:
        """Add what an event says; gives the contact that it belongs to, and the guards that held something back."""
        case = Case(self, event)
        return case.carry_out(), case.reasons


class Case:
    """An event that is being taken. Each of its identifiers leads to a contact, or to itself where it is new or changes hands."""

    def __init__(self, model: Model, event: Event) -> None:
        self.model, self.event, self.order, self.reasons = model, event, model.order, set[str]()
        self.was = dict[str, str]()
        """Who held what is proved, where it comes from there: for limits it still leads to them."""
        self.own = list[str]()
        """What becomes the contact of the event."""
        self.named = sorted(self._that_resolve(), key=lambda each: self.order.priority.index(kind_of(each)))
        self.stays = {each: stay for each in self.named if (stay := self._stay_then(each)) is not None}
        self.leads = {each: model.now(self.stays[each].contact) if each in self.stays else each for each in self.named}

    def carry_out(self) -> str | None:
        """Gives the contact that the event belongs to."""
        own, side, aside = self._parties()
        if not own:
            self.reasons = {"barred" if self.named else "no_identifier"}
            return None
        is_closed = self._is_closed(own)
        contact = self._settle(own, self.named)
        if side:
            self._settle(side, aside)
        self.model.seen.append((contact, self.event.at))
        rank = (CLAIMED if self.event.asserts is not None or self.event.assurance == PROVED else self.event.assurance, self.event.moment)
        if not (is_closed and self.order.policy == "strict" and rank[0] == CLAIMED):  # R12
            self.model.told += [(contact, name, rank, value) for name, value in self.event.values]
        return contact

    def _that_resolve(self) -> list[str]:
        """Guard 5; and one value of a type that is unique (R6)."""
        found: list[str] = []
        for each in self.event.identifiers:
            if each not in self.order.blocked and each not in found and kind_of(each) not in self._once(found):
                found.append(each)
        return [each for each in found if each not in self.model.quarantined]

    def _stay_then(self, identifier: str) -> Stay | None:
        """With whom an identifier was when the event happened."""
        then = [stay for stay in self.model.stays if stay.identifier == identifier and stay.since <= self.event.moment]
        return max(then, key=lambda stay: stay.since, default=None)

    def _assurance(self, identifier: str) -> int:
        """How strongly the event binds it (R8)."""
        if self.event.asserts is not None:
            return int(identifier in self.event.asserts)
        if self.event.assurance < PROVED or identifier == self.event.proof:
            return self.event.assurance
        return int(kind_of(identifier) in self.order.device_bound)

    def _is_barred(self, identifier: str) -> bool:
        """Old news takes nothing back."""
        return any(each == identifier and self.event.at < until for each, until in self.model.barriers)

    def _is_sealed(self, identifier: str) -> bool:
        """Guard 2, and old news: it joins nobody."""
        is_proved = identifier in self.stays and self.stays[identifier].assurance == PROVED
        return self._is_barred(identifier) or (is_proved and self._assurance(identifier) == CLAIMED)

    def _holds(self, thing: str) -> list[str]:
        """The identifiers of what an identifier leads to."""
        return [thing] if ":" in thing else [stay.identifier for stay in self.model.held(thing)]

    def _once(self, identifiers: Iterable[str]) -> dict[str, str]:
        """Those of unique types, by type; the first of each."""
        return {kind_of(each): each for each in reversed(list(identifiers)) if kind_of(each) in self.order.unique}

    def _is_device(self, thing: str) -> bool:
        """Nothing else (R16)."""
        return all(kind_of(each) in self.order.device_bound for each in self._holds(thing))

    def _is_known(self, party: list[str]) -> bool:
        """Whether what is together holds more than claims, or will."""
        asserted = {self.leads[each] for each in self.named if self._assurance(each) > CLAIMED}
        return any((party is self.own and each in asserted) or self.model.strength(each) > CLAIMED for each in party)

    def _is_closed(self, party: list[str]) -> bool:
        """Whether claims come to what is together by the policy alone."""
        return self._is_known(party) or any(self.model.is_closed(each) for each in party)

    def _clashes(self, thing: str, only: Mapping[str, str]) -> bool:
        """Guard 1."""
        return any(only.get(kind, value) != value for kind, value in self._once(self._holds(thing)).items())

    def _parties(self) -> tuple[list[str], list[str], list[str]]:
        """What becomes the contact of the event, what becomes another one aside of it, and through which identifiers (R1)."""
        is_proof = self.event.assurance == PROVED and self.event.proof in self.named
        claims = [each for each in self.named if self._is_claim(each) or (is_proof and self._assurance(each) == CLAIMED)]
        own, side, aside = self.own, list[str](), list[str]()
        self._prove(own)
        self._gather([each for each in self.named if each not in claims], own)
        sealed = [each for each in claims if self._is_sealed(each)]
        claims = [each for each in claims if each not in sealed]
        closed = [each for each in claims if self.model.is_closed(self.leads[each])]
        if own or not closed or self._goes_its_own_way(claims, closed):
            aside = self._gather(claims, own)
        if not own and closed:
            self.reasons.clear()
            theirs = self._once(each for each in claims if not self._is_barred(each))
            own.append(self.leads[next((each for each in closed if not self._clashes(self.leads[each], theirs)), closed[0])])
            aside = self._gather(claims, own)
        self._gather(sealed, own)
        self._gather(aside, side)
        self.reasons |= {"conflict" if each in self.stays and self.leads[each] == each else "policy" for each in aside}
        return own, side, aside

    def _prove(self, own: list[str]) -> None:
        """Who is the prover, where it is not the contact of what is proved and may not become one with it (R9, R10)."""
        proved = self.event.proof if self.event.assurance == PROVED and self.event.proof is not None else ""
        stay = self.model.present(proved)
        if proved not in self.named or stay is None or self._is_barred(proved):
            return
        self.stays[proved], self.leads[proved] = stay, self.model.now(stay.contact)
        holder, devices = (
            self.leads[proved],
            [each for each in self.named if self._assurance(each) == ASSERTED and not self._is_sealed(each)],
        )
        theirs = list(dict.fromkeys(self.leads[each] for each in devices if each in self.stays))
        device = theirs[0] if theirs else None
        only = self._once([proved, *self._holds(holder)])
        if device is not None and (device == holder or self._clashes(device, only)):
            return
        guard = self._why_not(proved, [device], {}) if device and stay.assurance > CLAIMED else None
        if guard and self._are_apart(holder, [each for each in theirs if not self._clashes(each, only)]):
            guard = "kept_apart"
        if guard or (stay.assurance == CLAIMED and (devices or len(self._holds(holder)) > 1)):
            self._gather([each for each in self.named if self._assurance(each) == ASSERTED], own)
            if holder not in own and guard:
                self.reasons.add(guard)
            proofs = [at for (at, _), assurance, _ in stay.uses if assurance == PROVED]
            if holder not in own and (not guard or (proofs and self.event.at > max(proofs))):
                self.leads[proved], self.was[proved] = proved, holder

    def _goes_its_own_way(self, claims: list[str], closed: list[str]) -> bool:
        """Whether nothing of the event reaches a closed contact: its unique identifier is not there, or the join is refused (R1)."""
        named = self._once(self.named)
        if self.order.policy == "strict" or named:
            led = {self.leads[each] for each in named.values()}
            return self.order.policy == "strict" or not led & {self.leads[each] for each in closed}
        first = next(each for each in claims if each in self.stays and not self._is_sealed(each))
        only = self._once(self._holds(self.leads[first]))
        both = {**only, **self._once(self._holds(self.leads[closed[0]]))}
        free = [each for each in claims if each not in closed and not self._is_sealed(each) and kind_of(each) in self.order.device_bound]
        return (first not in closed and any(self._clashes(self.leads[each], only) for each in closed)) or any(
            not self._is_device(self.leads[each]) and not self._clashes(self.leads[each], both) for each in free
        )

    def _gather(self, named: list[str], party: list[str]) -> list[str]:
        """Bring together what identifiers lead to, in the order of R5, as guards let it; gives those that claims may not bring."""
        first = next((self.leads[each] for each in named if each in self.stays and not self._is_sealed(each)), "")
        held = [each for thing in party for each in self._holds(thing)]
        only = self._once([*held, *(each for each in named if not self._is_barred(each)), *([] if party else self._holds(first))])
        aside = []
        for each in sorted(
            named, key=lambda each: (self._is_sealed(each), not (party or self._is_sealed(each)) and self._is_refused(each))
        ):
            now = self._once([*only.values(), *(held for member in party for held in self._holds(member))])
            if self._clashes(self.leads[each], now) and not self._is_sealed(each) and self._changes_hands(each):
                self.leads[each] = each
            if self.leads[each] not in party:
                why = self._why_not(each, party, now)
                if why is None:
                    party.append(self.leads[each])
                elif why == "aside":
                    aside.append(each)
                else:
                    self.reasons.add(why)
        return aside

    def _changes_hands(self, identifier: str) -> bool:
        """A device that two people use, by event time (R2, R7)."""
        stay = self.stays.get(identifier)
        if stay is None:
            return False
        is_present = stay is self.model.present(identifier)
        return is_present and kind_of(identifier) in self.order.device_bound and self.event.moment > max(stay.last_use, stay.since)

    def _is_refused(self, identifier: str) -> bool:
        """A claim on somebody whom claims do not join."""
        return self._is_claim(identifier) and self.model.is_closed(self.leads[identifier])

    def _is_claim(self, identifier: str) -> bool:
        return self._assurance(identifier) == CLAIMED and self.order.policy != "eager"

    def _why_not(self, identifier: str, party: list[str], only: Mapping[str, str]) -> str | None:
        """The guard that keeps from a party what an identifier leads to."""
        thing, is_held = self.leads[identifier], ":" not in self.leads[identifier]
        if self._is_sealed(identifier):
            return None if is_held and not party else "barred" if self._is_barred(identifier) else "proof"
        if self._clashes(thing, only):
            return "conflict" if is_held else "aside"
        if self._is_refused(identifier):
            return "known" if self._is_known(party) and self._is_known([thing]) else "policy"
        if (
            self._is_claim(identifier)
            and self._is_closed(party)
            and not (self.order.policy == "careful" and self._is_device(identifier) and self._is_device(thing))
        ):
            return "aside"
        if self._are_apart(thing, party):
            return "kept_apart"
        return "limit" if is_held and party and self._too_much(party, thing) else None

    def _are_apart(self, thing: str, party: list[str]) -> bool:
        return any({self.model.now(one), self.model.now(other)} == {thing, each} for one, other in self.model.apart for each in party)

    def _too_much(self, party: list[str], thing: str) -> bool:
        """Guard 4, for one more contact (R11)."""
        group = [each for each in party if ":" not in each]
        kinds, theirs = [kind_of(held) for each in group for held in self._holds(each)], [kind_of(held) for held in self._holds(thing)]
        if not group:
            return False
        if len(kinds) + len(theirs) > self.order.identifiers_per_contact:
            return True
        if any(kind in kinds and (kinds + theirs).count(kind) > self.order.values_per_type for kind in theirs):
            return True
        too_often = False
        for each in [each for each in self.named if {self.leads[each], self.was.get(each)} & {*group, thing}]:
            times = [at for identifier, at in self.model.merges if identifier == each] + [self.event.at] * (len(group) - 1)
            in_hour, on_day = (sum(at // unit == self.event.at // unit for at in times) for unit in (60, 24 * 60))
            too_often |= in_hour >= self.order.merges_per_hour or on_day + 2 > self.order.contacts_per_day
            if on_day + 2 > self.order.contacts_per_day:
                self.model.quarantined.add(each)
        return too_often

    def _settle(self, party: list[str], named: list[str]) -> str:
        """Make one contact of a party. Survivor: the strongest before this event (R14), then who was seen first, then the smallest id."""
        model, group = self.model, [each for each in party if ":" not in each]
        named = [each for each in named if self.leads[each] in party]
        model.merges += [(each, self.event.at) for each in named if self.leads[each] in group for _ in group[1:]]
        coming = sorted((each for each in party if ":" in each), key=lambda each: each in self.stays)
        if group:
            contact = min(group, key=lambda each: (-model.strength(each), model.span(each)[0], each))
            model.absorbed |= {each: contact for each in group if each != contact}
        else:
            first = min(coming, key=self.event.identifiers.index)
            contact = model.name(self.event, first, first not in self.stays)
            model.seen.append((contact, self.event.at))
        for each in coming:
            if each in self.stays and model.now(self.stays[each].contact) == contact:
                continue  # by something else that the event says, the two are one now
            kinds = [kind_of(held) for held in self._holds(contact)]
            if len(kinds) >= self.order.identifiers_per_contact or kinds.count(kind_of(each)) >= self.order.values_per_type:
                self.reasons.add("limit")
                continue
            before, self.stays[each] = self.stays.get(each), Stay(each, contact, self.event.moment if each in self.stays else EVER)
            model.stays.append(self.stays[each])
            if before is not None and each == self.event.proof and model.held(model.now(before.contact)):
                self.reasons.add("proof")  # whoever is left is proposed (R9)
        mine = [stay for each, stay in self.stays.items() if each in named and model.now(stay.contact) == contact]
        beside = any(kind_of(stay.identifier) not in self.order.device_bound for stay in mine)
        for stay in mine:
            stay.uses.append((self.event.moment, self._assurance(stay.identifier), beside))
        return contact
