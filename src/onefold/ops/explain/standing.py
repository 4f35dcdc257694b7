"""What belonged to whom at a time: a history, looked at from there. Pure.

Merges and unmerges count by the time at which they were done, identifiers by event time: what was used then, as it was joined then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from onefold.identity.assurance import Assurance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from onefold.identity.contact import Tenure
    from onefold.records.histories import History, MergeStory
    from onefold.records.reads import EvidenceRow


class Standing:
    """How some trees stood."""

    def __init__(self, history: History, at: datetime | None) -> None:
        """`at` None is now."""
        self.history, self.at = history, at
        self.merges = [each for each in history.merges if each.is_in_force(at)]
        self._into = {each.absorbed: each for each in self.merges}
        self._given = _given(history)
        self._returned: dict[int, UUID] = {}
        for each in sorted(_undone(history.merges), key=lambda story: story.undone_at):  # type: ignore[arg-type,return-value]
            if at is None or (each.undone_at is not None and each.undone_at <= at):
                self._returned.update(dict.fromkeys(each.returned, each.absorbed))

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

    def given_to(self, tenure: Tenure) -> UUID:
        """The contact that got the tenure, whoever absorbed it since."""
        return self._given.get(tenure.tenure_id, tenure.contact_id)

    def held_by(self, root: UUID) -> list[Tenure]:
        """The tenures of a contact that had begun, those that were open first, then by age."""
        mine = [tenure for tenure in self.history.tenures if self._holder(tenure) == root and self._had_begun(tenure)]
        return sorted(mine, key=lambda tenure: (self.until(tenure) is not None, since(tenure), tenure.tenure_id))

    def until(self, tenure: Tenure) -> datetime | None:
        """When the tenure had ended; None while it was open."""
        ended = tenure.held_until
        return None if ended is None or (self.at is not None and ended > self.at) else ended

    def evidence(self, tenure: Tenure) -> list[EvidenceRow]:
        """What spoke for it by then."""
        return [each for each in self.history.evidence.get(tenure.tenure_id, ()) if self.at is None or each.at <= self.at]

    def assurance(self, tenure: Tenure) -> Assurance:
        """How sure it was; of a time in the past, as sure as the evidence that is kept says."""
        if self.at is None:
            return tenure.assurance
        return Assurance(max((each.assurance for each in self.evidence(tenure)), default=Assurance.CLAIMED))

    def _holder(self, tenure: Tenure) -> UUID:
        if self.at is None:
            return tenure.contact_id
        return self.root(self._returned.get(tenure.tenure_id) or self.given_to(tenure))

    def _had_begun(self, tenure: Tenure) -> bool:
        return self.at is None or since(tenure) <= self.at


def since(tenure: Tenure) -> datetime:
    """From when on an identifier was its holder's, by event time."""
    return tenure.held_from.at if tenure.held_from is not None else tenure.first_seen_at


def _undone(merges: Sequence[MergeStory]) -> list[MergeStory]:
    return [each for each in merges if each.undone_at is not None]


def _given(history: History) -> dict[int, UUID]:
    """Who got each tenure that ever moved: the absorbed side of its first merge, or who gave it back before that."""
    first: dict[int, tuple[datetime, UUID]] = {}
    for each in history.merges:
        for tenure_id in each.tenures:
            first.setdefault(tenure_id, (each.at, each.absorbed))
    for each in _undone(history.merges):
        for tenure_id in each.returned:
            known = first.get(tenure_id)
            if each.undone_at is not None and (known is None or each.undone_at < known[0]):
                first[tenure_id] = (each.undone_at, UUID(each.undone["root"]))
    return {tenure_id: contact_id for tenure_id, (_, contact_id) in first.items()}
