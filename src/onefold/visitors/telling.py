"""Interactions that people cause at the Contact API and that are decided on at once: what follows from a proof is there with its answer.

The same message lies in the outbox and comes onto the log; the resolver finds there that everything is as it says (R7). A replay
therefore makes of it what was made here. Called by the siblings of this module, in the transaction of their door.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onefold.errors import WorkspaceNotFound
from onefold.identity.interaction import Position
from onefold.messages.interactions import InteractionMessage, WireIdentifier, WireProof
from onefold.messages.reading import Arrival, identify, read
from onefold.messages.times import time_text
from onefold.records import incarnations, said
from onefold.records.resolution import Resolution
from onefold.records.rules_versions import rules_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from onefold.messages.interactions import AssuranceWord
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection
    from onefold.visitors.capture import Visit

AHEAD: Final = Position("contact-api", 0, 0)
"""Where the evidence of a decision lies that was made ahead of the log."""
_MOST_MOVED: Final = 10_000
_RECENCY: Final = timedelta(hours=1)


class Address(NamedTuple):
    """An email, a phone, or what a provider calls somebody, by its type and normalised value."""

    semantic_type: str
    identifier: str

    def wire(self) -> WireIdentifier:
        """As interactions name it."""
        return WireIdentifier(self.semantic_type, self.identifier)


class Teller:
    """Says interactions and decides on them; one per process."""

    def __init__(self, shards: int, numbers: TenureNumbers) -> None:
        self.shards, self.numbers = shards, numbers
        self._resolution = Resolution(shards=shards, numbers=numbers, budget=_MOST_MOVED, parks=False)

    async def tell(
        self,
        connection: Connection,
        visit: Visit,
        name: str,
        addresses: Sequence[Address],
        *,
        kind: str = "track",
        method: str | None = None,
        values: Mapping[str, Any] | None = None,
        assurance: AssuranceWord = "asserted",
    ) -> UUID:
        """Say what somebody did, and decide on it; gives the contact's id. With a method, the first address is proved by it.

        `values` are traits where they are identified, else properties.

        Raises Moved, and a race of the store's, where an event was faster: roll back and repeat.
        """
        message, value = await self._say(connection, visit, name, addresses, kind=kind, method=method, values=values, assurance=assurance)
        return await self._decide(connection, message, value)

    async def say(self, connection: Connection, visit: Visit, name: str, addresses: Sequence[Address]) -> None:
        """Say what somebody did, asserted, where nothing of the answer follows from it: the resolver decides on it."""
        await self._say(connection, visit, name, addresses, kind="track", method=None, values=None, assurance="asserted")

    async def _say(
        self,
        connection: Connection,
        visit: Visit,
        name: str,
        addresses: Sequence[Address],
        *,
        kind: str,
        method: str | None,
        values: Mapping[str, Any] | None,
        assurance: AssuranceWord,
    ) -> tuple[InteractionMessage, bytes]:
        at = time_text(await said.now(connection))
        proof = WireProof(*addresses[0], method) if method is not None else None
        token = [WireIdentifier("anonymous_token", visit.anonymous_token)] if visit.anonymous_token is not None else []
        message = InteractionMessage(
            event_id=str(uuid.uuid4()),
            workspace=visit.workspace,
            type=kind,
            channel=visit.channel,
            name=name,
            assurance="proved" if proof is not None else assurance,
            proof=proof,
            occurred_at=at,
            received_at=at,
            identifiers=[*token, *(each.wire() for each in addresses)],
            traits=dict(values) if values and kind == "identify" else None,
            properties=dict(values) if values and kind != "identify" else None,
            context=visit.context(),
        )
        return message, await said.say(connection, message, self.shards)

    async def _decide(self, connection: Connection, message: InteractionMessage, value: bytes) -> UUID:
        rules = await rules_in_force(connection, [message.workspace], recency=_RECENCY)
        if message.workspace not in rules:
            raise WorkspaceNotFound(f"there is no workspace {message.workspace!r}")
        mine = rules[message.workspace]
        identifiers, dropped = identify(message.identifiers, mine)
        arrival = Arrival(AHEAD, await said.now(connection), None, value)
        interaction = read(message, identifiers, arrival, mine, dropped)
        incarnation = await incarnations.present(connection)
        plan = await self._resolution.resolve(connection, [interaction], rules, incarnation.name)
        (outcome,) = plan.outcomes
        if outcome.contact_id is None:
            raise WorkspaceNotFound("the workspace's rules let this address resolve nobody")
        return outcome.contact_id
