"""What belonged to whom at a time: a history, looked at from there. Pure.

Merges and unmerges count by the time at which they were done, identifiers by event time: what was used then, as it was joined then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.records.histories import History, MergeStory
    from onefold.records.reads import EvidenceRow


class Standing:
    """How some trees stood."""

    def __init__(self, history: History, at: datetime | None) -> None:
        """`at` None is now."""
        self.at = at
        self.merges = [each for each in history.merges if each.is_in_force(at)]
        self.undone = [each for each in history.merges if each.undone_at is not None and (at is None or each.undone_at <= at)]
        self.is_cut = history.is_cut
        self._contacts = history.contacts
        self.names: dict[int, str] = {tenure.tenure_id: tenure.text for tenure in history.tenures}
        self._evidence = history.evidence
        self._into: dict[UUID, MergeStory] = {each.absorbed: each for each in self.merges}
        self._given = _given(history)
        self._returned: dict[int, UUID] = {}
        for each in sorted(self.undone, key=_undone_at):
            self._returned.update(dict.fromkeys(each.returned, each.absorbed))
        self._tenures = [self._then(tenure) for tenure in history.tenures if at is None or tenure.since <= at]

    def redirects(self, contact_id: UUID) -> list[MergeStory]:
        """The merges that took a contact to where its id led."""
        found: list[MergeStory] = []
        while (onward := self._into.get(contact_id)) is not None and onward not in found:
            found.append(onward)
            contact_id = onward.survivor
        return found

    def root(self, contact_id: UUID) -> UUID:
        """Where a contact's id led."""
        steps = self.redirects(contact_id)
        return steps[-1].survivor if steps else contact_id

    def members(self, root: UUID) -> set[UUID]:
        """A contact, and those whose ids led to it."""
        return {each for each in self._contacts if self.root(each) == root}

    def holder(self, tenure: Tenure) -> UUID:
        """The contact that had a tenure."""
        if self.at is None:
            return tenure.contact_id
        return self.root(self._returned.get(tenure.tenure_id) or self.given_to(tenure))

    def given_to(self, tenure: Tenure) -> UUID:
        """The contact that got the tenure, whoever absorbed it since."""
        return self._given.get(tenure.tenure_id, tenure.contact_id)

    def held_by(self, root: UUID) -> list[Tenure]:
        """The tenures of a contact that had begun, as they were, those that were open first, then by age."""
        mine = [tenure for tenure in self._tenures if self.holder(tenure) == root]
        return sorted(mine, key=lambda tenure: (not tenure.is_open, tenure.since, tenure.tenure_id))

    def evidence(self, tenure: Tenure) -> list[EvidenceRow]:
        """What spoke for it by then."""
        return [each for each in self._evidence.get(tenure.tenure_id, ()) if self.at is None or each.at <= self.at]

    def _then(self, tenure: Tenure) -> Tenure:
        """The tenure as it was: as sure as the evidence that is kept says, since nothing else of the past is."""
        if self.at is None:
            return tenure
        twin = tenure.fork()
        twin.assurance = Assurance(max((each.assurance for each in self.evidence(tenure)), default=Assurance.CLAIMED))
        if twin.held_until is not None and twin.held_until > self.at:
            twin.held_until = None
        if twin.validated_at is not None and twin.validated_at > self.at:
            twin.is_validated, twin.validated_at, twin.validated_by = False, None, None
        return twin


def _undone_at(merge: MergeStory) -> datetime:
    assert merge.undone_at is not None, "asked of undone merges alone"  # noqa: S101 -- for the type checker
    return merge.undone_at


def _given(history: History) -> dict[int, UUID]:
    """Who got each tenure that ever moved: the absorbed side of its first merge, or who gave it back before that."""
    first: dict[int, tuple[datetime, UUID]] = {}
    for each in history.merges:
        for tenure_id in each.tenures:
            first.setdefault(tenure_id, (each.at, each.absorbed))
    for each in history.merges:
        for tenure_id in each.returned if each.undone_at is not None else ():
            known = first.get(tenure_id)
            if known is None or _undone_at(each) < known[0]:
                first[tenure_id] = (_undone_at(each), each.undone_from)
    return {tenure_id: contact_id for tenure_id, (_, contact_id) in first.items()}
