"""Apply a seed: item by item, in order, all or nothing, through the use cases of people's own changes. The plan is the same, undone.

Idempotent: what is so already is left alone. Whoever calls opens the one transaction, and commits it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from onefold.errors import InvalidMessage, OnefoldError
from onefold.seeds import contacts, definitions, lookup, organizations, segments
from onefold.seeds.items import DEFINITIONS, read_data, read_items
from onefold.seeds.references import references_in, resolved

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Work:
    """What applying a seed works with."""

    connection: Connection
    workspace: str
    user: User
    shards: int
    numbers: TenureNumbers
    matched: set[UUID] = field(default_factory=set)
    """Contacts that an item of this seed is."""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one item."""

    item: int
    """Its number, from 1."""
    object_type: str
    name: str
    """Its slug, or how a contact is called."""
    action: Literal["created", "updated", "unchanged"]
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Old and new, by path."""


class SeedFailed(InvalidMessage):
    """An item cannot be applied, so none was."""

    def __init__(self, item: int, object_type: str, error: OnefoldError) -> None:
        super().__init__(f"item {item} ({object_type}): {error}", code=error.code)
        self.facts = {"item": item, "object_type": object_type, **getattr(error, "facts", {})}


async def apply(work: Work, raw: object) -> list[Step]:
    """Apply every item. Raises SeedFailed, which names the item; Moved where an event was faster: roll back and repeat."""
    steps = []
    for number, (object_type, data) in enumerate(read_items(raw), 1):
        try:
            steps.append(await _item(work, number, object_type, data))
        except OnefoldError as error:
            if error.code == "moved":
                raise
            raise SeedFailed(number, object_type, error) from error
    return steps


async def plan(work: Work, raw: object) -> list[Step]:
    """What applying would do, exactly: it is done, and undone. Raises as `apply`."""
    steps: Sequence[Step] = ()
    journal = len(work.user.journal) if work.user.journal is not None else 0
    transaction = work.connection.transaction()
    await transaction.start()
    try:
        steps = await apply(work, raw)
    finally:
        await transaction.rollback()
        if work.user.journal is not None:
            del work.user.journal[journal:]
    return list(steps)


async def _item(work: Work, number: int, object_type: str, raw: dict[str, Any]) -> Step:
    known = {each: await lookup.record(work, each) for each in set(references_in(raw))}
    data = read_data(object_type, resolved(raw, known))
    if object_type in DEFINITIONS:
        name, action, changes = await definitions.make(work, DEFINITIONS[object_type], data)
    else:
        name, action, changes = await {"organizations": organizations, "segments": segments, "contacts": contacts}[object_type].make(
            work, data
        )
    return Step(number, object_type, name, action, changes)
