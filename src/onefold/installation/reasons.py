"""The page of codes: what outcomes, reasons, rules, limits and proposals say, from the docstrings of their definitions."""

from __future__ import annotations

import ast
import inspect
from textwrap import dedent
from typing import TYPE_CHECKING

from onefold.identity import plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

DROPPED: dict[str, str] = {
    "placeholder": "It is blank, or a placeholder such as `null` or `anonymous` (R20).",
    "invalid": "An email or phone that does not parse, or what is no text and no whole number (R21).",
    "control_characters": "It holds control characters (R22).",
    "too_long": "Over 1,024 bytes, once normalised (R22).",
    "blocked": "Guard 5: a blocked value of the workspace's rules, exact or by a pattern.",
    "quarantined": "Guard 5: it tried to join too many contacts, and waits for its release.",
    "conflict": "A second value of a `unique_per_contact` type in one event (R6).",
    "unknown_type": "The catalog has no such type (R18).",
    "disabled": "The catalog switches the type off (R18).",
}
STATES: dict[str, str] = {
    "open": "It waits for proof, or for a person.",
    "carried_out": "The two are one by now: a proof, an assertion or a person joined them.",
    "accepted": "A person accepted it, and the two are one.",
    "refused": "The two are kept apart: a person refused it, or undid their merge.",
    "expired": "Nothing has proposed it for 90 days.",
    "void": "One of the two holds no identifier any more: what it held was proved by the other, say.",
}
APART: dict[str, str] = {
    "one_contact": "They are one.",
    "kept_apart": "A person keeps them apart.",
    "proposed": "An event would have joined them, had a guard let it.",
    "conflict": "Guard 1: different values of a `unique_per_contact` type.",
    "limit": "Together they would exceed a limit of size.",
    "event": "An event named both, and a guard divided it.",
    "handed_over": "A device of both went from hand to hand.",
    "evicted": "One of them proved what the other had claimed.",
    "known": "Guard 3: both are known, so a claim does not merge them.",
    "policy": "What the workspace's policy lets a claim do.",
    "validated": "Guard 2: a claim joins nothing through what is validated.",
    "nothing_in_common": "No event that is kept as evidence named both.",
}


def reasons_page() -> str:
    """Every code that says what became of something, and why."""
    head = (
        "# Codes: outcomes, reasons, rules\n\n<!-- written by python -m onefold.installation.reference -->\n\n"
        "They stand on `interactions.resolved`, in `onefold contacts explain`, in timelines, in what-if, and in metrics.\n"
    )
    parts = [
        head,
        _table("Outcomes: what became of an interaction", documented(plan.OutcomeKind)),
        _table("Reasons: which guard or rule held something back", documented(plan.Reason)),
        _table("Rules: why an identifier, a merge or a change came about", documented(plan.Rule)),
        _table("Limits: what was exceeded", documented(plan.Limit)),
        _table("Identifiers that do not resolve, and are counted", DROPPED),
        _table("States of a proposal, the first that is so", STATES),
        _table("Why two contacts are not one (`onefold contacts explain --not`)", APART),
    ]
    return "\n".join(parts)


def documented(codes: type[StrEnum]) -> dict[str, str]:
    """Each member's value with the docstring that follows it. Raises LookupError for a member without one."""
    (definition,) = ast.parse(dedent(inspect.getsource(codes))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    found = {}
    for line, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            name = line.targets[0].id
            text = after.value if isinstance(after, ast.Expr) else None
            if not isinstance(text, ast.Constant):
                raise LookupError(f"{codes.__name__}.{name} has no docstring")  # noqa: TRY004 -- not of the wrong type, but missing
            found[codes[name].value] = str(text.value)
    return found


def _table(title: str, codes: Mapping[str, str]) -> str:
    rows = "\n".join(f"| `{code}` | {' '.join(text.split())} |" for code, text in codes.items())
    return f"## {title}\n\n| Code | Means |\n|---|---|\n{rows}\n"
