"""What is defined in a workspace, as far as a change of one record needs it. Called by whoever hangs something on records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.adoption import Catalog, Profile, Relationship, Taxonomy, Workflow
from onefold.identity.attributes import Attribute
from onefold.records.definitions import definitions_by_slug, tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.adoption import Change, Hung
    from onefold.records.definitions import Definition
    from onefold.records.store import Connection

HOSTS = {"documents": "document_template"}
"""What gives records their attributes, where it is not profiles: the template is the one profile of a document."""
USERS = "select user_id::text from users where workspace = $1 and user_id::text = any($2::text[]) and archived_at is null"


async def catalog_for(connection: Connection, workspace: str, scope: str, present: Hung, change: Change, *, will_use: bool) -> Catalog:
    """The catalog for a change of a record of this kind. With `will_use` nobody destroys what it names until the transaction has ended."""

    async def named(kind: str, slugs: Sequence[str]) -> dict[str, Definition]:
        return await definitions_by_slug(
            connection, workspace, kind, ["" if kind == "tag" else scope], sorted(set(slugs)), will_use=will_use
        )

    before = present.classification
    host = HOSTS.get(scope, "profile")
    profiles = {slug: _profile(each) for slug, each in (await named(host, [*before.profiles, *change.profiles.add])).items()}
    new = [profile for slug, profile in profiles.items() if slug not in before.profiles]
    workflows = [*change.workflows, *(each.default_workflow for each in new if each.default_workflow is not None)]
    tags = [*change.tags.add, *(slug for each in new for slug in each.default_tags)]
    wants_taxonomies = bool(change.taxonomies.add) or any(each.default_taxonomies for each in new)
    users = [*change.owners.add, *change.followers.add, *(user for each in new for user in (*each.default_owners, *each.default_followers))]
    return Catalog(
        profiles,
        await _taxonomies(connection, workspace, scope, will_use=will_use) if wants_taxonomies else {},
        {slug: _workflow(each) for slug, each in (await named("workflow", workflows)).items()},
        {slug: _relationship(each) for slug, each in (await named("relationship", [each.slug for each in change.relate])).items()},
        frozenset(slug for slug, each in (await named("tag", tags)).items() if each.archived_at is None),
        frozenset(row["user_id"] for row in await connection.fetch(USERS, workspace, users)) if users else frozenset(),
    )


async def _taxonomies(connection: Connection, workspace: str, scope: str, *, will_use: bool) -> dict[str, Taxonomy]:
    tree = await tree_of(connection, workspace, "taxonomy", scope, will_use=will_use)
    slugs = {each.definition_id: each.slug for each in tree}
    return {
        each.slug: Taxonomy(each.slug, slugs.get(each.parent_id) if each.parent_id is not None else None, each.archived_at is not None)
        for each in tree
    }


def _profile(definition: Definition) -> Profile:
    data = definition.data
    ownership = data["default_ownership"]
    return Profile(
        definition.slug,
        [Attribute.model_validate(each) for each in data["attributes"]],
        data["default_tags"],
        data["default_taxonomies"],
        data["default_workflow"],
        [each["user_id"] for each in ownership if each["role"] == "owner"],
        [each["user_id"] for each in ownership if each["role"] == "follower"],
        data["allowed_taxonomies"],
        definition.archived_at is not None,
    )


def _workflow(definition: Definition) -> Workflow:
    steps = {step["slug"]: [item["slug"] for item in step["items"]] for step in definition.data["steps"]}
    return Workflow(definition.slug, steps, definition.archived_at is not None)


def _relationship(definition: Definition) -> Relationship:
    data = definition.data
    fields = [Attribute.model_validate(each) for each in data["pivot_fields"]]
    return Relationship(definition.slug, data["cardinality_2"] == "many", fields, definition.archived_at is not None)
