"""Which interactions of a batch the index vouches for, so that nothing needs to be read or written for them (the hot path).

Pure. An interaction is recognised if every identifier has a valid entry, all name one contact, the assurance is at least its own,
last use is recent enough, it is not older than the tenures' start, it carries no values, and no other interaction of the batch
that is not recognised shares an identifier with it, transitively (architecture, section 2, step 3). Called by the resolver.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.identity.assurance import Assurance
from onefold.identity.decide import TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.interaction import Interaction
    from onefold.identity.rules import Rules
    from onefold.index.entries import Entry


class Recognised(NamedTuple):
    """Whom an interaction belongs to, by the index alone."""

    contact_id: bytes
    tenure_id: int


def recognise(
    interactions: Sequence[Interaction], entries: Mapping[tuple[str, IdentifierKey], Entry], rules: Mapping[str, Rules | None]
) -> list[Recognised | None]:
    """For each interaction whom the index recognises, or None. `entries` holds the valid ones only."""
    terms = {workspace: _terms(mine) for workspace, mine in rules.items()}
    found = [_one(interaction, entries, terms[interaction.workspace]) for interaction in interactions]
    if None in found:
        _drop_neighbours(interactions, found)
    return found


class _Terms(NamedTuple):
    """What recognising asks of a workspace's rules."""

    recency_seconds: float
    device_bound: frozenset[str]


def _terms(rules: Rules | None) -> _Terms | None:
    if rules is None:
        return None
    return _Terms(rules.recency.total_seconds(), frozenset(kind for kind, entry in rules.catalog.entries.items() if entry.device_bound))


def _one(interaction: Interaction, entries: Mapping[tuple[str, IdentifierKey], Entry], terms: _Terms | None) -> Recognised | None:
    identifiers = interaction.identifiers
    if terms is None or not identifiers or interaction.carries_values or interaction.assurance >= Assurance.PROVED:
        return None
    workspace, assurance, at = interaction.workspace, interaction.assurance, interaction.at.timestamp()
    recency, device_bound = terms
    contact_id: bytes | None = None
    tenure_id, all_used, has_personal = 0, True, False
    for identifier in identifiers:
        entry = entries.get((workspace, identifier.key))
        if entry is None or entry.assurance < assurance or at < entry.start_s or at >= entry.seen_s + recency:
            return None
        if contact_id is None:
            contact_id, tenure_id = entry.contact_id, entry.tenure_id
        elif entry.contact_id != contact_id:
            return None
        if identifier.semantic_type == TOKEN:
            tenure_id = entry.tenure_id
        if identifier.semantic_type in device_bound:
            all_used = all_used and entry.used
        else:
            has_personal = True
    if contact_id is None or (has_personal and not all_used):
        return None
    return Recognised(contact_id, tenure_id)


def _drop_neighbours(interactions: Sequence[Interaction], found: list[Recognised | None]) -> None:
    """Whoever shares an identifier with an interaction that may change it is decided with it."""
    by_key: dict[tuple[str, IdentifierKey], list[int]] = {}
    for number, interaction in enumerate(interactions):
        for identifier in interaction.identifiers:
            by_key.setdefault((interaction.workspace, identifier.key), []).append(number)
    waiting = [number for number, recognised in enumerate(found) if recognised is None]
    while waiting:
        interaction = interactions[waiting.pop()]
        for identifier in interaction.identifiers:
            for neighbour in by_key.pop((interaction.workspace, identifier.key), ()):
                if found[neighbour] is not None:
                    found[neighbour] = None
                    waiting.append(neighbour)
