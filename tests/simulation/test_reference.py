"""`decide` and the reference model agree on random worlds. A million events: `./dev run python -m tests.simulation`."""

from __future__ import annotations

import ast
import random
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, DEDENT, ENDMARKER, INDENT, NEWLINE, NL, generate_tokens

import pytest

from tests.simulation import reference
from tests.simulation.compare import difference
from tests.simulation.worlds import Event, random_story

WORLDS = 2_100
"""Some 52,000 events."""
SHARES = 3
MOST_LINES = 200


@pytest.mark.parametrize("share", range(SHARES))
def test_decide_and_the_reference_model_agree(share: int) -> None:
    """R1 to R14, R16, R17, the guards under every policy, survivors, values and types; a seed tells its story to `python -m tests.simulation --seed`."""
    events = proved = 0
    for seed in range(share, WORLDS, SHARES):
        story = random_story(seed)
        events += len(story.events)
        proved += sum(isinstance(each, Event) and each.proof is not None and bool(each.values) for each in story.events)
        found = difference(story, batch=random.Random(seed).choice([1, 3, 100]))
        assert found is None, f"seed {seed}: {found}"
    assert events * SHARES >= 49_000
    assert proved, "worlds with proofs have values, too (R8, R9)"


def test_the_model_is_small_enough_to_be_read_beside_the_rulings_and_leans_on_nothing_of_ours() -> None:
    """What is no comment, docstring or blank counts as a line of code. Data of worlds is all that it shares with what it is compared with."""
    text = Path(reference.__file__).read_text(encoding="utf-8")
    lines = {
        number
        for token in generate_tokens(StringIO(text).readline)
        if token.type not in {COMMENT, NL, NEWLINE, INDENT, DEDENT, ENDMARKER}
        for number in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    assert len(lines) <= MOST_LINES
    ours = {
        node.module
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("onefold", "tests"))
    }
    assert ours == {"tests.simulation.worlds"}
