"""What-if from nothing: lines a second, from bytes to the report's bytes, against decoding and encoding the same lines.

The substrate reads each line by the same decoder, its identifiers too, and encodes the message again. The lines are a day of a site:
visitors come for two dozen pages each, a third of them sign up on the way, and some turn out to have been here before. Beside it, without
a goal, the worst there is: every line a new person.
"""

from __future__ import annotations

import gc
import io
import sys
import time
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from onefold.messages.codec import decode_identifiers, encode, skim
from onefold.messages.interactions import InteractionMessage, WireIdentifier
from onefold.messages.times import time_text
from onefold.ops.simulate.lines import numbered
from onefold.ops.simulate.report import report as said
from onefold.ops.simulate.report import text
from onefold.ops.simulate.run import Run, from_empty, same_everywhere
from tests.benchmarks.rig.measuring import figure, report
from tests.support.worlds import START

if TYPE_CHECKING:
    from collections.abc import Callable

VISITORS, PAGES, REPETITIONS = 2_500, 24, 3
NEW_PEOPLE = 10_000
PROPERTIES = {"path": "/pricing", "referrer": "https://www.example.com/", "title": "Pricing"}
CONTEXT = {
    "ip": "203.0.113.9",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537.36",
}


def main() -> int:
    """Measure in pairs; a first pair warms both up."""
    gc.disable()  # as the command does
    figures = []
    for measure, lines, goal in (
        ("simulate: a day of a site", day_of_a_site(), 0.25),
        ("simulate: every line a new person", new_people(), None),
    ):
        pairs = [(_rate(_simulate, lines), _rate(_decode_and_encode, lines)) for _ in range(1 + REPETITIONS)]
        figures.append(figure(measure, "lines/s", pairs[1:], at_least=goal))
    return report(figures)


def day_of_a_site() -> list[bytes]:
    """Visits side by side, each in its own order."""
    dice = Random(5)
    turns = [visitor for visitor in range(VISITORS) for _ in range(PAGES)]
    dice.shuffle(turns)
    pages = [0] * VISITORS
    lines = []
    for number, visitor in enumerate(turns):
        pages[visitor] += 1
        # Every tenth of those who sign up gives the address of somebody who did before.
        person = visitor - 3 if visitor % 30 == 0 and visitor else visitor
        signs_up = visitor % 3 == 0 and pages[visitor] == PAGES // 2
        is_named = signs_up or (visitor % 3 == 0 and pages[visitor] > PAGES // 2 and dice.random() < 0.3)
        lines.append(_line(number, f"visitor-{visitor}", f"person-{person}@example.com" if is_named else None, signs_up=signs_up))
    return lines


def new_people() -> list[bytes]:
    """A token and an email each."""
    return [_line(number, f"visitor-{number}", f"person-{number}@example.com") for number in range(NEW_PEOPLE)]


def _line(number: int, token: str, email: str | None, *, signs_up: bool = False) -> bytes:
    at = time_text(START + timedelta(seconds=number))
    identifiers = [WireIdentifier("anonymous_token", token)]
    if email is not None:
        identifiers.append(WireIdentifier("email", email))
    return encode(
        InteractionMessage(
            event_id=f"00000000-0000-4000-8000-{number:012}",
            workspace="acme",
            type="identify" if signs_up else "page",
            channel="web",
            name=None if signs_up else "Pricing",
            assurance="claimed",
            occurred_at=at,
            received_at=at,
            identifiers=identifiers,
            traits={"given_name": "Ann", "last_name": "Lee", "plan": "pro"} if signs_up else None,
            properties=PROPERTIES,
            context=CONTEXT,
        )
    )


def _rate(work: Callable[[list[bytes]], int], lines: list[bytes]) -> float:
    began = time.perf_counter()
    assert work(lines) > len(lines)
    return len(lines) / (time.perf_counter() - began)


def _simulate(lines: list[bytes]) -> int:
    run = Run(same_everywhere(None))
    bad = from_empty(numbered(io.BytesIO(b"\n".join(lines))), [run])
    return sum(map(len, text(said(run, bad))))


def _decode_and_encode(lines: list[bytes]) -> int:
    total = 0
    for line in lines:
        message = skim(line)
        decode_identifiers(message.identifiers)
        total += len(encode(message))
    return total


if __name__ == "__main__":
    sys.exit(main())
