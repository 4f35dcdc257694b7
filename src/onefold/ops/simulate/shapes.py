"""What `onefold simulate --json` prints. The shapes are stable: later releases may add keys, and take none away."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from onefold.messages.resolved import OutcomeWord
from onefold.ops.simulate.lines import BadLine

Workspace = Annotated[str | UnsetType, Meta(description="Only where the lines name several.")]
Reason = Annotated[str | None, Meta(description="The guard or rule that held something back.")]


class IdentifierShown(Struct):
    """An identifier that a contact holds."""

    semantic_type: str
    identifier: Annotated[str, Meta(description="As given.")]
    normalised: str
    slug: str | None
    is_validated: bool
    assurance: str


class ContactShown(Struct):
    """A contact as the run leaves it."""

    id: UUID
    type: str
    given_name: str | None
    last_name: str | None
    identifiers: list[IdentifierShown]
    attributes: Annotated[dict[str, dict[str, Any]], Meta(description="By profile; unbound ones under `unbound`.")]
    merged: Annotated[list[UUID], Meta(description="Contacts that this run merged into it.")]
    workspace: Workspace = UNSET


class OutcomeLine(Struct):
    """What became of one interaction, in the order of the lines."""

    event_id: str
    outcome: OutcomeWord
    reason: Reason
    contact_id: Annotated[UUID | None, Meta(description="The contact when it was decided; it may have been merged since (R27).")]
    workspace: Workspace = UNSET


class ProposalShown(Struct):
    """Two contacts that an interaction would have joined, had a guard let it; one for each pair and interaction (R26)."""

    event_id: str
    cause: Annotated[str, Meta(description="The guard that kept the two apart.")]
    semantic_type: Annotated[str, Meta(description="Of the identifier that names the other contact.")]
    contacts: Annotated[list[UUID], Meta(description="The two, redirects followed; the smaller id first.", min_length=2, max_length=2)]
    state: Literal["open"]
    workspace: Workspace = UNSET


class Somebody(Struct):
    """A contact of one of two runs, in short."""

    id: UUID
    type: str
    identifiers: Annotated[list[str], Meta(description="The first of them, as type:normalised.")]
    identifiers_total: int


class Joined(Struct):
    """Contacts of the present rules that are one under the others."""

    contact: Somebody
    before: list[Somebody]


class Parted(Struct):
    """A contact of the present rules that is several under the others."""

    contact: Somebody
    after: list[Somebody]


class Retyped(Struct):
    """A contact that has another type under the other rules."""

    before: Somebody
    after: Somebody


class Fate(Struct):
    """What became of an interaction under one of the rules."""

    outcome: OutcomeWord
    reason: Reason
    contact_id: UUID | None


class OtherOutcome(Struct):
    """An interaction whose outcome or reason differs."""

    event_id: str
    before: Fate
    after: Fate
    workspace: Workspace = UNSET


class OtherProposals(Struct):
    """Proposals that only one of the two runs leaves open."""

    gone: list[ProposalShown]
    new: list[ProposalShown]


class Difference(Struct):
    """What other rules make of the same lines, against the present ones."""

    merged: list[Joined]
    split: list[Parted]
    types: list[Retyped]
    gone: Annotated[list[str], Meta(description="Identifiers, as type:normalised, that somebody held and nobody would hold.")]
    new: Annotated[list[str], Meta(description="Identifiers that nobody held and somebody would hold.")]
    outcomes: list[OtherOutcome]
    proposals: OtherProposals


class Report(Struct):
    """Everything that a run says."""

    contacts: Annotated[list[ContactShown], Meta(description="Those that the lines concern; none that another one absorbed.")]
    outcomes: list[OutcomeLine]
    proposals: Annotated[list[ProposalShown], Meta(description="Merges that wait for proof or for a person when the lines end.")]
    diff: Annotated[Difference | UnsetType, Meta(description="With --diff: against the present rules.")] = UNSET
    bad_lines: Annotated[list[BadLine] | UnsetType, Meta(description="Lines that are no interactions, where there are any.")] = UNSET


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a report."""
    (root,), components = msgspec.json.schema_components([Report], ref_template="#/$defs/{name}")
    definitions = dict(components)
    own = definitions.pop(root["$ref"].rpartition("/")[2])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, "$defs": definitions}
