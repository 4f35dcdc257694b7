"""Who survives a merge, and which of two values does (product.md, section 4; R12, R14).

Values compete by assurance, then event time, then event id: a maximum, so the order of arrival does not matter. Whom a contact belongs to
competes as well, but that of claims the first counts, since a claim never changes an organization that is set (product.md, section 5).
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.membership import Membership

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from datetime import timedelta

    from onefold.identity.contact import Contact, Provenance, TenureId
    from onefold.identity.interaction import Interaction

_json = json.JSONEncoder(ensure_ascii=False, default=str).encode

FIELDS = ("given_name", "last_name")
ORGANIZATION = "organization_id"
"""The path of whom a contact belongs to; its value is a `Membership`."""
UNBOUND = "unbound"
_CONSENT = frozenset({"attributes.unbound.consent"})
"""Where a page's word of consent lies."""
MOST_VALUE_BYTES = 131_072
"""Of a contact's fields and attributes together, by path as JSON, cleared ones included. A change says them up to three times (before,
after, whole), beside up to 200 identifiers, and must fit into one message: a larger one would hold up everything behind it in the
outbox (poison 28)."""
_SURELY_FITS = MOST_VALUE_BYTES // 2
"""Of six bytes a character of paths and texts: what JSON puts around them takes less than the other half."""
MOST_BESIDE = 8
"""Personal identifiers that a value is remembered with: whoever fills in a form names two or three. Without a bound an event of a thousand
identifiers and a thousand values would store a million pairs."""


def survivor(contacts: Iterable[Contact]) -> Contact:
    """The one with the strongest assurance, then the earliest first_seen_at, then the smallest id."""
    return min(contacts, key=lambda contact: (-contact.summary.strength, contact.first_seen_at, contact.contact_id.int))


def attribute_path(slug: str, profile: str = UNBOUND) -> str:
    """The path under which an attribute's provenance is kept."""
    return f"attributes.{profile}.{slug}"


def values_of(interaction: Interaction) -> Iterable[tuple[str, str | None, object]]:
    """The values that an interaction offers: path, unbound attribute or None for a field, value."""
    for name in FIELDS:
        if name in interaction.fields:
            yield name, None, interaction.fields[name]
    for slug, value in interaction.attributes.items():
        if value is None or not isinstance(value, str) or value.strip():  # a blank text is ignored (R12)
            yield attribute_path(slug), slug, value
    if interaction.organization is not None:
        yield ORGANIZATION, None, interaction.organization


def beats(path: str, one: Provenance, other: Provenance) -> bool:
    """Whether a value from the one place is the contact's rather than one from the other (R12)."""
    if path == ORGANIZATION and one.assurance is other.assurance is Assurance.CLAIMED:
        return one.place < other.place
    return one.place > other.place


def offered(contact: Contact, interaction: Interaction, mine: Provenance, recency: timedelta) -> list[tuple[str, str | None, object]]:
    """Those values that would replace, or place themselves before, what the contact has; `mine` is where they come from.

    A value that merely repeats the present one within `recency` of it is left out: it would change nothing but a time. Not so where it
    comes beside an identifier for the first time.
    """
    found = []
    for path, slug, value in values_of(interaction):
        held = contact.provenance.get(path)
        if held is not None and (not beats(path, mine, held) or _repeats(contact, path, value, held, mine, recency)):
            continue
        found.append((path, slug, value))
    return found


def beside_before(contact: Contact, path: str, value: object, mine: Provenance) -> Provenance:
    """Where a value comes from, with what it came beside before if the contact has the same one already (R9)."""
    held = contact.provenance.get(path)
    if held is None or not held.beside or held.beside == mine.beside or not same_value(get(contact, path), value):
        return mine
    together = dict.fromkeys((*held.beside, *mine.beside))
    return mine._replace(beside=tuple(together)[-MOST_BESIDE:])


def fitting(contact: Contact, values: list[tuple[str, str | None, object]]) -> list[tuple[str, str | None, object]]:
    """Those values for which the contact has room, in their order (R11)."""
    if not values or _is_small(contact, values):
        return values
    room = _room(contact)
    if _size({path: value for path, _, value in values}) <= room:
        return values
    kept = []
    for each in values:
        path, _, value = each
        growth = _growth(contact, path, value)
        if growth <= max(room, 0):
            room -= growth
            kept.append(each)
    return kept


def _is_small(contact: Contact, values: list[tuple[str, str | None, object]]) -> bool:
    """Whether there is room for certain: all of it is texts that fit even where JSON writes six bytes for each of their characters."""
    size = len(values)
    for path, _, value in values:
        if type(value) is not str:
            return False
        size += len(path) + len(value)
    for path in contact.provenance:
        value = get(contact, path)
        if type(value) is not str:
            return False
        size += len(path) + len(value)
    return size * 6 < _SURELY_FITS


def copied(prover: Contact, left: Contact, tenure: TenureId) -> list[tuple[str, object, Provenance]]:
    """What a contact was told together with one of its identifiers, and another who proved that identifier has nothing of (R9).

    A cleared value was told too. Nothing that exceeds the prover's room, and no consent: that is the prover's own to give.
    """
    found = []
    room = _room(prover)
    for path, origin in left.provenance.items():
        value = get(left, path)
        if value is None or tenure not in origin.beside or path in prover.provenance or path in _CONSENT or get(prover, path) is not None:
            continue
        growth = _growth(prover, path, value)
        if growth <= max(room, 0):
            room -= growth
            found.append((path, value, origin))
    return found


def is_over(contact: Contact) -> bool:
    """Whether the contact's values take more than they may (R11)."""
    return _room(contact) < 0


def _room(contact: Contact) -> int:
    return MOST_VALUE_BYTES - _size({path: get(contact, path) for path in contact.provenance})


def _growth(contact: Contact, path: str, value: object) -> int:
    """By how many bytes the contact's values grow with this one."""
    return _size((path, value)) - (_size((path, get(contact, path))) if path in contact.provenance else 0)


def _size(value: object) -> int:
    return len(_json(value).encode())


def _repeats(contact: Contact, path: str, value: object, held: Provenance, mine: Provenance, recency: timedelta) -> bool:
    present = get(contact, path)
    is_known_beside = not mine.beside or set(mine.beside) <= set(held.beside)
    return mine.assurance == held.assurance and held.at <= mine.at < held.at + recency and is_known_beside and same_value(present, value)


def same_value(one: object, other: object) -> bool:
    """Whether two JSON values are the same; 1 and true are not, 1e23 and the integer that Postgres makes of it are."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    if {type(one), type(other)} == {int, float}:
        return Decimal(repr(one)) == Decimal(repr(other))
    return type(one) is type(other) and one == other


def put(contact: Contact, path: str, value: object, provenance: Provenance) -> None:
    """Give the contact a value that has won. None clears, and keeps its place."""
    contact.provenance[path] = provenance
    if path in FIELDS:
        setattr(contact, path, value)
        return
    if path == ORGANIZATION:
        contact.organization_id, contact.organization_name = value if isinstance(value, Membership) else (None, None)
        return
    _, profile, slug = path.split(".", 2)
    if value is not None:
        contact.attributes.setdefault(profile, {})[slug] = value
    else:  # without a trace where nothing was: that is no change, so nobody is told
        contact.attributes.get(profile, {}).pop(slug, None)


def get(contact: Contact, path: str) -> object:
    """The value at a path, or None."""
    if path in FIELDS:
        return getattr(contact, path)
    if path == ORGANIZATION:
        return contact.membership
    _, profile, slug = path.split(".", 2)
    return contact.attributes.get(profile, {}).get(slug)


def replace_values(contact: Contact, values: Mapping[str, tuple[object, Provenance]]) -> None:
    """Give the contact these values, by path, in place of all whose origin is known."""
    for path in list(contact.provenance):
        put(contact, path, None, contact.provenance[path])
    contact.provenance = {}
    contact.attributes = {profile: held for profile, held in contact.attributes.items() if held}
    for path, (value, provenance) in values.items():
        put(contact, path, value, provenance)


def within_bounds(values: dict[str, tuple[object, Provenance]], first: Container[str]) -> dict[str, tuple[object, Provenance]]:
    """As many of these values as a contact has room for (R11): those of the paths named `first`, then the greatest."""
    if _size({path: value for path, (value, _) in values.items()}) <= MOST_VALUE_BYTES:
        return values
    kept: dict[str, tuple[object, Provenance]] = {}
    size = 2
    for path in sorted(values, key=lambda each: (each in first, values[each][1].place), reverse=True):
        size += _size({path: values[path][0]})
        if size <= MOST_VALUE_BYTES:
            kept[path] = values[path]
    return kept


def choose(contact: Contact, path: str, chosen: Contact, decided: Provenance) -> None:
    """Give the contact another's value, as a user decided; it stays a value of whom it came from (see `unmerge`)."""
    held = chosen.provenance.get(path)
    put(contact, path, get(chosen, path), decided._replace(via=held.via if held is not None else None))


def as_lost(contact: Contact, path: str) -> dict[str, object]:
    """A contact's value as a merge record keeps one that lost; empty where there is none."""
    held, value = contact.provenance.get(path), get(contact, path)
    if held is None or value is None:
        return {}
    return {
        path: {
            "value": str(value.organization_id) if isinstance(value, Membership) else value,
            "assurance": held.assurance.word,
            "at": held.at,
            "event_id": held.event_id,
        }
    }


def unite(winner: Contact, absorbed: Contact) -> dict[str, object]:
    """Let the absorbed contact's values compete with the survivor's; gives what lost, by path, with where it came from.

    What the survivor has no room for has lost too: it is kept in the merge record (R11, R12).
    """
    lost: dict[str, object] = {}
    room = _room(winner)
    for path, theirs in absorbed.provenance.items():
        mine, value = winner.provenance.get(path), get(absorbed, path)
        growth = _growth(winner, path, value)
        wins = (mine is None or beats(path, theirs, mine)) and growth <= max(room, 0)
        lost.update(as_lost(winner if wins else absorbed, path))
        if wins:
            room -= growth
            put(winner, path, value, beside_before(winner, path, value, theirs))
        elif mine is not None:
            winner.provenance[path] = beside_before(absorbed, path, get(winner, path), mine)
    return lost
