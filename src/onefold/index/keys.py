"""The one builder of Redis keys (S93): 16 bytes, a keyed hash of incarnation, workspace and identifier key. No personal data.

The incarnation is hashed in, so a new one makes every entry a miss. Sixteen bytes of key and forty of value are what Valkey keeps in
its 90-byte step; a longer key would cost the next one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onefold.identity.identifiers import IdentifierKey


class IndexKeys:
    """Names entries of one incarnation. `secret` has 32 bytes."""

    def __init__(self, secret: bytes, incarnation: str) -> None:
        self._base = blake2b(incarnation.encode() + b"\0", digest_size=16, key=secret, person=b"onefold-index-k")

    def key(self, workspace: str, identifier: IdentifierKey) -> bytes:
        """The entry's name in Redis."""
        state = self._base.copy()
        state.update(identifier + workspace.encode())
        return state.digest()
