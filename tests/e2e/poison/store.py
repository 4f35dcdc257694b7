"""What is stored after a run, in the words of the cases."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.records.store import Store
    from tests.e2e.poison.cases import Person

PEOPLE = """
select c.given_name, c.last_name, c.attributes, c.first_seen_at, c.created_at,
  array_agg(i.semantic_type || ':' || i.normalised) as identifiers
from contacts c join identifiers i using (contact_id, workspace) where i.held_until is null group by c.contact_id, c.workspace
"""


class Stored(NamedTuple):
    """One contact in Postgres."""

    given_name: str | None
    last_name: str | None
    attributes: dict[str, Any]
    received: bool
    """Whether it was first seen when its first record was received, not the day before."""


def expected(person: Person, who: str) -> tuple[frozenset[str], Stored]:
    """What a case says must be stored; the visitor's name put in."""
    held = frozenset(each.replace("WHO", who) for each in person.identifiers)
    return held, Stored(person.given_name, person.last_name, person.attributes, person.received)


async def people(store: Store, workspace: str = "acme") -> dict[frozenset[str], Stored]:
    """Every contact, by the identifiers that it holds."""
    async with store.transaction([workspace]) as connection:
        rows = await connection.fetch(PEOPLE)
    return {
        frozenset(row["identifiers"]): Stored(
            row["given_name"],
            row["last_name"],
            msgspec.json.decode(row["attributes"]).get("unbound", {}),
            row["created_at"] - row["first_seen_at"] < timedelta(hours=1),
        )
        for row in rows
    }


def differences(found: dict[Any, Any], wanted: dict[Any, Any]) -> str:
    """What differs, one line each, short enough to be read; nothing where all is well."""
    keys: Iterable[Any] = dict.fromkeys((*wanted, *found))
    lines = (
        f"{key!r:.300}: {found.get(key)!r:.300} instead of {wanted.get(key)!r:.300}" for key in keys if found.get(key) != wanted.get(key)
    )
    return "\n".join(lines)
