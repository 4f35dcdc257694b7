"""The kinds of definitions: what each says beyond its title and slug, and for which records (product-facts 1.3, 3.3 to 3.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onefold.errors import InvalidMessage
from onefold.identity.attributes import Attribute, Slug, check_definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDS = ("contacts", "organizations", "documents", "users")
ObjectType = Literal["contacts", "organizations", "documents", "users"]
Slugs = Annotated[list[Slug], Field(max_length=500)]
Alias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(None, max_length=2_000)


class Default(BaseModel):
    """Who owns or follows what adopts a profile, at first."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(min_length=36, max_length=36)
    role: Literal["owner", "follower"]


class _Hosted(_Data):
    """What gives records attributes, and is applied when they get it."""

    attributes: list[Attribute] = Field(default_factory=list, max_length=200)
    default_tags: Slugs = []
    default_taxonomies: Slugs = []
    default_workflow: Slug | None = None
    default_ownership: list[Default] = Field(default_factory=list, max_length=50)
    allowed_taxonomies: Slugs | None = Field(None, description="Only these (and what lies below them) may be assigned; null: all.")

    @model_validator(mode="after")
    def _attributes_go_together(self) -> Self:
        complaint = check_definitions(self.attributes)
        if complaint is not None:
            raise ValueError(complaint)
        return self


class ProfileData(_Hosted):
    """A profile: the attributes that whoever adopts it has, and what is applied when they do."""

    badge_color: str | None = Field(None, pattern=r"^#[0-9a-fA-F]{6}$")
    type: Literal["leads", "contacts", "vendors", "organizations", "users"] | None = Field(None, description="For grouping alone.")


class TaxonomyData(_Data):
    """A node of the classification of one kind of records."""

    titles: dict[str, str] = Field(default_factory=dict, description="Titles by language, such as es.", max_length=50)


class TagData(_Data):
    """A label for records of any kind."""

    visible: bool = True
    is_system: bool = Field(False, description="Protected: it cannot be changed or destroyed.")


class RelationshipData(_Data):
    """How records of two kinds are related, seen from the side that is written (1): one or several of the other side (2)."""

    object_type_2: ObjectType
    title_2: str = Field(min_length=1, max_length=200, description="How the other side calls it.")
    alias_1: Alias
    alias_2: Alias
    cardinality_1: Literal["one", "many"] = Field(description="How many of side 1 one record of side 2 may be related to.")
    cardinality_2: Literal["one", "many"] = Field(description="How many of side 2 one record of side 1 may be related to.")
    pivot_fields: list[Attribute] = Field(default_factory=list, max_length=50, description="Fields of the relation itself.")

    @model_validator(mode="after")
    def _sides_differ(self) -> RelationshipData:
        if self.alias_1 == self.alias_2:
            raise ValueError("the aliases of the two sides must differ")
        if self.pivot_fields and (self.cardinality_1, self.cardinality_2) != ("many", "many"):
            raise ValueError("only a relationship of many to many has fields of its own")
        complaint = check_definitions(self.pivot_fields)
        if complaint is not None:
            raise ValueError(complaint)
        return self


class Item(BaseModel):
    """An entry of a step's checklist."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    title: str = Field(min_length=1, max_length=200)


class Step(BaseModel):
    """A step of a workflow."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    title: str = Field(min_length=1, max_length=200)
    rotting_days: int = Field(0, ge=0, le=3_650, description="After how many days at it a record counts as stale; 0 for never.")
    items: list[Item] = Field(default_factory=list, max_length=100)


class WorkflowData(_Data):
    """Steps that records go along."""

    steps: list[Step] = Field(min_length=1, max_length=100)

    @model_validator(mode="after")
    def _slugs_differ(self) -> WorkflowData:
        for slugs in ([each.slug for each in self.steps], *([item.slug for item in each.items] for each in self.steps)):
            if len(set(slugs)) < len(slugs):
                raise ValueError("a slug is there twice among the steps, or among the items of one")
        return self


class TemplateData(_Hosted):
    """A template of documents."""

    ownership_mode: Literal["independent", "sync_with_contact"] = Field(
        "independent", description="Whose owners and followers documents have: their own, or their contact's."
    )
    requires_authentication: bool = Field(True, description="Whether contacts must have signed in to read theirs.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of definitions."""

    name: str
    plural: str
    data: type[BaseModel]
    scopes: tuple[str, ...]
    """For which records there may be one; ('',) where it is for all."""
    is_tree: bool
    link: str
    """The kind of rows of `links` that say who carries one."""

    def read(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What is stored. Raises InvalidMessage, with every place and reason."""
        try:
            return self.data.model_validate(raw).model_dump(mode="json")
        except ValidationError as error:
            found = [
                (".".join(map(str, each["loc"])) or self.name, each["msg"]) for each in error.errors(include_input=False, include_url=False)
            ]
            raise InvalidMessage("; ".join(f"{where}: {why}" for where, why in found[:10]), code="invalid_definition") from error


PROFILE = Kind("profile", "profiles", ProfileData, ("contacts", "organizations", "users"), is_tree=False, link="profile")
TAXONOMY = Kind("taxonomy", "taxonomies", TaxonomyData, RECORDS, is_tree=True, link="taxonomy")
TAG = Kind("tag", "tags", TagData, ("",), is_tree=True, link="tag")
RELATIONSHIP = Kind("relationship", "relationships", RelationshipData, RECORDS, is_tree=False, link="relationship")
WORKFLOW = Kind("workflow", "workflows", WorkflowData, RECORDS, is_tree=False, link="workflow")
TEMPLATE = Kind("document_template", "document_templates", TemplateData, ("documents",), is_tree=False, link="profile")
KINDS = {each.name: each for each in (PROFILE, TAXONOMY, TAG, RELATIONSHIP, WORKFLOW, TEMPLATE)}
