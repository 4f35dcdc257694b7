"""Pages: an opaque cursor that says where the last one ended, and a bound on their size (security.md, S86)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Generic, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from onefold.http.problems import Answered

Item = TypeVar("Item")
Place = TypeVar("Place")

MOST = 200

Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries of a page.")]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next` of the page before.")]


class Page(BaseModel, Generic[Item]):
    """Some entries, and how to have the next ones."""

    items: list[Item]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


def cursor_of(place: object) -> str:
    """A place as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def place_of(cursor: str | None, kind: type[Place]) -> Place | None:
    """The place that a cursor says. Raises Answered (422) where it is none of ours."""
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError) as error:
        raise Answered(422, "invalid_cursor", "This cursor is none that a page of this list gave. Begin at the first page.") from error
