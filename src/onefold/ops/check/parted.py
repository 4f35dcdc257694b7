"""What unmerges explain: a line names the contact that its tenure belonged to, and the tenure went back to another one since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.records import checks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from onefold.records.store import Connection


class Parted:
    """Tenures that unmerges gave back, and between which contacts."""

    def __init__(self, tenures: Iterable[int] = (), sides: Iterable[tuple[UUID, UUID]] = ()) -> None:
        """`sides`: where both contacts of each undone merge lead now."""
        self._tenures = frozenset(tenures)
        self._group: dict[UUID, UUID] = {}
        for one, other in sides:
            self._group[self._end(one)] = self._end(other)

    def _end(self, contact: UUID) -> UUID:
        while (leads := self._group.get(contact, contact)) != contact:
            contact = leads
        return contact

    def explains(self, tenure: int, told: UUID | None, holder: UUID | None) -> bool:
        """Whether the tenure of one may have been the other's: it went back, and merges that are undone joined the two."""
        return tenure in self._tenures and told is not None and holder is not None and self._end(told) == self._end(holder)


async def parted(connection: Connection) -> Parted:
    """Of the workspaces that the connection sees."""
    undone = await checks.undone_merges(connection)
    roots = await checks.contact_roots(connection, {contact for row in undone for contact in (row["survivor"], row["absorbed"])})
    sides = ((roots.get(row["survivor"]), roots.get(row["absorbed"])) for row in undone)
    known = ((one, other) for one, other in sides if one is not None and other is not None)
    return Parted((tenure for row in undone for tenure in row["returned"] or ()), known)
