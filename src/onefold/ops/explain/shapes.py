"""What `onefold contacts explain --json` prints. The shapes are stable: later releases may add keys, and take none away."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Text = Annotated[str, Meta(description="type:normalised.")]
ApartCode = Literal[
    "one_contact",
    "kept_apart",
    "proposed",
    "conflict",
    "limit",
    "event",
    "handed_over",
    "evicted",
    "known",
    "policy",
    "validated",
    "nothing_in_common",
]


class EvidenceShown(Struct):
    """An event, or an act by hand, that says that an identifier is this contact's."""

    kind: Annotated[str, Meta(description="first, strongest or last.")]
    event_id: str
    topic: Annotated[str, Meta(description="Empty where it was no event; partition and offset are -1 then.")]
    partition: int
    offset: int
    at: Annotated[datetime, Meta(description="Event time.")]
    rule: str
    guard: Annotated[str | None, Meta(description="What left something else of the event out.")]
    assurance: str
    actor: Annotated[str | None, Meta(description="Who said so, where it was no event.")] = None


class IdentifierExplained(Struct):
    """An identifier, and why it is this contact's."""

    tenure_id: int
    semantic_type: str
    identifier: Annotated[str, Meta(description="As given.")]
    normalised: str
    assurance: str
    is_validated: bool
    validated_by: str | None
    since: Annotated[datetime, Meta(description="Event time.")]
    until: Annotated[datetime | None, Meta(description="Event time; null while it is held.")]
    given_to: Annotated[UUID, Meta(description="The contact that got it; another one than this where that was absorbed since.")]
    via: Annotated[Text | None, Meta(description="The identifier beside which its first event named it.")]
    evidence: list[EvidenceShown]


class MergeExplained(Struct):
    """Two contacts that became one."""

    merge_id: UUID
    at: Annotated[datetime, Meta(description="When the event was appended to the log, or the user decided.")]
    survivor: UUID
    absorbed: UUID
    cause: Annotated[dict[str, Any], Meta(description="The event with its position and rule, or the user with their reason.")]
    through: Annotated[list[Text] | None, Meta(description="The identifiers that the event named, the survivor's and the absorbed one's.")]
    identifiers: Annotated[int, Meta(description="How many tenures moved.")]
    undone: Annotated[dict[str, Any] | None, Meta(description="When, by whom and why, where it was.")]


class ValueExplained(Struct):
    """A name or an attribute, and where it came from."""

    path: str
    event_id: str
    at: datetime
    assurance: str
    via: Text | None


class Redirect(Struct):
    """A step from the id that was asked for to the contact that it leads to."""

    absorbed: UUID
    survivor: UUID
    merge_id: UUID
    at: datetime


class Step(Struct):
    """One link of a chain between two identifiers: an event that named both, or a merge."""

    one: Text
    other: Text
    event: EvidenceShown | None
    merge_id: UUID | None


class Path(Struct):
    """How two identifiers of a contact hang together."""

    one: Text
    other: Text
    steps: Annotated[list[Step] | None, Meta(description="Null where the links between them were not recorded, or were undone.")]


class Between(Struct):
    """Something that stands between two contacts."""

    code: ApartCode
    text: str
    facts: dict[str, Any]


class Apart(Struct):
    """Why two contacts are not one."""

    contact_id: UUID
    because: Annotated[list[Between], Meta(description="The strongest first.")]


class Explanation(Struct):
    """Why a contact is what it is."""

    asked: str
    workspace: str
    contact_id: UUID
    as_of: Annotated[datetime | None, Meta(description="Null is now.")]
    type: Annotated[str | None, Meta(description="Null with --as-of: types of then are not kept.")]
    redirects: Annotated[list[Redirect], Meta(description="From the id that was asked for.")]
    identifiers: Annotated[list[IdentifierExplained], Meta(description="Those that it holds, then those that it held.")]
    is_cut: Annotated[bool, Meta(description="Whether older identifiers that it held were left out.")]
    merges: Annotated[list[MergeExplained], Meta(description="In force; in their order.")]
    undone: Annotated[list[MergeExplained], Meta(description="Undone by then.")]
    values: Annotated[list[ValueExplained], Meta(description="Not with --as-of.")]
    path: Annotated[Path | UnsetType, Meta(description="With --path.")] = UNSET
    apart: Annotated[Apart | UnsetType, Meta(description="With --not.")] = UNSET


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an explanation."""
    (root,), components = msgspec.json.schema_components([Explanation], ref_template="#/$defs/{name}")
    definitions = dict(components)
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, "$defs": definitions}
