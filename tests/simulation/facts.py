"""All facts of one workspace, which are only ever added, and what is looked up in them: for the reference model.

A *stay* is an identifier with one contact. Stays, what they were used for, what contacts were told and when they were seen are lists that
grow, and who absorbed whom is a union-find; what a contact holds, how sure that is, what it is called and what its type is are looked up
there each time. No snapshots, no summaries, no copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.simulation.worlds import CLAIMED, PROVED, Moment, Order, Parting

EVER: Moment = (-1, "")


@dataclass(eq=False)
class Stay:
    """An identifier with one contact: since ever, or since it came from another one, where it ended then."""

    identifier: str
    contact: str
    since: Moment = EVER
    uses: list[tuple[Moment, int, bool]] = field(default_factory=list)
    """Events that named it: when, how sure, and whether together with a personal identifier of the contact (R7)."""

    @property
    def assurance(self) -> int:
        """The strongest that was ever said for it."""
        return max(assurance for _, assurance, _ in self.uses)

    @property
    def last_use(self) -> Moment:
        """The last one that holds off a hand-over (R7)."""
        return max((moment for moment, _, beside_personal in self.uses if beside_personal), default=EVER)


@dataclass
class Facts:
    """All facts of one workspace."""

    order: Order
    stays: list[Stay] = field(default_factory=list)
    absorbed: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str, tuple[int, Moment], object]] = field(default_factory=list)
    seen: list[tuple[str, int]] = field(default_factory=list)
    merges: list[tuple[str, int]] = field(default_factory=list)
    quarantined: set[str] = field(default_factory=set)
    apart: list[tuple[str, str]] = field(default_factory=list)
    barriers: list[tuple[str, int]] = field(default_factory=list)

    def now(self, contact: str) -> str:
        """Who answers to an id."""
        return self.now(self.absorbed[contact]) if contact in self.absorbed else contact

    def present(self, identifier: str) -> Stay | None:
        """The stay that lasts."""
        return next((stay for stay in reversed(self.stays) if stay.identifier == identifier), None)

    def held(self, contact: str) -> list[Stay]:
        """The stays of a contact that last."""
        return [stay for stay in {stay.identifier: stay for stay in self.stays}.values() if self.now(stay.contact) == contact]

    def contacts(self) -> set[str]:
        """Everybody who was not absorbed."""
        return {self.now(contact) for contact, _ in self.seen}

    def values(self, contact: str) -> dict[str, object]:
        """What a contact is called and has: of all that was told, the strongest, then the latest (R12). A null clears."""
        told = [(name, value) for whom, name, _, value in sorted(self.told, key=lambda each: each[2]) if self.now(whom) == contact]
        return {name: value for name, value in dict(told).items() if value is not None}

    def type_of(self, contact: str) -> str:
        """Ghost, lead or contact."""
        values, reachable = self.values(contact), [stay for stay in self.held(contact) if kind_of(stay.identifier) in ("email", "phone")]
        if not reachable or not values.get("given_name") or not values.get("last_name"):
            return "ghost"
        return "contact" if any(stay.assurance == PROVED for stay in reachable) else "lead"

    def span(self, contact: str) -> tuple[int, int]:
        """When a contact was first and last seen."""
        times = [at for whom, at in self.seen if self.now(whom) == contact]
        return min(times), max(times)

    def strength(self, contact: str) -> int:
        """The strongest assurance of what it holds; above claimed, it is known."""
        return max((stay.assurance for stay in self.held(contact)), default=CLAIMED)

    def is_closed(self, contact: str) -> bool:
        """Whether claims do not join it freely (R3)."""
        return self.strength(contact) > CLAIMED or (self.order.policy == "strict" and self.type_of(contact) != "ghost")

    def part(self, parting: Parting) -> None:
        """Keep two people apart."""
        one, other = (self.now(stay.contact) for stay in map(self.present, (parting.one, parting.other)) if stay is not None)
        self.apart.append((one, other))
        self.barriers += [(parting.one, parting.until), (parting.other, parting.until)]


def kind_of(identifier: str) -> str:
    """The type of an identifier."""
    return identifier.partition(":")[0]
