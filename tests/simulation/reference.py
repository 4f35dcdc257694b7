"""A second reading of the rules of resolution, to hold `decide` against: facts are only ever added, all else is counted anew from them.

Written from the specification, and apart from `onefold.identity`, of which it uses nothing: no snapshots, no summaries, no copies, no
batches. A *stay* is an identifier with one contact. Stays, what they were used for, what contacts were told and when they were seen are
lists that grow, and who absorbed whom is a union-find; what a contact holds, how sure that is, what it is called and what its type is
are looked up there each time. It leaves out what has nothing to do with who is whom: normalising, labels, versions, evidence, messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.simulation.worlds import ASSERTED, CLAIMED, PROVED, Event, Moment, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_EVER: Moment = (-1, "")


class Use(NamedTuple):
    """An event that named an identifier."""

    moment: Moment
    assurance: int
    beside_personal: bool
    """Together with a personal identifier of the holder (R7)."""


@dataclass
class Stay:
    """An identifier with one contact: since ever, or since it was handed over."""

    identifier: str
    contact: str
    since: Moment = _EVER
    ended: bool = False
    uses: list[Use] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its type."""
        return kind_of(self.identifier)

    @property
    def assurance(self) -> int:
        """The strongest that was ever said for it."""
        return max(use.assurance for use in self.uses)

    @property
    def last_use(self) -> Moment:
        """The last one that holds off a hand-over (R7)."""
        return max((use.moment for use in self.uses if use.beside_personal), default=_EVER)


@dataclass
class Model:
    """All facts of one workspace."""

    order: Order
    name: Callable[[Event, str], str]
    """The id of the contact that an event creates with this identifier first. Ids are opaque, and only break ties."""
    stays: list[Stay] = field(default_factory=list)
    absorbed: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str, tuple[int, Moment], object]] = field(default_factory=list)
    seen: list[tuple[str, int]] = field(default_factory=list)
    merges: list[tuple[str, int]] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)

    # -- what follows from the facts -------------------------------------------------------------------------------------

    def now(self, contact: str) -> str:
        """Who answers to an id."""
        while contact in self.absorbed:
            contact = self.absorbed[contact]
        return contact

    def held(self, contact: str) -> list[Stay]:
        """The stays of a contact that last."""
        return [stay for stay in self.stays if not stay.ended and self.now(stay.contact) == contact]

    def contacts(self) -> set[str]:
        """Everybody who was not absorbed."""
        return {self.now(contact) for contact, _ in self.seen}

    def values(self, contact: str) -> dict[str, object]:
        """What a contact is called and has: of all that was told, the strongest, then the latest (R12). A null clears."""
        best: dict[str, tuple[tuple[int, Moment], object]] = {}
        for whom, name, rank, value in self.told:
            if self.now(whom) == contact and (name not in best or best[name][0] < rank):
                best[name] = rank, value
        return {name: value for name, (_, value) in best.items() if value is not None}

    def type_of(self, contact: str) -> str:
        """Ghost, lead or contact."""
        values, reachable = self.values(contact), [stay for stay in self.held(contact) if stay.kind in ("email", "phone")]
        if not reachable or not values.get("given_name") or not values.get("last_name"):
            return "ghost"
        return "contact" if any(stay.assurance == PROVED for stay in reachable) else "lead"

    def span(self, contact: str) -> tuple[int, int]:
        """When a contact was first and last seen."""
        times = [at for whom, at in self.seen if self.now(whom) == contact]
        return min(times), max(times)

    def _holder_at(self, identifier: str, moment: Moment) -> Stay | None:
        """Whose an identifier was at a time."""
        then = [stay for stay in self.stays if stay.identifier == identifier and stay.since <= moment]
        return max(then, key=lambda stay: stay.since, default=None)

    # -- an event --------------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> tuple[str | None, set[str]]:
        """Add what an event says; gives the contact that it belongs to, and the guards that held something back."""
        reasons: set[str] = set()
        identifiers = self._that_resolve(event)
        if not identifiers:
            return None, {"no_identifier"}
        stays = {each: stay for each in identifiers if (stay := self._holder_at(each, event.moment)) is not None}
        group, moving = self._gather(event, identifiers, stays, reasons)
        its_own = [each for each in identifiers if each not in stays or each in moving]
        contact = self._join(event, group, self._through(stays, group)) if group else self.name(event, its_own[0])
        for each in [each for each in sorted(identifiers, key=self._priority) if each not in stays] + moving:  # what is new goes first
            self._give(event, contact, each, stays, reasons)
        mine = self._through(stays, [contact])
        beside = any(stay.kind not in self.order.device_bound for stay in mine)
        for stay in mine:
            stay.uses.append(Use(event.moment, self._assurance(event, stay.identifier), beside))
        rank = (CLAIMED if event.asserts is not None else event.assurance, event.moment)
        self.told += [(contact, name, rank, value) for name, value in event.values]
        self.seen.append((contact, event.at))
        return contact, reasons

    def _that_resolve(self, event: Event) -> list[str]:
        """Guard 5; and one value of a type that is unique (R6)."""
        found: list[str] = []
        for each in event.identifiers:
            second = kind_of(each) in self.order.unique and any(kind_of(other) == kind_of(each) for other in found)
            if each not in self.order.blocked and each not in found and not second:
                found.append(each)
        return [each for each in found if each not in self.quarantined]

    def _priority(self, identifier: str) -> int:
        return self.order.priority.index(kind_of(identifier))

    def _assurance(self, event: Event, identifier: str) -> int:
        if event.asserts is not None:
            return ASSERTED if identifier in event.asserts else CLAIMED
        return event.assurance

    def _unique(self, identifiers: Iterable[str]) -> dict[str, str]:
        return {kind_of(each): each for each in identifiers if kind_of(each) in self.order.unique}

    def _through(self, stays: Mapping[str, Stay], group: list[str]) -> list[Stay]:
        """The event's identifiers that some contacts hold, or held then."""
        return [stay for stay in stays.values() if self.now(stay.contact) in group]

    def _gather(self, event: Event, identifiers: list[str], stays: Mapping[str, Stay], reasons: set[str]) -> tuple[list[str], list[str]]:
        """The contacts that the event makes one, chosen in the order of R5, and the identifiers that it takes from others."""
        group: list[str] = []
        moving: list[str] = []
        only = self._unique(identifiers)
        for each in sorted(stays, key=self._priority):
            stay, other = stays[each], self.now(stays[each].contact)
            theirs = self._unique(held.identifier for held in self.held(other))
            if other in group:
                continue
            if any(only.get(kind, value) != value for kind, value in theirs.items()):  # guard 1
                if stay.kind in self.order.device_bound and not stay.ended and event.moment > stay.last_use:
                    moving.append(each)
                else:
                    reasons.add("conflict")
            elif group and self._too_much(event, group, other, self._through(stays, [*group, other])):
                reasons.add("limit")
            else:
                group.append(other)
                only |= theirs
        return group, moving

    def _too_much(self, event: Event, group: list[str], other: str, through: list[Stay]) -> bool:
        """Guard 4, for one more contact (R11)."""
        kinds, theirs = [stay.kind for each in group for stay in self.held(each)], [stay.kind for stay in self.held(other)]
        if len(kinds) + len(theirs) > self.order.identifiers_per_contact:
            return True
        if any(kind in kinds and (kinds + theirs).count(kind) > self.order.values_per_type for kind in theirs):
            return True
        too_often = False
        for each in through:
            times = [at for identifier, at in self.merges if identifier == each.identifier] + [event.at] * (len(group) - 1)
            in_hour, on_day = (sum(at // unit == event.at // unit for at in times) for unit in (60, 24 * 60))
            too_often |= in_hour >= self.order.merges_per_hour or on_day + 2 > self.order.contacts_per_day
            if on_day + 2 > self.order.contacts_per_day:
                self.quarantined.add(each.identifier)
        return too_often

    def _join(self, event: Event, group: list[str], through: list[Stay]) -> str:
        """One contact of several. Survivor: the strongest before this event (R14), then who was seen first, then the smallest id."""
        strength = {each: max((stay.assurance for stay in self.held(each)), default=CLAIMED) for each in group}
        survivor = min(group, key=lambda each: (-strength[each], self.span(each)[0], each))
        self.absorbed |= {each: survivor for each in group if each != survivor}
        self.merges += [(stay.identifier, event.at) for stay in through for _ in group[1:]]
        return survivor

    def _give(self, event: Event, contact: str, identifier: str, stays: dict[str, Stay], reasons: set[str]) -> None:
        """A new identifier for a contact, or one that is handed over. What is over a limit stays where it is (R11)."""
        kinds = [stay.kind for stay in self.held(contact)]
        if len(kinds) >= self.order.identifiers_per_contact or kinds.count(kind_of(identifier)) >= self.order.values_per_type:
            reasons.add("limit")
            return
        before = stays.get(identifier)
        if before is not None:
            before.ended = True
        stays[identifier] = Stay(identifier, contact, _EVER if before is None else event.moment)
        self.stays.append(stays[identifier])


def kind_of(identifier: str) -> str:
    """The type of an identifier."""
    return identifier.partition(":")[0]
