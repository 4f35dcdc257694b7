"""How long messages wait between attempts."""

from __future__ import annotations

import random

from streams.delivering import pause_after


def test_pauses_grow_and_differ() -> None:
    dice = random.Random(7)
    pauses = [pause_after(attempts, dice).total_seconds() for attempts in range(1, 40)]
    assert 1.0 <= pauses[0] <= 2.0
    assert all(450 <= each <= 900 for each in pauses[12:])
    assert len(set(pauses[12:])) > 20
