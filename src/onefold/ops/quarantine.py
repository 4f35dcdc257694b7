"""Release a value from quarantine: it resolves again, and what it joined until now counts no more. Called by the command line.

The interactions that it held back while it was found out were parked. With a producer they are released as well, once the value is: so
whoever decides them has the new rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import NotQuarantined
from onefold.ops import parked
from onefold.records import quarantine as records
from onefold.records.parked import Meant, count

if TYPE_CHECKING:
    from onefold.identity.identifiers import Identifier
    from onefold.records.quarantine import QuarantinedValue
    from onefold.records.store import Connection, Store
    from onefold.topics.producer import IdempotentProducer


async def plan(connection: Connection, workspace: str, identifier: Identifier) -> tuple[QuarantinedValue, int]:
    """A value that is held, and how many parked interactions it holds back. Raises NotQuarantined."""
    held = [each for each in await records.find_values(connection, workspace, identifier.key) if each.released_at is None]
    if not held:
        raise _not_held(workspace, identifier)
    return held[0], sum((await count(connection, Meant(workspace, identifier=identifier.key))).values())


async def release(
    store: Store, producer: IdempotentProducer | None, workspace: str, identifier: Identifier, *, actor: str, reason: str | None
) -> tuple[QuarantinedValue, int]:
    """Release a value; with a producer the interactions that it held back, too. Gives it, and how many those were.

    Raises NotQuarantined; and LogUnavailable, when the value is released already: `onefold parked release` does the rest.
    """
    async with store.transaction([workspace]) as connection:
        released = await records.release_value(connection, workspace, identifier.key, actor=actor, reason=reason)
    if released is None:
        raise _not_held(workspace, identifier)
    if producer is None:
        return released, 0
    meant = Meant(workspace, identifier=identifier.key)
    return released, await parked.release(store, producer, meant, actor=actor, reason=reason)


def _not_held(workspace: str, identifier: Identifier) -> NotQuarantined:
    return NotQuarantined(
        f"{identifier.semantic_type}:{identifier.identifier} is not in quarantine in workspace {workspace};"
        " `onefold quarantine list` shows what is"
    )
