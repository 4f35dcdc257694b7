"""What an erased person said to this installation itself and the relay has not put onto the log yet: a lead, a message, a proof.

It goes whole, whatever it says beside: nothing is told of what never was on the log. Called by `contacts.erase`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.messages.reading import identify
from onefold.records import said

if TYPE_CHECKING:
    from collections.abc import Collection

    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.rules import Rules
    from onefold.records.store import Connection


async def forget(connection: Connection, workspace: str, keys: Collection[IdentifierKey], rules: Rules) -> None:
    """Delete what waits and names one of these identifiers. `rules` as they find what contacts hold."""
    found = []
    async for number, message in said.waiting(connection, workspace):
        resolved, _ = identify(message.identifiers, rules)
        if any(each.key in keys for each in resolved):
            found.append(number)
    if found:
        await said.unsay(connection, found)
