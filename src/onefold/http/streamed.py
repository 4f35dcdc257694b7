"""Answers that are sent piece by piece, as the two APIs give out everything that is held of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

EXPORTED: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/json": {"schema": {"type": "object"}}}}}
"""For the document of a route that gives out an export."""


async def begun(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, of which the first was taken already."""
    yield first
    async for piece in pieces:
        yield piece
