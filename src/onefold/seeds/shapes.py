"""How records look as items of a seed: what import reads again, with ids as they are (references are put in their place by `export`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onefold.identity.classification import relationships
from onefold.identity.contact import MAIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.identity.classification import Classification
    from onefold.identity.contact import Contact, Tenure
    from onefold.records.definitions import Definition
    from onefold.records.organizations import Organization
    from onefold.records.segments import Segment


def definition_shape(definition: Definition) -> dict[str, Any]:
    """A definition."""
    return _said(
        slug=definition.slug,
        title=definition.title,
        object_type=definition.scope or None,
        parent_id=str(definition.parent_id) if definition.parent_id is not None else None,
        data={name: value for name, value in definition.data.items() if value not in (None, [], {})},
        deleted_at=definition.archived_at.isoformat() if definition.archived_at is not None else None,
    )


def organization_shape(organization: Organization) -> dict[str, Any]:
    """An organization."""
    return _said(
        slug=organization.slug,
        title=organization.title,
        parent_id=str(organization.parent_id) if organization.parent_id is not None else None,
        attributes=organization.attributes,
        tags=list(organization.tags),
        **_hanging(organization.classification),
        deleted_at=organization.archived_at.isoformat() if organization.archived_at is not None else None,
    )


def segment_shape(segment: Segment, query: object) -> dict[str, Any]:
    """A segment, with its query as seeds write it."""
    return _said(
        slug=segment.slug,
        title=segment.title,
        query=query,
        deleted_at=segment.archived_at.isoformat() if segment.archived_at is not None else None,
    )


def contact_shape(contact: Contact, tenures: Sequence[Tenure]) -> dict[str, Any]:
    """A contact, but for what it is related to, which may be made later than it."""
    return _said(
        given_name=contact.given_name,
        last_name=contact.last_name,
        is_vendor=contact.is_vendor or None,
        identifiers=[_identifier(each) for each in sorted(tenures, key=_order)],
        organization_id=str(contact.organization_id) if contact.organization_id is not None else None,
        attributes={profile: values for profile, values in contact.attributes.items() if values},
        tags=list(contact.tags),
        **_hanging(contact.classification),
        consent={
            purpose: {"state": word.state, "source": word.source, "at": word.at.isoformat()} for purpose, word in contact.consent.items()
        },
        deleted_at=contact.archived_at.isoformat() if contact.archived_at is not None else None,
    )


def relationships_shape(classification: Classification) -> dict[str, list[dict[str, Any]]]:
    """What a record is related to."""
    return {slug: [_said(id=each.id, pivot=each.pivot) for each in several] for slug, several in relationships(classification).items()}


def _order(tenure: Tenure) -> tuple[str, bool, bool, str, str]:
    """By type, Main first: the first of a type becomes Main when it is read again."""
    return (tenure.semantic_type, tenure.slug != MAIN, tenure.slug is None, tenure.slug or "", tenure.normalised)


def _identifier(tenure: Tenure) -> dict[str, Any]:
    by_default = tenure.semantic_type in {"email", "phone"}
    return {
        "semantic_type": tenure.semantic_type,
        "identifier": tenure.identifier,
        "slug": tenure.slug,
        **({"is_validated": True} if tenure.is_validated else {}),
        **({"outreach": tenure.outreach} if tenure.outreach is not by_default else {}),
    }


def _hanging(classification: Classification) -> Mapping[str, Any]:
    return {
        "profiles": list(classification.profiles),
        "taxonomies": list(classification.taxonomies),
        "workflows": {slug: _said(step=stage.step, done=list(stage.done)) for slug, stage in classification.workflows.items()},
        "owners": list(classification.owners),
        "followers": list(classification.followers),
    }


def _said(**fields: Any) -> dict[str, Any]:
    """What says something: nothing that is empty."""
    return {name: value for name, value in fields.items() if value not in (None, [], {}, ())}
