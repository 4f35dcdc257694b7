"""One tree: a contact with everything that it absorbed, as unmerging looks at it. Data, and what follows from it alone.

Loaded by `onefold.records.trees`. A tree's merges are all that ever concerned one of its contacts, those that were undone among them: what
a contact had on its own stands in records of any age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from onefold.identity.contact import Contact, ContactId, Tenure, TenureId


@dataclass(frozen=True, slots=True)
class MergeRecord:
    """A merge, as it was recorded."""

    merge_id: UUID
    number: int
    """The order of the merges of one tree."""
    survivor: ContactId
    absorbed: ContactId
    survivor_record: Contact | None
    """As it was before; None of merges that are older than its keeping."""
    absorbed_record: Contact
    tenures: AbstractSet[TenureId]
    """Those that the absorbed one held, ended ones too."""
    labels: Mapping[TenureId, str]
    """Labels that they lost by it."""
    act_id: str | None = None
    """The act of the user who decided it: the choices made with it go under this name."""
    is_undone: bool = False
    returned: AbstractSet[TenureId] = frozenset()
    """The tenures that went back with it, if it was undone."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A root, and what leads to it."""

    root: Contact
    absorbed: Mapping[ContactId, Contact]
    """Every contact that leads to the root, without listings."""
    tenures: Sequence[Tenure]
    """Everything that the root holds, and what ended while it, or whom it absorbed, held it."""
    merges: Sequence[MergeRecord]
    """In their order."""

    def in_force(self, absorbed: ContactId) -> MergeRecord | None:
        """The merge by which a contact was absorbed, if it is."""
        contact = self.absorbed.get(absorbed)
        if contact is None:
            return None
        fitting = (each for each in reversed(self.merges) if each.absorbed == absorbed and each.survivor == contact.merged_into)
        return next((each for each in fitting if not each.is_undone), None)

    def below(self, contact_id: ContactId) -> set[ContactId]:
        """A contact and those whose redirects pass it."""
        children: dict[ContactId, list[ContactId]] = {}
        for each in self.absorbed.values():
            if each.merged_into is not None:
                children.setdefault(each.merged_into, []).append(each.contact_id)
        found, waiting = set(), [contact_id]
        while waiting:
            one = waiting.pop()
            found.add(one)
            waiting.extend(children.get(one, ()))
        return found

    def above(self, merge: MergeRecord) -> Iterator[MergeRecord]:
        """The merges that took the survivor of a merge on to the root."""
        contact_id = merge.survivor
        while (onward := self.in_force(contact_id)) is not None:
            yield onward
            contact_id = onward.survivor

    def beside(self, merge: MergeRecord) -> list[MergeRecord]:
        """Later merges that brought others into the tree: what came by them stays where it is."""
        path = {each.merge_id for each in self.above(merge)} | {merge.merge_id}
        below = self.below(merge.absorbed)
        later = (each for each in self.merges if each.number > merge.number and not each.is_undone)
        return [each for each in later if each.merge_id not in path and each.absorbed in self.absorbed and each.absorbed not in below]
