"""Buckets of separations: which index entries a statement that ends or lowers tenures makes doubtful (architecture, section 3).

Records writes the buckets of what it separates; the index holds its entries against them.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.identity.identifiers import IdentifierKey

BUCKETS = 1 << 20


def bucket(workspace: str, key: IdentifierKey) -> int:
    """The bucket of an identifier. Stored in Postgres: never change how it is computed."""
    return int.from_bytes(blake2b(key + workspace.encode(), digest_size=3).digest()) & (BUCKETS - 1)
