"""One run: interactions in the order of their lines, under the rules of their workspaces, on the state that the run has made so far.

Nothing reads a clock. A line has no place in a log, so it counts as appended when it says that it was received: event time is never
after that (R27).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.interaction import Moment, Position
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules_document import Document, rules_of
from onefold.messages.reading import Arrival, arrival_time, event_time, identify, read
from onefold.ops.simulate.lines import MOST_KEPT, Reader
from onefold.ops.simulate.naming import Naming
from onefold.ops.simulate.shapes import OutcomeLine
from onefold.ops.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onefold.identity.contact import ContactId
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.messages.interactions import SkimmedInteraction
    from onefold.ops.simulate.lines import BadLine, Line

CHUNK = 1_000
"""Lines that are read at once; it changes no outcome."""
SOURCE = "simulate"
"""The topic that positions name: there is none."""


class Run:
    """What some rules make of the lines."""

    def __init__(self, rules: Mapping[str, Rules]) -> None:
        """`rules` by workspace; it may grow while the run goes on."""
        self.rules = rules
        self.world = World()
        self.outcomes: list[OutcomeLine] = []
        self._namings: dict[tuple[str, bytes], Naming] = {}
        self._arrived = datetime(1970, 1, 1, tzinfo=UTC)

    def take(self, lines: Iterable[Line]) -> None:
        """Decide on the interactions in these lines. One that says no time is as old as the line before it."""
        for line in lines:
            message = line.message
            self._arrived = arrived = arrival_time(message) or self._arrived
            naming = self._name(line)
            contact_id = self._recognise(message, naming, arrived)
            if contact_id is not None:
                told = OutcomeLine(message.event_id, OutcomeKind.SEEN.value, None, contact_id, message.workspace)
            else:
                outcome = self.world.decide(self._interaction(line, naming, arrived), self.rules)
                told = OutcomeLine(message.event_id, outcome.kind.value, outcome.reason, outcome.contact_id, message.workspace)
            self.outcomes.append(told)

    def named(self, lines: Iterable[Line]) -> list[Interaction]:
        """The interactions in these lines, for whoever looks up what is stored of those whom they name."""
        return [self._interaction(line, self._name(line), self._arrived) for line in lines]

    def _recognise(self, message: SkimmedInteraction, naming: Naming, arrived: datetime) -> ContactId | None:
        """Whom the interaction names, if it could change nothing but times: most lines, at a tenth of the cost of deciding."""
        if message.traits or message.assurance == "proved" or message.asserts is not None:
            return None
        moment = Moment(event_time(message, arrived), message.event_id)
        return self.world.see(naming, moment, Assurance.of(message.assurance), self.rules[message.workspace].recency)

    def _name(self, line: Line) -> Naming:
        key = (line.message.workspace, line.raw)
        found = self._namings.get(key)
        if found is None:
            if len(self._namings) >= MOST_KEPT:
                self._namings.clear()
            rules = self.rules[line.message.workspace]
            found = self._namings[key] = Naming(line.message.workspace, *identify(line.wire, rules), rules)
        return found

    def _interaction(self, line: Line, naming: Naming, arrived: datetime) -> Interaction:
        arrival = Arrival(Position(SOURCE, 0, line.number), arrived, None)
        return read(line.message, naming.identifiers, arrival, self.rules[line.message.workspace], naming.dropped)


def same_everywhere(document: Document | None) -> Mapping[str, Rules]:
    """The same rules for every workspace: what the document makes of Onefold's defaults, and use is recorded exactly (R7)."""
    rules = rules_of(document or Document(), recency=timedelta(0))
    return defaultdict(lambda: rules)


def from_empty(lines: Iterable[tuple[int, bytes]], runs: Sequence[Run]) -> list[BadLine]:
    """Let several runs take the same numbered lines, each beginning from nothing; gives the lines that are no interactions."""
    bad: list[BadLine] = []
    for good, flawed in Reader().chunks(lines, CHUNK):
        bad.extend(flawed)
        for run in runs:
            run.take(good)
    return bad
