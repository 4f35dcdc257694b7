"""Resolve interactions in an open transaction: read, decide, lock, read again, decide, apply (architecture, section 2, step 4).

The transaction is a pure function of what it reads, so whoever called may roll back and repeat it. What gives an empty plan is
done after the first reading, having locked nobody. The first reading and the decision may be done ahead, in an earlier transaction
(`foresee`): the plan is carried out only where the second reading finds the same rows (`settle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from onefold.failpoints import reach
from onefold.identity.decide import decide
from onefold.records import apply as applying
from onefold.records import organizations, snapshots
from onefold.records.listings import Listings
from onefold.records.parked import park
from onefold.records.proposals import propose
from onefold.records.quarantine import put
from onefold.records.store import Moved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.identity.contact import TenureId
    from onefold.identity.interaction import Interaction
    from onefold.identity.membership import Membership
    from onefold.identity.plan import Plan
    from onefold.identity.rules import Rules
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection


def with_organizations(interactions: Sequence[Interaction], named: Mapping[tuple[str, str], Membership]) -> Sequence[Interaction]:
    """The same, each with the organization that it names, if there is one."""
    if not named:
        return interactions
    return [
        replace(each, organization=named.get((each.workspace, each.group))) if each.group is not None else each for each in interactions
    ]


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What some interactions would change, by what was there when it was read."""

    interactions: Sequence[Interaction]
    rules: Mapping[str, Rules]
    incarnation: str
    groups: set[tuple[str, str]]
    """Workspace and slug of the organizations that they name."""
    named: Mapping[tuple[str, str], Membership]
    """Those of them that there are."""
    numbers: Sequence[TenureId]
    rows: snapshots.Rows
    plan: Plan


class Resolution:
    """What resolving needs besides the connection; one per worker."""

    def __init__(self, *, shards: int, numbers: TenureNumbers, budget: int, parks: bool = True) -> None:
        """`parks`: whether what limits left out is kept; not where the same event is decided on again, when it lies on the log."""
        self._shards = shards
        self._numbers = numbers
        self._budget = budget
        self._parks = parks
        self._listings = Listings()

    async def resolve(
        self, connection: Connection, interactions: Sequence[Interaction], rules: Mapping[str, Rules], incarnation: str
    ) -> Plan:
        """The plan for these interactions, written. It may cover fewer of them than given, by the budget of tenures to move."""
        seen = await self.foresee(connection, interactions, rules, incarnation)
        interactions, groups, named, numbers, rows, plan = seen.interactions, seen.groups, seen.named, seen.numbers, seen.rows, seen.plan
        await reach("resolver.read")
        if not plan.writes:
            self._numbers.give_back(numbers)
            await self._set_aside(connection, plan)
            return plan
        if groups and await organizations.memberships(connection, groups, will_write=True) != named:
            raise Moved("an organization was renamed, archived or destroyed just now")
        locked = await snapshots.lock(connection, plan.touched)
        if locked:
            await reach("resolver.locked")
            again = await snapshots.read(connection, interactions, before=rows, kept=self._listings)
            if again != rows:  # else the decision stands, since it depends on nothing else
                plan = self._decide(again, interactions, rules, numbers)
            if not plan.touched <= locked:
                raise Moved("the contacts to change are not the ones that were locked")
        self._numbers.give_back(numbers[len(plan.tenures_new) :])
        await self._write(connection, plan, incarnation)
        return plan

    async def foresee(
        self, connection: Connection, interactions: Sequence[Interaction], rules: Mapping[str, Rules], incarnation: str
    ) -> Foreseen:
        """Read and decide, writing nothing and locking nobody."""
        groups = {(each.workspace, each.group) for each in interactions if each.group is not None}
        named = await organizations.memberships(connection, groups, will_write=False) if groups else {}
        interactions = with_organizations(interactions, named)
        numbers = await self._numbers.take(connection, sum(len(each.identifiers) for each in interactions))
        self._listings.live(incarnation)
        rows = await snapshots.read(connection, interactions, kept=self._listings)
        plan = self._decide(rows, interactions, rules, numbers)
        return Foreseen(interactions, rules, incarnation, groups, named, numbers, rows, plan)

    async def settle(self, connection: Connection, seen: Foreseen, incarnation: str) -> Plan:
        """Carry out what an earlier transaction foresaw, where all is as it was; else resolve the same interactions by what is there now.

        As `resolve`, the plan may cover fewer of them than given. Their rules must be in force still.
        """
        groups, plan = seen.groups, seen.plan
        is_as_it_was = incarnation == seen.incarnation and (
            not groups or await organizations.memberships(connection, groups, will_write=True) == seen.named
        )
        if is_as_it_was:
            locked = await snapshots.lock(connection, plan.touched)
            again = await snapshots.read(connection, seen.interactions, before=seen.rows, kept=self._listings)
            is_as_it_was = again == seen.rows and plan.touched <= locked
        if not is_as_it_was:
            self._numbers.give_back(seen.numbers)
            return await self.resolve(connection, seen.interactions, seen.rules, incarnation)
        self._numbers.give_back(seen.numbers[len(plan.tenures_new) :])
        if plan.writes:
            await self._write(connection, plan, incarnation)
        else:
            await self._set_aside(connection, plan)
        return plan

    async def _write(self, connection: Connection, plan: Plan, incarnation: str) -> None:
        await applying.apply(connection, plan, shards=self._shards, incarnation=incarnation)
        await self._listings.keep_written(connection, plan)
        await self._set_aside(connection, plan)
        await reach("resolver.applied")

    async def _set_aside(self, connection: Connection, plan: Plan) -> None:
        """Keep what limits left out, what is proposed, and what went into quarantine: last, since that takes the row of changes of rules.

        Also where nothing else came of an interaction, and nobody is locked.
        """
        if plan.parked and self._parks:
            await park(connection, plan.parked)
        if plan.proposed:
            await propose(connection, plan.proposed)
        if plan.quarantined:
            await put(connection, plan.quarantined)

    def _decide(
        self, rows: snapshots.Rows, interactions: Sequence[Interaction], rules: Mapping[str, Rules], numbers: Sequence[TenureId]
    ) -> Plan:
        return decide(snapshots.snapshot_of(rows), interactions, rules, iter(numbers), budget=self._budget)
