"""Every ruling of the small print has a test that names it."""

from __future__ import annotations

import re
from pathlib import Path

RULINGS = range(1, 29)
TESTS = Path(__file__).parents[1]


def test_every_ruling_has_a_test_that_names_it() -> None:
    """R1 to R28, in a test's name, docstring or comment."""
    named: set[str] = set()
    for file in TESTS.rglob("test_*.py"):
        if file != Path(__file__):
            named.update(re.findall(r"\bR(\d+)\b", file.read_text()))
    missing = [f"R{number}" for number in RULINGS if str(number) not in named]
    assert missing == []
