"""A small model of who is whom, written apart from `decide`: union-find over shared identifiers.

It knows nothing of batches, snapshots, contacts or assurances. For events without user ids, proofs and limits, two identifiers belong to
one person exactly when a chain of events connects them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.interaction import Interaction


class Groups:
    """Disjoint sets of texts."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, member: str) -> str:
        """The set that a member belongs to, by one of its members."""
        self._parent.setdefault(member, member)
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: str, other: str) -> None:
        """Make two sets one."""
        self._parent[self.find(one)] = self.find(other)

    def canonical(self) -> list[list[str]]:
        """All sets, sorted, each sorted."""
        found: dict[str, list[str]] = {}
        for member in self._parent:
            found.setdefault(self.find(member), []).append(member)
        return sorted(sorted(group) for group in found.values())


def order_free_groups(log: Iterable[Interaction]) -> list[list[str]]:
    """The groups of identifiers that the events connect."""
    groups = Groups()
    for interaction in log:
        names = [f"{each.semantic_type}:{each.normalised}" for each in interaction.identifiers]
        for name in names:
            groups.join(name, names[0])
    return groups.canonical()
