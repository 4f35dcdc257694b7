"""Ids that follow from names (UUID, version 5): the same thing gets the same id wherever, and however often, it is made.

What `uuid.uuid5` gives, in half its time: every new contact and every change needs one. Called by whoever makes them.
"""

from __future__ import annotations

from hashlib import sha1
from uuid import NAMESPACE_URL, UUID, uuid5

_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))


class Namespace:
    """Ids of one kind."""

    def __init__(self, kind: str) -> None:
        self._prefix = uuid5(NAMESPACE_URL, kind).bytes

    def id_of(self, name: str) -> UUID:
        """The id of what is called so."""
        return UUID(bytes=sha1(self._prefix + name.encode(), usedforsecurity=False).digest()[:16], version=5)

    def text_of(self, name: str) -> str:
        """The same as text."""
        found = sha1(self._prefix + name.encode(), usedforsecurity=False).hexdigest()
        return f"{found[:8]}-{found[8:12]}-5{found[13:16]}-{_VARIANTS[found[16]]}{found[17:20]}-{found[20:32]}"
