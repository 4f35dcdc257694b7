"""Export a workspace as a seed: what import reads, in an order in which every reference names something that comes before.

Ids differ between workspaces, so wherever one stands, a reference by slug, e-mail or identifier stands instead. What cannot be named so (a
related contact without identifiers) is left out, and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onefold.records import exports, organizations, segments
from onefold.records.definitions import tree_of
from onefold.seeds.items import DEFINITIONS
from onefold.seeds.references import Reference
from onefold.seeds.shapes import contact_shape, definition_shape, organization_shape, relationships_shape, segment_shape
from onefold.workspace.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from onefold.identity.contact import Contact, Tenure
    from onefold.records.store import Connection

ORDER = ("tags", "taxonomies", "workflows", "relationships", "profiles", "document_templates", "organizations", "segments", "contacts")
"""Object types, each after those that it names."""
_BY_ID = ("organization_id", "owners", "followers")
"""Fields of a segment's query whose values are ids."""


@dataclass
class Exported:
    """A workspace as a seed."""

    items: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What no reference can name."""


@dataclass
class _Names:
    """References by id, as far as the export has come."""

    users: dict[str, str]
    records: dict[str, Reference] = field(default_factory=dict)

    def user(self, user_id: str) -> str:
        email = self.users.get(user_id)
        return Reference("users", "email", email).text if email is not None else user_id

    def record(self, record_id: str) -> str:
        found = self.records.get(record_id)
        return found.text if found is not None else record_id

    def either(self, any_id: str) -> str:
        return self.user(any_id) if any_id in self.users else self.record(any_id)


async def export(connection: Connection, workspace: str, object_types: Collection[str] = ORDER) -> Exported:
    """The workspace's definitions, organizations, segments and contacts, or some of these, in an order that import takes."""
    names = _Names(await exports.emails_of_users(connection, workspace))
    found = Exported()
    for object_type in ORDER:
        if object_type in DEFINITIONS:
            items = await _definitions(connection, workspace, object_type, names)
        elif object_type == "organizations":
            items = await _organizations(connection, workspace, names)
        elif object_type == "segments":
            items = await _segments(connection, workspace, names)
        else:
            items = await _contacts(connection, workspace, names, found)
        if object_type in object_types:
            found.items += [{"object_type": object_type, "data": each} for each in items]
    return found


async def _definitions(connection: Connection, workspace: str, object_type: str, names: _Names) -> list[dict[str, Any]]:
    kind, items = KINDS[DEFINITIONS[object_type]], []
    for scope in kind.scopes:
        for each in await tree_of(connection, workspace, kind.name, scope):
            value = f"{scope}/{each.slug}" if len(kind.scopes) > 1 else each.slug
            names.records[str(each.definition_id)] = Reference(object_type, "slug", value)
            shape = definition_shape(each)
            for default in shape.get("data", {}).get("default_ownership", ()):
                default["user_id"] = names.user(default["user_id"])
            items.append(_named(shape, names))
    return items


async def _organizations(connection: Connection, workspace: str, names: _Names) -> list[dict[str, Any]]:
    items = []
    for each in await organizations.everything(connection, workspace):
        names.records[str(each.organization_id)] = Reference("organizations", "slug", each.slug)
        items.append(_named(organization_shape(each), names))
    return items


async def _segments(connection: Connection, workspace: str, names: _Names) -> list[dict[str, Any]]:
    found = await segments.list_segments(connection, workspace, archived=(False, True))
    return [segment_shape(each, _query(each.raw, names)) for each, _ in found]


async def _contacts(connection: Connection, workspace: str, names: _Names, found: Exported) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    related: list[tuple[Contact, Sequence[Tenure]]] = []
    async for contact, tenures in exports.all_contacts(connection, workspace):
        shape = _named(contact_shape(contact, tenures), names)
        items.append(shape)
        if tenures:
            first = shape["identifiers"][0]
            names.records[str(contact.contact_id)] = Reference("contacts", first["semantic_type"], first["identifier"])
        if relationships_shape(contact.classification):
            related.append((contact, tenures))
    for each, held in related:
        items += _related(each, held, names, found)
    return items


def _related(contact: Contact, tenures: Sequence[Tenure], names: _Names, found: Exported) -> list[dict[str, Any]]:
    """What a contact is related to, as an item of its own after all contacts."""
    if not tenures:
        found.left_out.append(f"relationships of contact {contact.contact_id}, which holds no identifier")
        return []
    wanted: dict[str, list[dict[str, Any]]] = {}
    for slug, several in relationships_shape(contact.classification).items():
        for each in several:
            name = names.either(each["id"])
            if name == each["id"]:
                found.left_out.append(f"{slug} of contact {contact.contact_id}: {each['id']} cannot be named")
            else:
                wanted.setdefault(slug, []).append({**each, "id": name})
    identifiers = contact_shape(contact, tenures)["identifiers"][:1]
    for several in wanted.values():
        several.sort(key=lambda each: str(each["id"]))
    return [{"identifiers": identifiers, "relationships": wanted}] if wanted else []


def _named(shape: dict[str, Any], names: _Names) -> dict[str, Any]:
    """With references where ids stand."""
    for name in ("parent_id", "organization_id"):
        if name in shape:
            shape[name] = names.record(shape[name])
    for name in ("owners", "followers"):
        if name in shape:
            shape[name] = sorted(names.user(each) for each in shape[name])
    return shape


def _query(raw: Any, names: _Names) -> Any:
    """A segment's query with references where ids stand."""
    if isinstance(raw, list):
        return [_query(each, names) for each in raw]
    if not isinstance(raw, dict):
        return raw
    if "field" in raw and (raw["field"] in _BY_ID or str(raw["field"]).startswith("relationships.")) and "value" in raw:
        return {**raw, "value": _each(raw["value"], names.either)}
    return {key: _query(value, names) for key, value in raw.items()}


def _each(value: Any, name: Callable[[str], str]) -> Any:
    return [name(str(each)) for each in value] if isinstance(value, list) else name(str(value))
