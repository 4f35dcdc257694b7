"""Identifiers of an interaction: from what came on the wire to what is compared, named and kept (R5, R6, R20 to R22)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NewType

from onefold.identity.normalise import normalise
from onefold.identity.placeholders import is_placeholder
from onefold.identity.rules import Rules

IdentifierKey = NewType("IdentifierKey", bytes)
"""128 bits that name an identifier within a workspace: a BLAKE2b of type and normalised value."""

LONGEST_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Identifier:
    """One value that resolves."""

    semantic_type: str
    identifier: str
    normalised: str
    slug: str | None
    key: IdentifierKey


@dataclass(frozen=True, slots=True)
class Dropped:
    """One value that does not resolve, and why. Kept on the event, counted."""

    semantic_type: str
    reason: str


def identifier_key(semantic_type: str, normalised: str) -> IdentifierKey:
    """The key of an identifier."""
    return IdentifierKey(blake2b(f"{semantic_type}\0{normalised}".encode(), digest_size=16).digest())


def text_of(value: object) -> str | None:
    """A value as text, by one rule (R21): 1, 1.0 and "1" are the same; None for what is no identifier."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None


def resolve_identifiers(
    raw: Iterable[tuple[str, object, str | None]], rules: Rules
) -> tuple[tuple[Identifier, ...], tuple[Dropped, ...]]:
    """Sort an event's identifiers into those that resolve, in their own order, and those that do not."""
    found: dict[IdentifierKey, Identifier] = {}
    dropped: list[Dropped] = []
    unique: set[str] = set()
    for semantic_type, value, slug in raw:
        result = _resolve(semantic_type, value, slug, rules)
        if isinstance(result, str):
            dropped.append(Dropped(semantic_type, result))
        elif result.key not in found:
            if rules.catalog.entry(semantic_type).unique_per_contact:
                if semantic_type in unique:
                    dropped.append(Dropped(semantic_type, "conflict"))
                    continue
                unique.add(semantic_type)
            found[result.key] = result
    return tuple(found.values()), tuple(dropped)


def _resolve(semantic_type: str, value: object, slug: str | None, rules: Rules) -> Identifier | str:
    entry = rules.catalog.find(semantic_type)
    if entry is None:
        return "unknown_type"
    if not entry.enabled:
        return "disabled"
    text = text_of(value)
    if text is None:
        return "invalid"
    if is_placeholder(text):
        return "placeholder"
    if not text.strip().isprintable():
        return "control_characters"
    normalised = normalise(semantic_type, text, rules.normalisation)
    if normalised is None:
        return "invalid"
    if len(normalised.encode(errors="surrogatepass")) > LONGEST_BYTES:
        return "too_long"
    if normalised in rules.blocked.get(semantic_type, ()):
        return "blocked"
    return Identifier(semantic_type, text.strip(), normalised, slug, identifier_key(semantic_type, normalised))
