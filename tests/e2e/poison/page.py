"""`docs/reference/poison.md` from the cases: `python -m tests.e2e.poison.page` writes it, a test holds it to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.e2e.poison import door_cases, topic_cases

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.e2e.poison.cases import DoorCase, Fate, Person, TopicCase

PAGE: Final = Path(__file__).parents[3] / "docs" / "reference" / "poison.md"
LONGEST: Final = 60

HEAD: Final = """# Poison messages

<!-- written by python -m tests.e2e.poison.page -->

What becomes of messages that hurt, at the collector's door and straight on the topic `interactions`. A test sends every line of this page
through real servers, good neighbours before and after it: whatever happens to the line happens to it alone, and a dead letter holds its
key, value, headers, position and time byte for byte.

**R** refused at the door: the answer to the call alone is shown, in a batch it stands in `rejected` of a 200. **D** dead letter, with its code.
**S** sanitised and applied; shown is what is stored. **P** dropped by policy: the event is kept and counted, what is wrong in it does not
resolve. An event is a dead letter only if it cannot be read, or if two readers would read it differently.

Choices:

- A key that is named twice is refused at the door wherever it stands; on the topic only where it decides who is who, elsewhere the last one counts.
- Half of a surrogate pair is replaced at the door, since browsers cut texts within an emoji, and dead on the topic, where a server wrote it.
- The same event id with another body is applied too: no ledger hides a real event.
- A record's size is judged by our own limit of 1 MiB, not by what a consumer fetches.
- A header whose *name* is no UTF-8 stops its partition until a person looks, since the client library cannot give the record.

- Patterns of blocked values are matched in linear time (RE2), so no text can make one explode (31).

Numbers 32 and 33 of the list are faults of processes and logs, not of messages. Number 35, a valid event that merges into a contact of 50,000
identifiers, is parked whole with reason `limit`, raises the alarm, and harms no neighbour: `tests/e2e/poison/test_cluster.py`.
"""

TITLES: Final = {
    1: "Zero-byte value",
    2: "Null value",
    3: "Invalid UTF-8",
    4: "Truncated JSON",
    5: "Trailing data",
    6: "No object at top level",
    7: "Deep nesting",
    8: "Integer of 10,000 digits",
    9: "NaN, Infinity, 1e400",
    10: "A key named twice",
    11: "Lone surrogate",
    12: "NUL",
    13: "Compression",
    14: "`type`",
    15: "Version from the future",
    16: "Identifier that is no text",
    17: "Placeholder identifier",
    18: "Long identifier",
    19: "Many identifiers",
    20: "Alias to self",
    21: "Cycle",
    22: "Alias to a merged or foreign contact",
    23: "Timestamps",
    24: "Event id",
    25: "Key of the record",
    26: "Headers",
    27: "Unknown workspace",
    28: "Traits, many or strangely named",
    29: "Strange emails and phones",
    30: "Values that break databases",
    31: "Texts that make patterns explode",
    34: "Too large",
    36: "Names that attack their readers",
}


def page() -> str:
    """The whole page."""
    numbers = sorted({*(case.number for case in door_cases.CASES), *(case.number for case in topic_cases.CASES)})
    return HEAD + "".join(_section(number) for number in numbers)


def _section(number: int) -> str:
    rows = [*_door_rows(number), *_topic_rows(number)]
    return f"\n## {number}. {TITLES[number]}\n\n| Where | What | Fate | Code, or what is stored |\n|---|---|---|---|\n" + "".join(rows)


def _door_rows(number: int) -> Iterator[str]:
    for case in door_cases.CASES:
        if case.number == number:
            said = _stored(case) if case.word == "taken" else f"{case.status} `{case.word}`"
            yield _row(
                "door", case.kind, case.fate, said + (", the whole batch 400 `malformed_body`" if case.within == "malformed" else "")
            )


def _topic_rows(number: int) -> Iterator[str]:
    for case in topic_cases.CASES:
        if case.number == number:
            yield _row("topic", case.kind, case.fate, _stored(case) if case.fate != "D" else f"`{case.word}`")


def _stored(case: DoorCase | TopicCase) -> str:
    return "; ".join(filter(None, map(_person, case.people))) or ("nothing but its token" if case.people else f"no contact: {case.word}")


def _person(person: Person) -> str:
    names = [ascii(each) for each in (person.given_name, person.last_name) if each is not None]
    values = [f"{key!a}: {value!a}" for key, value in person.attributes.items()]
    more = [each for each in person.identifiers if each != "anonymous_token:WHO"]
    said = [
        *(f"`{_short(each)}`" for each in (*map(ascii_text, more), *names, *values)),
        *(["the time of receipt"] if person.received else []),
    ]
    return ", ".join(said)


def ascii_text(text: str) -> str:
    """The text with everything beyond ASCII escaped."""
    return ascii(text)[1:-1]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 4 :]}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(_cells(cells)) + " |\n"


def _cells(cells: Iterable[str | Fate]) -> Iterator[str]:
    return (each.replace("|", "\\|").replace("\n", " ") for each in cells)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
