"""What a seed's items say, by their `object_type`: the same fields as the User API has, and `deleted_at`, which imports a record archived.

What is named is made so; what is left out stays as it is. Derived fields are none of these, so naming one is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from onefold.errors import InvalidMessage
from onefold.identity.attributes import Slug

MOST_ITEMS = 10_000
Names = Annotated[list[str], Field(max_length=200)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DefinitionData(_Data):
    """A profile, taxonomy, tag, relationship, workflow or document template; by its slug."""

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    object_type: str | None = Field(None, description="For which records it is.")
    parent_id: str | None = None
    data: dict[str, Any] = {}
    deleted_at: AwareDatetime | None = None


class OrganizationData(_Data):
    """An organization, by its slug."""

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    parent_id: str | None = None
    profiles: Names | None = None
    attributes: dict[str, dict[str, Any]] | None = None
    tags: Names | None = None
    taxonomies: Names | None = None
    owners: Names | None = None
    followers: Names | None = None
    workflows: dict[str, PlacedData] | None = None
    deleted_at: AwareDatetime | None = None


class SegmentData(_Data):
    """A segment of contacts, by its slug."""

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    object_type: Literal["contacts"] = "contacts"
    query: dict[str, Any]
    deleted_at: AwareDatetime | None = None


class IdentifierData(_Data):
    """An identifier of a contact."""

    semantic_type: str = Field(min_length=1, max_length=63)
    identifier: str | int
    slug: str | None = None
    is_validated: bool = False
    outreach: bool | None = None


class PlacedData(_Data):
    """Where a record is on a workflow."""

    step: str | None = None
    done: Names | None = None


class RelatedData(_Data):
    """A related record."""

    id: str
    pivot: dict[str, Any] = {}


class ConsentData(_Data):
    """What the person said of one purpose."""

    state: Literal["granted", "denied"]
    source: str
    at: AwareDatetime


class ContactData(_Data):
    """A contact, by whichever of its identifiers is known; one without identifiers by all that it says."""

    given_name: str | None = None
    last_name: str | None = None
    is_vendor: bool | None = None
    identifiers: list[IdentifierData] = Field(default_factory=list, max_length=100)
    organization_id: str | None = None
    profiles: Names | None = None
    attributes: dict[str, dict[str, Any]] = {}
    tags: Names | None = None
    taxonomies: Names | None = None
    workflows: dict[str, PlacedData] | None = None
    owners: Names | None = None
    followers: Names | None = None
    relationships: dict[str, list[RelatedData]] | None = None
    consent: dict[str, ConsentData] = {}
    deleted_at: AwareDatetime | None = None


DEFINITIONS = {
    "profiles": "profile",
    "taxonomies": "taxonomy",
    "tags": "tag",
    "relationships": "relationship",
    "workflows": "workflow",
    "document_templates": "document_template",
}
"""Object types of definitions, and their kinds."""
MODELS: dict[str, type[_Data]] = {
    **dict.fromkeys(DEFINITIONS, DefinitionData),
    "organizations": OrganizationData,
    "segments": SegmentData,
    "contacts": ContactData,
}


def read_items(raw: object) -> list[tuple[str, dict[str, Any]]]:
    """The items of a seed, each with its object type; their data is looked at when their turn comes. Raises InvalidMessage."""
    if not isinstance(raw, list):
        raise InvalidMessage('a seed is a JSON array of items: [{"object_type": …, "data": {…}}, …]', code="invalid_seed")
    if len(raw) > MOST_ITEMS:
        raise InvalidMessage(f"a seed has at most {MOST_ITEMS:,} items; larger data goes through imports", code="invalid_seed")
    found = []
    for number, each in enumerate(raw, 1):
        if not isinstance(each, dict) or each.keys() != {"object_type", "data"} or not isinstance(each["data"], dict):
            raise InvalidMessage(f"item {number}: an item has object_type and data, and nothing else", code="invalid_seed")
        if each["object_type"] not in MODELS:
            raise InvalidMessage(f"item {number}: {each['object_type']!r} is none of {', '.join(MODELS)}", code="invalid_seed")
        found.append((each["object_type"], each["data"]))
    return found


def read_data(object_type: str, data: dict[str, Any]) -> Any:
    """One item's data, references resolved. Raises InvalidMessage."""
    try:
        return MODELS[object_type].model_validate(data)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False, include_url=False)]
        raise InvalidMessage("; ".join(problems[:10]), code="invalid_seed") from error
