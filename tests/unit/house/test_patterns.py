"""No pattern takes long, whatever it is asked about: those that people write are RE2's, and our own hold no trap (S39)."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import onefold
from onefold.errors import InvalidMessage, OnefoldError
from onefold.http.collector.events import Bounds, read_batch
from onefold.identity.attributes import Attribute, checked
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.rules_document import rules_of
from onefold.identity.rules_reading import document_of
from onefold.messages.faults import depth

ROOT = Path(__file__).parents[3]
SLOW_ELSEWHERE = [
    "^(a+)+$",
    "^(a|aa)*$",
    "^(a|a?)+$",
    "(x+x+)+y",
    "^(.*a){20}$",
    "(.*)*b",
    "^([a-z]+)*[0-9]$",
    r"^(\w+\s?)*$",
    "(a*)*(a*)*b",
]
"""Each makes an engine that backtracks hang on one of SUBJECTS."""
SUBJECTS = ["a" * 1_000 + "!", "x" * 1_000, "a" * 500 + " " * 500, "ab" * 500]
PIECES = [
    "a",
    "0",
    " ",
    "-",
    ".",
    "@",
    "a.",
    "a@",
    '"',
    "\\",
    '"\\',
    "{",
    "{{",
    "[",
    "\n",
    "%",
    "\u00e4",
    "x:",
    "/",
    "a b",
    "\\ud800",
    "+1",
    "{{ a(",
    "&#",
]
LENGTH = 10_000
CPU_SECONDS = 0.5
"""For one pattern and one subject. A linear one takes some ms; a quadratic one at this length takes seconds."""


@pytest.mark.parametrize("pattern", SLOW_ELSEWHERE)
def test_what_a_workspace_writes_is_matched_in_linear_time(pattern: str) -> None:
    """S39: blocked values, and the patterns of attributes; guard 5."""
    rules = rules_of(document_of({"blocked": {"user_id": {"patterns": [pattern]}}}), recency=timedelta(hours=1))
    attribute = Attribute.model_validate({"slug": "x", "title": "X", "data_type": "text", "pattern": pattern, "maximum": 5_000})
    for subject in SUBJECTS:
        began = time.process_time()
        resolve_identifiers([("user_id", subject, None)], rules)
        with suppress(OnefoldError):
            checked([attribute], {}, {"x": subject})
        assert time.process_time() - began < CPU_SECONDS, subject[:10]


def test_our_own_patterns_are_linear_in_what_they_are_asked_about() -> None:
    """S39: every pattern, asked as the code asks it, about long texts made of each odd piece."""
    held = _held()
    patterns = [*held, *_written({used.pattern.pattern for used in held})]
    assert len(patterns) > 30
    texts = [piece * (LENGTH // len(piece)) + end for piece in PIECES for end in ("", "!\n")]
    for pattern, is_sought, place in patterns:
        for text in texts:
            subject: Any = text if isinstance(pattern.pattern, str) else text.encode()
            began = time.process_time()
            pattern.fullmatch(subject)
            for _ in pattern.finditer(subject) if is_sought else ():
                pass
            assert time.process_time() - began < CPU_SECONDS, (place, pattern.pattern, subject[:10])


@pytest.mark.parametrize("end", [b"", b"\\"])
def test_a_body_full_of_quotes_that_nothing_ends_costs_no_more_than_another(end: bytes) -> None:
    """S39: at the collector, and on the topic: it would have taken half an hour of the whole process, for anybody with a public key."""
    body = b'{"batch":["' + b'\\"' * 250_000 + end
    began = time.process_time()
    with pytest.raises(InvalidMessage):
        read_batch(body, Bounds(), 100)
    assert depth(b"[" * 70 + body) == 72
    assert time.process_time() - began < 2 * CPU_SECONDS


def test_no_pattern_of_pythons_engine_is_made_of_data() -> None:
    """S39: the first argument of `re.…` is written in the code, so that the test above has seen it."""
    made = {place for place, first in _uses() if not _is_static(first)}
    assert made == MADE_OF_CODE


MADE_OF_CODE = {
    "src/onefold/identity/normalise.py:re.compile",  # of a country's numbering plan, which phonenumbers holds
    "src/onefold/messages/outreach.py:re.fullmatch",  # of a constant
}


def _uses() -> list[tuple[str, ast.expr]]:
    """Uses of Python's engine in the product, with what they make a pattern of."""
    paths = [path for folder in ("src", "streams") for path in sorted((ROOT / folder).rglob("*.py"))]
    calls = [(path, node) for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args]
    named = [(path, ast.unparse(node.func), node.args[0]) for path, node in calls]
    return [(f"{path.relative_to(ROOT)}:{name}", first) for path, name, first in named if re.fullmatch(r"re\.(?!escape)[a-z]+", name)]


def _is_static(first: ast.expr) -> bool:
    """Whether it is a text, or made of constants of its module alone."""
    return all(
        isinstance(each, ast.Constant | ast.JoinedStr | ast.FormattedValue | ast.BinOp | ast.Add | ast.Load)
        or (isinstance(each, ast.Name) and each.id.isupper())
        for each in ast.walk(first)
    )


class Used(NamedTuple):
    """A pattern of ours."""

    pattern: re.Pattern[Any]
    is_sought: bool
    """Whether it is looked for inside a text; one that must fit from the beginning is tried there alone."""
    place: str


def _held() -> list[Used]:
    """Those that modules hold under a name."""
    code = "\n".join(path.read_text() for folder in ("src", "streams") for path in (ROOT / folder).rglob("*.py"))
    found: dict[int, Used] = {}
    for module in pkgutil.walk_packages(onefold.__path__, "onefold."):
        if not module.name.endswith("__main__") and "migrations" not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    asked = set(re.findall(rf"\b{name}\.(\w+)\(", code))
                    found[id(value)] = Used(value, not asked or bool(asked - {"match", "fullmatch"}), f"{module.name}.{name}")
    return list(found.values())


def _written(held: set[str | bytes]) -> list[Used]:
    """The others, written where they are used."""
    literal = [(place, first.value) for place, first in _uses() if isinstance(first, ast.Constant) and isinstance(first.value, str | bytes)]
    return [Used(re.compile(text), not place.endswith("match"), place) for place, text in literal if text not in held]
