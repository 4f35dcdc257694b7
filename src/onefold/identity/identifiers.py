"""From what an event calls its visitor to identifiers that resolve, and the reasons for those that do not (R6, R20 to R22).

An identifier that does not resolve is dropped from resolution, never from the event, and never takes the event with it. Slugs
pass through as given: what becomes of them depends on the contact. Called by whoever reads interactions.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, NewType, final

from msgspec import Struct
from msgspec.structs import replace

from onefold.identity.normalise import normalise, trim
from onefold.identity.placeholders import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.rules import Normalisation, Rules

IdentifierKey = NewType("IdentifierKey", bytes)
"""16 bytes: BLAKE2b of type and normalised value. One column to look up by, of a size that does not depend on the value."""

Reason = Literal[
    "placeholder", "invalid", "unknown_type", "disabled", "blocked", "too_long", "control_characters", "conflict", "quarantined"
]

_MOST_BYTES = 1_024
_MOST_CHARACTERS = 4 * _MOST_BYTES
"""No text of more characters than this has a normalised form of at most 1,024 bytes: NFC joins at most four into one."""
_MOST_DIGIT_BITS = 3_400
"""1,024 decimal digits take 3,402 bits; Python refuses to print integers of more than 4,300 digits."""
_KEPT = 32_768
"""Values that the cache keeps, 12 MB of tokens. A hit costs 0.2 microseconds, a token read anew 1.6, a library 12 to 40."""
_KEPT_CHARACTERS = 256
"""Longer values are not kept, so that a flood of large ones cannot fill the memory."""

_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, bidirectional controls, line and paragraph separators, lone surrogates (which no UTF-8 can carry)."""


class Identifier(Struct, frozen=True):
    """A value that identifies a contact."""

    semantic_type: str
    identifier: str
    """As given, trimmed; a number as its text."""
    normalised: str
    slug: str | None
    key: IdentifierKey


@final
class Dropped(Struct, frozen=True):
    """An identifier that does not resolve, without its value."""

    semantic_type: str
    reason: Reason


def identifier_key(semantic_type: str, normalised: str) -> IdentifierKey:
    """The key of an identifier. Neither part can hold a NUL, so two identifiers never hash the same text."""
    return IdentifierKey(blake2b(f"{semantic_type}\0{normalised}".encode(), digest_size=16).digest())


def resolve_identifiers(raw: Iterable[tuple[str, object, str | None]], rules: Rules) -> tuple[tuple[Identifier, ...], tuple[Dropped, ...]]:
    """The identifiers of one event in its own order, each once; and what was dropped, and why.

    `raw` holds semantic type, value as it came (text, number or anything else), and slug. Of a `unique_per_contact` type the first
    value that resolves is kept (R6).
    """
    found: dict[IdentifierKey, Identifier] = {}
    dropped: list[Dropped] = []
    unique: set[str] = set()
    catalog, blocked, normalisation, quarantined = rules.catalog.entries, rules.blocked, rules.normalisation, rules.quarantined
    for semantic_type, value, slug in raw:
        entry = catalog.get(semantic_type)
        if entry is None or not entry.enabled:
            dropped.append(Dropped(semantic_type, "unknown_type" if entry is None else "disabled"))
            continue
        identified = _identify(semantic_type, value, normalisation)
        if type(identified) is Dropped:
            dropped.append(identified)
        elif identified.key in found:
            continue
        elif semantic_type in blocked and identified.normalised in blocked[semantic_type]:
            dropped.append(Dropped(semantic_type, "blocked"))
        elif semantic_type in unique:
            dropped.append(Dropped(semantic_type, "conflict"))
        else:
            if entry.unique_per_contact:
                unique.add(semantic_type)
            if identified.key in quarantined:  # it keeps its place, as in the batch that finds it out (`Interaction.without`)
                dropped.append(Dropped(semantic_type, "quarantined"))
            else:
                found[identified.key] = identified if slug is None else replace(identified, slug=slug)
    return tuple(found.values()), tuple(dropped)


def _identify(semantic_type: str, value: object, normalisation: Normalisation) -> Identifier | Dropped:
    if type(value) is str and len(value) <= _KEPT_CHARACTERS:
        return _read_kept(semantic_type, value, normalisation)
    if isinstance(value, int) and value.bit_length() > _MOST_DIGIT_BITS:
        return Dropped(semantic_type, "too_long")
    text = value if isinstance(value, str) else _number_text(value)
    if text is None:
        return Dropped(semantic_type, "placeholder" if value is None else "invalid")
    if len(text) <= _KEPT_CHARACTERS:
        return _read_kept(semantic_type, text, normalisation)
    return _read(semantic_type, text, normalisation)


def _number_text(value: object) -> str | None:
    """A number as text, `1.0` as `1`; None for other fractions and for what is no number (R21)."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _read(semantic_type: str, text: str, normalisation: Normalisation) -> Identifier | Dropped:
    trimmed = trim(text)
    flaw = _flaw(trimmed)
    if flaw is not None:
        return Dropped(semantic_type, flaw)
    normalised = normalise(semantic_type, trimmed, normalisation)
    if normalised is None:
        return Dropped(semantic_type, "invalid")
    if normalised != trimmed and is_placeholder(normalised):
        return Dropped(semantic_type, "placeholder")
    if len(normalised.encode()) > _MOST_BYTES:
        return Dropped(semantic_type, "too_long")
    return Identifier(semantic_type, trimmed, normalised, None, identifier_key(semantic_type, normalised))


def _flaw(trimmed: str) -> Reason | None:
    """Why a text resolves under no type, if so."""
    if len(trimmed) > _MOST_CHARACTERS:
        return "too_long"
    if is_placeholder(trimmed):
        return "placeholder"
    return "control_characters" if _FORBIDDEN.search(trimmed) else None


_read_kept = lru_cache(maxsize=_KEPT)(_read)
