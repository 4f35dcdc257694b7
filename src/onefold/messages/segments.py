"""A contact that entered or left a segment, as it lies on `segments.membership`.

Versions of contact and rule come with it, so that a reader can drop what is older than what it knows.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from onefold.messages.times import Time


class SegmentReference(Struct):
    """A segment at one version of its rule."""

    id: UUID
    slug: str
    version: int


class SegmentMembership(Struct):
    """One transition of one contact in one segment."""

    event_id: Annotated[str, Meta(description="Derived from what the transition is: the same one told twice has the same.")]
    workspace: str
    segment: SegmentReference
    contact_id: UUID
    contact_version: int
    transition: Literal["entered", "left"]
    at: Time
    schema: Annotated[int, Meta(description="Major version of this schema; absent means 1.")] = 1
