"""Codes are drawn from the operating system's secure generator, uniformly (S1)."""

from __future__ import annotations

import ast
import secrets
from collections import Counter
from pathlib import Path
from typing import Final

from onefold.visitors.challenges import new_code

ROOT = Path(__file__).parents[3]
DRAWN: Final = 100_000
PLAYED: Final = {
    "src/onefold/index/lookup.py": "when a server that was away is asked again",
    "src/onefold/installation/demo/visits.py": "seeded visits of the demonstration",
    "src/onefold/local/ports.py": "ports of the embedded servers",
    "src/onefold/ops/index/status.py": "which entries are probed",
    "streams/delivering.py": "spreads retries",
    "streams/posting.py": "spreads retries",
}
"""Where `random` is imported, each with what for: nothing that anybody must not guess."""


def test_s1_codes_are_uniform() -> None:
    """S1: chi-square on 10^5 codes, by their first three digits, their last three, and each digit. Fair codes fail once in 10^9 runs."""
    codes = [new_code() for _ in range(DRAWN)]
    assert {len(each) for each in codes} == {6}
    assert all(each.isascii() and each.isdigit() for each in codes)
    for cut in (slice(0, 3), slice(3, 6)):
        assert chi_square([each[cut] for each in codes], 1_000) < 1_310, "of 999 degrees of freedom"
    for place in range(6):
        assert chi_square([each[place] for each in codes], 10) < 65, "of 9 degrees of freedom"


def test_codes_that_are_a_remainder_are_noticed() -> None:
    codes = [f"{secrets.randbits(20) % 10**6:06}" for _ in range(DRAWN)]
    assert chi_square([each[:3] for each in codes], 1_000) > 1_310


def test_s1_nothing_draws_secrets_from_a_generator_that_can_be_guessed() -> None:
    """S1: `random` is imported where nothing is secret, and nowhere in the rooms of people, keys and messages."""
    found = {str(path.relative_to(ROOT)) for folder in ("src", "streams") for path in (ROOT / folder).rglob("*.py") if draws(path)}
    assert found == set(PLAYED)


def draws(path: Path) -> bool:
    """Whether a module imports a generator that can be guessed."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] in {"random", "numpy"} for name in names)


def chi_square(values: list[str], kinds: int) -> float:
    """How far the counts of these values are from equal."""
    expected = len(values) / kinds
    counts = Counter(values)
    return sum((each - expected) ** 2 / expected for each in counts.values()) + expected * (kinds - len(counts))
