"""An interaction with the contact that it resolved to and what became of it, as it lies on `interactions.resolved`.

It is the topic that scales with traffic, so the writer splices the original's bytes and parses nothing, and there are no CloudEvents
headers: they cost two thirds of the rate. An emission may be repeated, or come from a zombie: it is named by generation, partition
and offset, and for one position the greatest epoch is the truth.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from onefold.messages.interactions import InteractionMessage

OutcomeWord = Literal["created", "attached", "merged", "handed_over", "updated", "seen", "unresolved", "parked"]


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


def encode_resolved(  # noqa: PLR0913, PLR0917 - a flat call for the hottest line of the system
    generation: int,
    partition: int,
    offset: int,
    epoch: int,
    contact_id: str | None,
    tenure_id: int | None,
    outcome: str,
    reason: str | None,
    original: bytes,
) -> bytes:
    """The message around an original that was decoded before, so is known to be one JSON object; its bytes are taken as they are.

    `contact_id` is the id's text; `outcome` and `reason` are words of ours and are not escaped.
    """
    contact = f'"{contact_id}"' if contact_id is not None else "null"
    tenure = tenure_id if tenure_id is not None else "null"
    why = f'"{reason}"' if reason is not None else "null"
    return (
        (
            f'{{"generation":{generation},"partition":{partition},"offset":{offset},"epoch":{epoch},"contact_id":{contact},'
            f'"tenure_id":{tenure},"outcome":"{outcome}","reason":{why},"schema":1,"interaction":'
        ).encode()
        + original
        + b"}"
    )
