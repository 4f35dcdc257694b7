"""Find the record that a reference names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.access.emails import email_of
from onefold.contacts import acting
from onefold.errors import InvalidMessage
from onefold.identity.identifiers import resolve_identifiers
from onefold.records import organizations, users
from onefold.records.definitions import definitions_by_slug
from onefold.records.reads import find_holder
from onefold.records.segments import find_segment
from onefold.seeds.items import DEFINITIONS
from onefold.workspace.kinds import KINDS

if TYPE_CHECKING:
    from onefold.seeds.apply import Work
    from onefold.seeds.references import Reference


async def record(work: Work, reference: Reference) -> str:
    """What a reference stands for. Raises InvalidMessage where there is no such record, or its field cannot be looked up by."""
    found = await _attributes(work, reference)
    if reference.wanted not in found:
        names = ", ".join(sorted(found))
        raise InvalidMessage(f"{reference.text}: of {reference.object_type} one asks for {names}", code="invalid_reference")
    return found[reference.wanted]


async def _attributes(work: Work, reference: Reference) -> dict[str, str]:
    object_type, name = reference.object_type, reference.field
    if object_type in DEFINITIONS and name == "slug":
        return await _definition(work, reference)
    if object_type == "organizations" and name == "slug":
        organization = await organizations.find_by_slug(work.connection, work.workspace, reference.value)
        if organization is not None:
            return {"id": str(organization.organization_id), "slug": organization.slug, "title": organization.title}
    elif object_type == "segments" and name == "slug":
        segment = await find_segment(work.connection, work.workspace, reference.value)
        if segment is not None:
            return {"id": str(segment.segment_id), "slug": segment.slug, "title": segment.title}
    elif object_type == "users" and name == "email":
        user = await users.user_by_email(work.connection, work.workspace, email_of(reference.value))
        if user is not None:
            return {"id": str(user.user_id), "email": user.email}
    elif object_type == "contacts":
        found = await _contact(work, name, reference.value)
        if found is not None:
            return {"id": found}
    else:
        raise InvalidMessage(
            f"{reference.text}: look {object_type} up by slug, users by email, contacts by a type of identifier", code="invalid_reference"
        )
    raise _missing(reference)


async def _definition(work: Work, reference: Reference) -> dict[str, str]:
    kind = KINDS[DEFINITIONS[reference.object_type]]
    scope, slash, slug = reference.value.rpartition("/")
    found = [
        definition
        for each in ([scope] if slash else kind.scopes)
        for definition in (await definitions_by_slug(work.connection, work.workspace, kind.name, [each], [slug])).values()
    ]
    if not found:
        raise _missing(reference)
    if len(found) > 1:
        raise InvalidMessage(f"{reference.text}: there are several; write {found[0].scope}/{slug}", code="ambiguous_reference")
    definition = found[0]
    return {"id": str(definition.definition_id), "slug": definition.slug, "title": definition.title}


async def _contact(work: Work, semantic_type: str, value: str) -> str | None:
    rules = await acting.rules_of(work.connection, work.workspace)
    resolved, _ = resolve_identifiers([(semantic_type, value, None)], rules)
    if not resolved:
        return None
    holder = await find_holder(work.connection, [work.workspace], resolved[0].semantic_type, resolved[0].normalised)
    return str(holder[1]) if holder is not None else None


def _missing(reference: Reference) -> InvalidMessage:
    return InvalidMessage(
        f"{reference.text}: there is no such record; put the item that makes it before this one", code="unresolved_reference"
    )
