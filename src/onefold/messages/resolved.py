"""An interaction with the contact that it resolved to and what became of it, as it lies on `interactions.resolved`.

It is the topic that scales with traffic, so the writer splices the original's bytes and parses nothing, and there are no CloudEvents
headers: they cost two thirds of the rate. An emission may be repeated, or come from a zombie: it is named by generation, partition
and offset, and for one position the greatest epoch is the truth.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Raw, Struct

from onefold.messages.interactions import InteractionMessage

OutcomeWord = Literal["created", "attached", "merged", "evicted", "handed_over", "updated", "seen", "unresolved", "parked", "barred"]


class ResolvedInteraction(Struct):
    """One line of history."""

    generation: Annotated[int, Meta(description="Of the log; an operator raises it when the topic was made anew.")]
    partition: int
    offset: int
    epoch: Annotated[int, Meta(description="Of whoever resolved it; the greatest one of a position is the truth.")]
    contact_id: UUID | None
    tenure_id: Annotated[int | None, Meta(description="The tenure that the interaction's history hangs on.")]
    outcome: OutcomeWord
    reason: Annotated[str | None, Meta(description="The guard or rule that held something back.")]
    interaction: Annotated[InteractionMessage, Meta(description="The original, unknown fields included.")]
    at_ms: Annotated[
        int | None, Meta(description="Event time as it was decided with, in milliseconds since 1970; older lines do not say it.")
    ] = None
    schema: Annotated[int, Meta(description="Major version of this schema; absent means 1.")] = 1


class ResolvedOrigin(Struct):
    """As much of the original as tells whose line it is."""

    event_id: str
    workspace: str


class ResolvedLine(Struct):
    """A line for those who read millions of them: where it belongs and whom it names."""

    generation: int
    partition: int
    offset: int
    epoch: int
    contact_id: UUID | None
    tenure_id: int | None
    interaction: ResolvedOrigin


class CheckedLine(ResolvedLine):
    """The same with the time by which the timeline keeps it."""

    at_ms: int | None = None


class TimelineOrigin(Struct):
    """What the timeline keeps of the original."""

    event_id: str
    workspace: str
    type: str
    channel: str = "server"
    name: str | None = None
    properties: Raw = Raw(b"")


class TimelineLine(Struct):
    """A line as the timeline reads it."""

    generation: int
    partition: int
    offset: int
    epoch: int
    contact_id: str | None
    tenure_id: int | None
    outcome: str
    reason: str | None
    interaction: TimelineOrigin
    at_ms: int | None = None
    schema: int = 1


class LineWriter:
    """Writes lines of one partition under one epoch. Flat and formatted by hand, for the hottest line of the system.

    Originals were decoded before, so each is known to be one JSON object; their bytes are taken as they are. Contacts are ids as text;
    outcomes and reasons are words of ours and are not escaped. `at_ms` is the event time, in milliseconds since 1970.
    """

    __slots__ = ("_epoch", "_head")

    def __init__(self, generation: int, partition: int, epoch: int) -> None:
        self._head = b'{"generation":%d,"partition":%d,"offset":' % (generation, partition)
        self._epoch = b',"epoch":%d,"at_ms":' % epoch

    def seen(self, offset: int, at_ms: int, contact: bytes, tenure_id: int, original: bytes) -> bytes:
        """The line of a known visitor, whom nothing changed."""
        return b'%b%d%b%d,"contact_id":"%b","tenure_id":%d,"outcome":"seen","reason":null,"schema":1,"interaction":%b}' % (
            self._head,
            offset,
            self._epoch,
            at_ms,
            contact,
            tenure_id,
            original,
        )

    def line(
        self, offset: int, at_ms: int, contact: bytes | None, tenure_id: int | None, outcome: str, reason: str | None, original: bytes
    ) -> bytes:
        """Any line."""
        contact_text = b'"%b"' % contact if contact is not None else b"null"
        tenure_text = b"%d" % tenure_id if tenure_id is not None else b"null"
        why = b'"%b"' % reason.encode() if reason is not None else b"null"
        return b'%b%d%b%d,"contact_id":%b,"tenure_id":%b,"outcome":"%b","reason":%b,"schema":1,"interaction":%b}' % (
            self._head,
            offset,
            self._epoch,
            at_ms,
            contact_text,
            tenure_text,
            outcome.encode(),
            why,
            original,
        )
