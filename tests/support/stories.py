"""Seeded random stories: interactions of a few people who share tokens, devices, emails and user ids, at shuffled times."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules


def random_story(seed: int, *, length: int = 60, mark: str = "", rules: Rules = EXACT) -> list[Interaction]:
    """A story with conflicts, hand-overs, proofs and competing values. `mark` keeps the identifiers of stories apart."""
    dice = random.Random(seed)
    return [_event(dice, f"{mark}s{seed}", rules) for _ in range(length)]


def _event(dice: random.Random, mark: str, rules: Rules) -> Interaction:
    identifiers = [f"anonymous_token:{mark}t{dice.randrange(10)}"]
    if dice.random() < 0.4:
        identifiers.append(f"email:{mark}p{dice.randrange(6)}@example.com")
    if dice.random() < 0.3:
        identifiers.append(f"user_id:{mark}u{dice.randrange(5)}")
    if dice.random() < 0.2:
        identifiers.append(f"device_id:{mark}d{dice.randrange(5)}")
    dice.shuffle(identifiers)
    assurance = dice.choice([Assurance.CLAIMED, Assurance.ASSERTED, Assurance.PROVED])
    email = next((each for each in identifiers if each.startswith("email:")), None)
    return event(
        *identifiers,
        minutes=dice.randrange(100),
        assurance=assurance,
        proof=email if assurance is Assurance.PROVED else None,
        fields={"given_name": dice.choice("ab"), "last_name": "x"} if dice.random() < 0.2 else {},
        attributes={"plan": dice.choice([1, None, "pro", True])} if dice.random() < 0.3 else {},
        rules=rules,
    )


def order_free_log(dice: random.Random, mark: str, length: int) -> list[Interaction]:
    """Events without user ids and proofs, of small circles of people that now and then turn out to be one; a fifth comes twice.

    They are claimed and asserted, so their groups are free of order under the policy `eager` only. Circles stay small, because limits (100 values a type) are not free of order.
    """
    circles = length // 12
    log = []
    for number in range(length):
        circle = dice.randrange(circles)
        other = circle + 1 if dice.random() < 0.04 else circle
        identifiers = [f"anonymous_token:{mark}c{circle}t{dice.randrange(5)}"]
        if dice.random() < 0.45:
            identifiers.append(f"email:{mark}c{other}p{dice.randrange(4)}@example.com")
        if dice.random() < 0.15:
            identifiers.append(f"phone:+49151{int(mark.strip('r')):02}{other:05}{dice.randrange(2)}")
        if dice.random() < 0.1:
            identifiers.append(f"device_id:{mark}c{circle}d{dice.randrange(3)}")
        dice.shuffle(identifiers)
        log.append(
            event(
                *identifiers,
                minutes=dice.randrange(3_000),
                event_id=f"{mark}{number}",
                assurance=dice.choice([Assurance.CLAIMED, Assurance.ASSERTED]),
                attributes={"plan": dice.choice(["free", "pro"])} if dice.random() < 0.2 else {},
            )
        )
    log += dice.sample(log, length // 5)
    dice.shuffle(log)
    return log


VISITORS = "abcdef"


def visits(name: str, dice: random.Random, minutes: float) -> list[Interaction]:
    """What one visitor does, naming nobody else's identifiers. Later than a hundred minutes, it says values that nobody else says."""
    early = minutes < 100
    values: list[dict[str, object]] = [{}, {}, {"plan": dice.choice("xyz")}] if early else [{}, {f"late{name}": dice.randrange(9)}]
    kinds = ("email:{}{}@example.com", "device_id:{}{}", "anonymous_token:{}{}")
    return [
        event(
            f"anonymous_token:{name}0",
            *[dice.choice(kinds).format(name, dice.randrange(1, 4)) for _ in range(dice.randrange(3))],
            assurance=dice.choice([Assurance.CLAIMED, Assurance.ASSERTED]),
            attributes=dice.choice(values),
            fields={"given_name": name} if early and dice.random() < 0.2 else {},
            minutes=minutes + number + dice.random(),
            event_id=f"{dice.getrandbits(64):x}",
        )
        for number in range(dice.randrange(1, 4))
    ]
