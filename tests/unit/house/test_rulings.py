"""Every ruling has a test that names it (the small print of the specification, R1 to R28)."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parents[2]
RULINGS = range(1, 29)


def named() -> Iterator[int]:
    """The rulings that the docstrings of test functions name, ranges such as R1 to R3 among them."""
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                text = ast.get_docstring(node) or ""
                yield from (int(number) for number in re.findall(r"\bR(\d+)\b", text))
                for first, last in re.findall(r"\bR(\d+) to R(\d+)\b", text):
                    yield from range(int(first), int(last) + 1)


def test_every_ruling_has_a_test_that_names_it() -> None:
    assert set(RULINGS) - set(named()) == set()
