"""How two identifiers of a contact hang together: the shortest chain of events that named two of its identifiers, and of merges. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias
    from uuid import UUID

    from onefold.identity.contact import Tenure
    from onefold.ops.explain.standing import Standing
    from onefold.records.histories import MergeStory
    from onefold.records.reads import EvidenceRow

    Cause: TypeAlias = EvidenceRow | MergeStory


class Link(NamedTuple):
    """Two tenures, and what joined them."""

    one: int
    other: int
    cause: Cause


def path(standing: Standing, held: Sequence[Tenure], one: int, other: int) -> list[Link] | None:
    """The links from one tenure of a contact to another; none where they are the same, None where nothing recorded joins them."""
    neighbours: dict[int, list[Link]] = {}
    for link in _links(standing, held):
        neighbours.setdefault(link.one, []).append(link)
        neighbours.setdefault(link.other, []).append(Link(link.other, link.one, link.cause))
    reached: dict[int, Link | None] = {one: None}
    waiting = deque([one])
    while waiting and other not in reached:
        here = waiting.popleft()
        for link in neighbours.get(here, ()):
            if link.other not in reached:
                reached[link.other] = link
                waiting.append(link.other)
    if other not in reached:
        return None
    found: list[Link] = []
    while (step := reached[other]) is not None:
        found.append(step)
        other = step.one
    return found[::-1]


def _links(standing: Standing, held: Sequence[Tenure]) -> Iterator[Link]:
    mine = {tenure.tenure_id for tenure in held}
    named: dict[tuple[str, int, int, str], int] = {}
    for tenure in held:
        first = next((each for each in standing.evidence(tenure) if each.kind == "first"), None)
        if first is None:
            continue
        # Events name what they attach beside what leads to the contact. An event that made a contact named all that began with it.
        beside = named.setdefault((first.topic, first.partition, first.offset, first.event_id), tenure.tenure_id)
        for each in {beside, tenure.via} - {tenure.tenure_id, None}:
            if each in mine and each is not None:
                yield Link(each, tenure.tenure_id, first)
    for merge in standing.merges:
        through = merge.through
        if through is None or not mine.issuperset(through):
            through = _sides(standing, held, merge)
        if through is not None:
            yield Link(*through, merge)


def _sides(standing: Standing, held: Sequence[Tenure], merge: MergeStory) -> tuple[int, int] | None:
    """The oldest that each side had, for a merge that named no identifiers, or some that went with an unmerge since."""
    absorbed = [tenure for tenure in held if tenure.tenure_id in merge.tenures]
    survivor = [tenure for tenure in held if tenure.tenure_id not in merge.tenures and _was_with(standing, tenure, merge)]
    if not absorbed or not survivor:
        return None
    return _oldest(survivor), _oldest(absorbed)


def _oldest(tenures: Sequence[Tenure]) -> int:
    """By number: the time of one that came since may lie before the merge, as events come late."""
    return min(tenure.tenure_id for tenure in tenures)


def _was_with(standing: Standing, tenure: Tenure, merge: MergeStory) -> bool:
    """Whether a tenure was the survivor's when it absorbed: it got it, or had absorbed who got it."""
    contact_id: UUID = standing.given_to(tenure)
    earlier = [each.survivor for each in standing.redirects(contact_id) if each.number < merge.number]
    return (earlier[-1] if earlier else contact_id) == merge.survivor
