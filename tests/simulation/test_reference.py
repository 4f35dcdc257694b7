"""`decide` and the reference model agree on random worlds. A million events: `./dev run python -m tests.simulation`."""

from __future__ import annotations

import random

import pytest

from tests.simulation.compare import difference
from tests.simulation.worlds import random_story

WORLDS = 2_100
"""Some 52,000 events."""
SHARES = 3


@pytest.mark.parametrize("share", range(SHARES))
def test_decide_and_the_reference_model_agree(share: int) -> None:
    """R1 to R14, R16, R17, the guards under every policy, survivors, values and types; a seed tells its story to `python -m tests.simulation --seed`."""
    events = 0
    for seed in range(share, WORLDS, SHARES):
        story = random_story(seed)
        events += len(story.events)
        found = difference(story, batch=random.Random(seed).choice([1, 3, 100]))
        assert found is None, f"seed {seed}: {found}"
    assert events * SHARES >= 49_000
