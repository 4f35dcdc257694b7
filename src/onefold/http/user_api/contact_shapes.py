"""What the User API says of a contact, and what it takes. What is shown is encoded as messages are; these models document it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from onefold.errors import InvalidMessage
from onefold.http.user_api.classification import Names, Placed, Relation, placements, relations_of
from onefold.identity import adoption
from onefold.identity.survivorship import UNBOUND, attribute_path
from onefold.messages import contacts as wire
from onefold.records.changes import identifier_snapshot, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import ContactChanged, Plan
    from onefold.records.contact_pages import Shown

_IDENTIFIERS = uuid5(NAMESPACE_URL, "onefold:identifier-of-the-api")
DERIVED = frozenset(
    {"id", "type", "email", "phone", "segments", "organization_name", "version", "identifiers_total", "first_seen_at", "last_seen_at",
     "created_at", "updated_at", "archived_at"}
)  # fmt: skip
"""Fields that follow from others, and that nobody writes (product.md, section 2)."""


class IdentifierShown(BaseModel):
    """An identifier of a contact."""

    identifier_id: UUID
    semantic_type: str
    identifier: str = Field(description="As given.")
    normalised: str = Field(description="As compared.")
    slug: str | None
    is_validated: bool
    validated_at: datetime | None
    validated_by: str | None
    source: str
    outreach: bool
    assurance: str
    first_seen_at: datetime
    last_seen_at: datetime


class ContactShown(BaseModel):
    """A contact. With `fields`, only some of this."""

    model_config = ConfigDict(extra="allow")

    id: UUID
    version: int
    type: Literal["ghost", "lead", "contact", "vendor"]
    given_name: str | None
    last_name: str | None
    email: str | None = Field(description="The Main email.")
    phone: str | None = Field(description="The Main phone.")
    is_vendor: bool
    organization_id: UUID | None
    organization_name: str | None
    profiles: list[str]
    attributes: dict[str, dict[str, Any]] = Field(description="By profile; unbound ones under `unbound`.")
    tags: list[str]
    taxonomies: list[str]
    identifiers: list[IdentifierShown] = Field(description="At most 200; `identifiers_total` says how many there are.")
    identifiers_total: int
    segments: list[str]
    first_seen_at: datetime
    last_seen_at: datetime
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    redirected_from: UUID | None = Field(None, description="The id that was asked for, where this contact absorbed it.")
    skipped_tags: list[str] | None = Field(None, description="Unknown ones, which were left out of a contact that was made.")


NAMES = frozenset(wire.ContactSnapshot.__struct_fields__) - {"workspace"} | {"segments", "redirected_from"}
"""Fields of a contact, of which `fields` names some."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


Slug = Annotated[str, Field(max_length=63)]
Value = Annotated[str, Field(min_length=1, max_length=4_096)]
Reason = Annotated[str | None, Field(max_length=500, description="Why; kept with what was done.")]


class IdentifierGiven(_Strict):
    """An identifier that a contact is to hold."""

    semantic_type: Annotated[str, Field(max_length=63)]
    identifier: Value
    slug: Slug | None = Field(None, description="The first of a type is `main`, whatever this says.")
    outreach: bool | None = None


class _Written(_Strict):
    @model_validator(mode="before")
    @classmethod
    def _nothing_derived(cls, body: object) -> object:
        named = sorted(DERIVED & body.keys()) if isinstance(body, dict) else []
        if named:
            why = "an identifier makes it" if named[0] in {"email", "phone"} else "it follows from other fields"
            raise ValueError(f"{named[0]} is read-only: {why}")
        return body


class ContactMade(_Written):
    """A contact to make."""

    given_name: Annotated[str, Field(max_length=200)] | None = None
    last_name: Annotated[str, Field(max_length=200)] | None = None
    identifiers: list[IdentifierGiven] = Field(default_factory=list, max_length=100)
    is_vendor: bool = False
    organization_id: UUID | None = None
    attributes: dict[str, dict[str, Any]] = Field(default_factory=dict, description="By profile; unbound ones under `unbound`.")
    profiles: Names = []
    taxonomies: Names = []
    tags: Names = Field(default=[], description="Unknown ones are left out.")
    owners: Names = []
    followers: Names = []
    workflows: dict[str, Placed] = Field(default={}, description="By slug.")
    relate: list[Relation] = Field(default=[], max_length=200)
    reason: Reason = None


class ContactEdited(_Written):
    """What of a contact is to be different; what is left out stays, null clears."""

    given_name: Annotated[str, Field(max_length=200)] | None = None
    last_name: Annotated[str, Field(max_length=200)] | None = None
    is_vendor: bool | None = None
    organization_id: UUID | None = None
    attributes: dict[str, dict[str, Any]] | None = None
    reason: Reason = None


class IdentifierEdited(_Strict):
    """Another label or outreach; or else another value, which is not validated."""

    identifier: Value | None = None
    slug: Slug | None = None
    takes_over: bool = Field(False, description="Whoever carries the label now loses it.")
    outreach: bool | None = None
    reason: Reason = None


class Why(_Strict):
    """Why something is done."""

    reason: Reason = None


class ChangeShown(BaseModel):
    """What would be, or was, different of one contact."""

    contact_id: UUID
    version: int
    changes: dict[str, tuple[Any, Any]] = Field(description="By field: the old value and the new one.")
    merged_into: UUID | None


class ActShown(BaseModel):
    """What an act did, or would do with `preview`."""

    executed: bool
    changes: list[ChangeShown]


def identifier_id(workspace: str, tenure_id: int) -> UUID:
    """How the API names a tenure, whose number counts what others do."""
    return uuid5(_IDENTIFIERS, f"{workspace}\0{tenure_id}")


def fields_of(text: str | None) -> frozenset[str] | None:
    """The fields that somebody asked for. Raises InvalidMessage."""
    if text is None:
        return None
    named = frozenset(filter(None, text.split(",")))
    unknown = sorted(named - NAMES)
    if unknown or not named:
        raise InvalidMessage(
            f"{unknown[0] if unknown else ''!r} is no field of a contact; there are {', '.join(sorted(NAMES))}", code="unknown_field"
        )
    return named


def answer(shown: Shown, *, fields: frozenset[str] | None = None, status: int = 200, **more: object) -> Response:
    """One contact, as an answer, with what `ContactShown` has beside the contact itself."""
    return answer_of(told(shown, fields, **more), status)


def answer_of(value: object, status: int = 200) -> Response:
    """Anything, as an answer."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def told(shown: Shown, fields: frozenset[str] | None = None, **more: object) -> Any:
    """A contact as it is shown."""
    contact = shown.contact
    snapshot = snapshot_of(contact, ())
    held = [_identifier(contact, each) for each in contact.listed]
    plain = {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}
    plain["identifiers"], plain["identifiers_total"] = held, contact.summary.total
    whole = {**plain, "segments": list(shown.segments), "redirected_from": None, **more}
    del whole["workspace"]
    return whole if fields is None else {name: whole[name] for name in whole if name in fields or name == "id"}


def _identifier(contact: Contact, tenure: Tenure) -> dict[str, Any]:
    snapshot = identifier_snapshot(tenure)
    found = {"identifier_id": identifier_id(contact.workspace, tenure.tenure_id)}
    return found | {name: getattr(snapshot, name) for name in snapshot.__struct_fields__}


def act_shown(plan: Plan, *, executed: bool) -> dict[str, Any]:
    """A plan as the API shows it."""
    return {"executed": executed, "changes": [_change(each) for each in plan.changes]}


def _change(each: ContactChanged) -> Mapping[str, Any]:
    return {"contact_id": each.contact_id, "version": each.version, "changes": each.changes, "merged_into": each.merged_into}


def hanging_of(body: ContactMade, own: Sequence[str]) -> adoption.Change:
    """What hangs on a contact that is to be made, beside those who own it anyway."""
    return adoption.Change(
        profiles=adoption.Edit(body.profiles),
        taxonomies=adoption.Edit(body.taxonomies),
        tags=adoption.Edit(body.tags),
        owners=adoption.Edit([*own, *body.owners]),
        followers=adoption.Edit(body.followers),
        attributes={profile: values for profile, values in body.attributes.items() if profile != UNBOUND},
        workflows=placements(body.workflows),
        relate=relations_of(body.relate),
    )


def values_of(body: ContactMade | ContactEdited) -> dict[str, object]:
    """The fields and values in a body, by path; what was not said is left out. A new contact's values of profiles hang on it."""
    said = body.model_fields_set
    found: dict[str, object] = {name: getattr(body, name) for name in ("given_name", "last_name", "organization_id") if name in said}
    for profile, values in (body.attributes or {}).items():
        if profile == UNBOUND or isinstance(body, ContactEdited):
            found.update((attribute_path(slug, profile), value) for slug, value in values.items())
    return found
