"""Which tests show which security requirement: `./dev requirements`.

A test shows a requirement that its name (`test_s85_…`) or its docstring (`S85`, `S18-S22`) names. What no test shows is open, and
`requirements.toml` says why.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TESTS = Path(__file__).parent
RANGE = re.compile(r"\bS(\d{1,3})(?:\s*[–-]\s*S(\d{1,3}))?\b")
IN_NAME = re.compile(r"_s(\d{1,3})(?=_|$)")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One number, and what shows it."""

    number: str
    title: str
    open: str | None
    """Why no test shows it yet."""
    tests: list[str] = field(default_factory=list)


def requirements() -> dict[str, Requirement]:
    """All of them by number, each with its tests."""
    listed = tomllib.loads((TESTS / "requirements.toml").read_text())
    found = {number: Requirement(number, each["title"], each.get("open")) for number, each in listed.items()}
    for test, text in tests():
        for number in named(text):
            if number in found and test not in found[number].tests:
                found[number].tests.append(test)
    return found


def named(text: str) -> Iterator[str]:
    """The numbers in a text, ranges spelt out."""
    for first, last in RANGE.findall(text):
        yield from (f"S{number}" for number in range(int(first), int(last or first) + 1))


def tests() -> Iterator[tuple[str, str]]:
    """Every test that is not skipped whatever happens: its id, and the text that may name numbers."""
    for path in sorted(TESTS.rglob("test_*.py")):
        place = path.relative_to(TESTS.parent).as_posix()
        for prefix, function in _functions(ast.parse(path.read_text()).body):
            if not any(ast.unparse(each).startswith("pytest.mark.skip(") for each in function.decorator_list):
                numbers = " ".join(f"S{number}" for number in IN_NAME.findall(function.name))
                yield f"{place}::{prefix}{function.name}", f"{numbers} {ast.get_docstring(function) or ''}"


def _functions(body: Sequence[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for each in body:
        if isinstance(each, ast.ClassDef):
            yield from _functions(each.body, f"{prefix}{each.name}::")
        elif isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name.startswith("test_"):
            yield prefix, each


def table(found: Mapping[str, Requirement]) -> Iterable[str]:
    """As people read it."""
    for each in found.values():
        yield f"{each.number:>4}  {each.title}"
        yield from (f"      {test}" for test in each.tests)
        if not each.tests:
            yield f"      open: {each.open}"
    still_open = [each.number for each in found.values() if not each.tests]
    yield ""
    yield f"{len(found) - len(still_open)} of {len(found)} are shown by tests; open: {', '.join(still_open) or 'none'}"


def main() -> int:
    """Print the table; with --json one line a requirement."""
    parser = argparse.ArgumentParser(prog="./dev requirements", description="Which tests show which of the requirements S1 to S118.")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("numbers", nargs="*", metavar="S85", help="only these")
    given = parser.parse_args()
    found = requirements()
    unknown = [number for number in given.numbers if number not in found]
    if unknown:
        sys.stderr.write(f"there is no {', '.join(unknown)}: they are called S1 to S{len(found)}\n")
        return 1
    wanted = {number: found[number] for number in given.numbers} or found
    if given.json:
        for each in wanted.values():
            line = {"requirement": each.number, "title": each.title, "tests": each.tests, "open": None if each.tests else each.open}
            sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in table(wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
