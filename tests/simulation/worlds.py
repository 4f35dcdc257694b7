"""Small random worlds that collide a lot: few tokens, emails and user ids, every assurance, times out of order, events that come again.

Plain data, for the reference model and for `decide` alike.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

CLAIMED, ASSERTED, PROVED = range(3)
Moment = tuple[int, str]
"""Minutes, and the event id: at equal times the greater id is the later one (R7)."""
EVER: Moment = (-1, "")
NOW: Moment = (1_000_000, "")

_POOL = {"anonymous_token": 4, "device_id": 2, "email": 3, "phone": 2, "user_id": 3, "oauth": 1}
_OFTEN = {"anonymous_token": 0.8, "device_id": 0.25, "email": 0.4, "phone": 0.2, "user_id": 0.3, "oauth": 0.05}


POLICIES = ("careful", "eager", "strict")


class Event(NamedTuple):
    """An interaction. Identifiers are written `type:value`."""

    event_id: str
    at: int
    """Minutes."""
    assurance: int
    identifiers: tuple[str, ...]
    asserts: frozenset[str] | None = None
    """What an identity token names, a user id always; the rest of the event is claimed then."""
    proof: str | None = None
    """What a proved one proves, of its identifiers."""
    values: tuple[tuple[str, object], ...] = ()
    """Fields and attributes by name."""

    @property
    def moment(self) -> Moment:
        """When it happened, among all others."""
        return self.at, self.event_id


NameContact = Callable[[Event, str, bool], str]
"""Gives the id of the contact that an event creates with an identifier first, which is new or not: it only breaks ties."""


class Parting(NamedTuple):
    """A person says that whoever hold these two identifiers are two people, and events from before then move neither of the two."""

    one: str
    other: str
    until: int


@dataclass(frozen=True)
class Order:
    """What a workspace decides itself."""

    policy: str = "eager"
    priority: tuple[str, ...] = ("user_id", "oauth", "uuid", "email", "phone", "device_id", "anonymous_token")
    unique: frozenset[str] = frozenset({"user_id"})
    device_bound: frozenset[str] = frozenset({"device_id", "anonymous_token"})
    blocked: frozenset[str] = frozenset()
    values_per_type: int = 100
    identifiers_per_contact: int = 10_000
    merges_per_hour: int = 20
    contacts_per_day: int = 50


class Story(NamedTuple):
    """A workspace and what happens in it, in the order of the log."""

    order: Order
    events: tuple[Event | Parting, ...]


def kind_of(identifier: str) -> str:
    """The type of an identifier."""
    return identifier.partition(":")[0]


def random_story(seed: int) -> Story:
    """The story of a seed."""
    dice = random.Random(seed)
    order, in_time = Order(blocked=frozenset(dice.sample(_all_values(), dice.choice([0, 0, 1])))), False
    if dice.random() < 0.25:  # counts of joins an hour and day are kept for the latest ones only, so those worlds are in order of time
        in_time = True
        order = Order(
            values_per_type=dice.choice([2, 3, 100]),
            identifiers_per_contact=dice.choice([3, 5, 100]),
            merges_per_hour=dice.choice([1, 2, 100]),
            contacts_per_day=dice.choice([2, 3, 100]),
        )
    order = replace(order, policy=dice.choice(POLICIES))
    length = dice.randrange(5, 40)
    proofs = dice.random() < 0.4
    events = [_random_event(dice, number, length, proofs=proofs) for number in range(length)]
    if in_time:
        events.sort(key=lambda event: event.moment)
    events += dice.sample(events, length // 6) if not in_time else []
    if not in_time:
        dice.shuffle(events)
    steps: list[Event | Parting] = list(events)
    for _ in range(dice.choice([0, 0, 0, 1, 3])):
        one, other = dice.sample(_all_values(), 2)
        steps.insert(dice.randrange(length // 3, length), Parting(one, other, dice.randrange(length * 2)))
    return Story(order, tuple(steps))


def _random_event(dice: random.Random, number: int, length: int, *, proofs: bool) -> Event:
    """With proofs each value is one event's alone: of what several say, it is remembered what it came with only while it lasts (decision 0019)."""
    choices: dict[str, list[object]] = (
        {**_CHOICES, "given_name": [f"Ann {number}"], "last_name": [f"Lee {number}"], "plan": [number, None]} if proofs else _CHOICES
    )
    identifiers = [each for kind in _POOL for each in _values(kind, dice) if dice.random() < _OFTEN[kind]]
    if dice.random() < 0.05:
        identifiers += [_value("user_id", dice.randrange(3))]  # now and then two of a type that is unique (R6)
    dice.shuffle(identifiers)
    assurance = dice.choice([CLAIMED, CLAIMED, PROVED if proofs else CLAIMED, ASSERTED, ASSERTED])
    provable = [each for each in identifiers if each.startswith(("email:", "phone:"))]
    subjects = [each for each in identifiers if each.startswith("user_id:")]
    signed = assurance == ASSERTED and bool(subjects) and dice.random() < 0.3
    return Event(
        event_id=f"e{dice.randrange(length * 9)}-{number}",
        at=dice.randrange(length * 2),
        assurance=assurance,
        identifiers=tuple(identifiers),
        asserts=frozenset([subjects[0], *(each for each in identifiers if dice.random() < 0.3)]) if signed else None,
        proof=dice.choice(provable) if assurance == PROVED and provable else None,
        values=tuple((name, dice.choice(choices)) for name, choices in choices.items() if dice.random() < 0.25),
    )


_CHOICES: dict[str, list[object]] = {"given_name": ["Ann", "Bea"], "last_name": ["Lee"], "plan": ["free", "pro", None, 1]}


def _values(kind: str, dice: random.Random) -> list[str]:
    return [_value(kind, dice.randrange(_POOL[kind])) for _ in range(2 if dice.random() < 0.1 else 1)]


def _value(kind: str, number: int) -> str:
    return f"{kind}:" + {"email": f"p{number}@example.com", "phone": f"+4915112345{number:03}"}.get(kind, f"v{number}")


def _all_values() -> list[str]:
    return [_value(kind, number) for kind, count in _POOL.items() for number in range(count)]
