"""The change of one contact, with its full snapshot, as it lies on `contacts.changed`.

For an absorbed contact `contact` is null and `merged_into` says who absorbed it. Of an erased person every id gets a last change, whose
`contact` is null and whose `changes` say `erased_at`, and then a tombstone (a null value), which is no message at all. Written to the
outbox by `onefold.records`; read by segments and by subscribers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct

from onefold.messages.times import Time

ContactType = Literal["ghost", "lead", "contact", "vendor"]
AssuranceWord = Literal["claimed", "asserted", "proved", "decided"]


class Cause(Struct, omit_defaults=True):
    """What brought the change about: an interaction with its position, or a user's or a job's act."""

    kind: Annotated[str, Meta(description="`interaction`, or who else acted: user, api, import, seed, job.")]
    event_id: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    rule: str | None = None
    actor: str | None = None


class IdentifierSnapshot(Struct):
    """One identifier of the contact, as given and as compared."""

    semantic_type: str
    identifier: str
    normalised: str
    slug: str | None
    is_validated: bool
    validated_at: Time | None
    validated_by: str | None
    source: str
    outreach: bool
    assurance: AssuranceWord
    first_seen_at: Time
    last_seen_at: Time


class ConsentSnapshot(Struct):
    """What the person said of one purpose."""

    state: Literal["granted", "denied"]
    source: str
    at: Time


class StageSnapshot(Struct):
    """Where the contact is on a workflow."""

    step: str
    since: Time
    done: Annotated[list[str], Meta(description="Of the step's checklist.")]


class RelatedSnapshot(Struct):
    """A record that the contact is related to."""

    id: Annotated[str, Meta(description="As it was given; of an absorbed contact it redirects.")]
    pivot: Annotated[dict[str, Any], Meta(description="Fields of the relation itself.")]


class ContactSnapshot(Struct):
    """The whole contact at this version; at most 200 identifiers are listed, `identifiers_total` says how many there are."""

    id: UUID
    workspace: str
    version: int
    type: ContactType
    given_name: str | None
    last_name: str | None
    email: Annotated[str | None, Meta(description="The Main email, as given.")]
    phone: Annotated[str | None, Meta(description="The Main phone, as given.")]
    is_vendor: bool
    organization_id: UUID | None
    organization_name: str | None
    profiles: list[str]
    attributes: Annotated[
        dict[str, dict[str, Any]], Meta(description="Values by a profile's slug; unbound ones lie under `unbound` (R25).")
    ]
    tags: list[str]
    taxonomies: list[str]
    identifiers: list[IdentifierSnapshot]
    identifiers_total: int
    first_seen_at: Time
    last_seen_at: Time
    created_at: Time
    updated_at: Time
    archived_at: Time | None
    consent: Annotated[dict[str, ConsentSnapshot], Meta(description="By purpose.")] = {}
    workflows: Annotated[dict[str, StageSnapshot], Meta(description="By the workflow's slug.")] = {}
    relationships: Annotated[dict[str, list[RelatedSnapshot]], Meta(description="By the relationship's slug.")] = {}
    owners: Annotated[list[str], Meta(description="Ids of users.")] = []
    followers: Annotated[list[str], Meta(description="Ids of users.")] = []


class MergedContact(Struct):
    """A contact that this one absorbed in this version."""

    contact_id: UUID


class ContactChange(Struct):
    """One version of one contact."""

    event_id: Annotated[str, Meta(description="Derived from what the change is: the same change told twice has the same.")]
    workspace: str
    contact_id: UUID
    version: Annotated[int, Meta(description="1, 2, 3 … without gaps, per contact and incarnation.", ge=1)]
    incarnation: Annotated[str, Meta(description="Of the store; a new one begins where a restore or failover lost commits.")]
    at: Time
    cause: Cause
    changes: Annotated[dict[str, tuple[Any, Any]], Meta(description="By field: the old value and the new one.")]
    merged: list[MergedContact]
    merged_into: UUID | None
    contact: ContactSnapshot | None
    schema: Annotated[int, Meta(description="Major version of this schema; absent means 1.")] = 1
