"""What is different between two runs of the same lines: who would be one, who would be several, whose type and which outcomes change.

Contacts of the two are held together by the identifiers that they hold; ids may differ, since another event may have made a contact.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from onefold.ops.simulate.shapes import Difference, Fate, Joined, OtherOutcome, OtherProposals, Parted, Retyped, Somebody

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    from msgspec import UnsetType

    from onefold.ops.simulate.shapes import ContactShown, OutcomeLine, ProposalShown

    Held: TypeAlias = tuple[str | UnsetType, str]
    """Workspace, and type:normalised."""

MOST_LISTED = 10


class Result(NamedTuple):
    """What a run leaves behind."""

    contacts: Sequence[ContactShown]
    outcomes: Sequence[OutcomeLine]
    proposals: Sequence[ProposalShown]


class _Group(NamedTuple):
    """A contact with what it holds."""

    contact: ContactShown
    held: list[Held]


def difference(before: Result, after: Result) -> Difference:
    """Contacts and outcomes of two runs, compared."""
    old, new = [_group(each) for each in before.contacts], [_group(each) for each in after.contacts]
    holders_before, holders_after = _holders(old), _holders(new)
    merged, types = [], []
    for group in new:
        sources = _met(group, holders_before)
        if len(sources) > 1:
            merged.append(Joined(_short(group), [_short(each) for each in sources]))
        was = _same(group, sources, holders_after)
        if was is not None and was.contact.type != group.contact.type:
            types.append(Retyped(_short(was), _short(group)))
    targets = [(group, _met(group, holders_after)) for group in old]
    split = [Parted(_short(group), [_short(each) for each in several]) for group, several in targets if len(several) > 1]
    gone = [text for workspace, text in holders_before if (workspace, text) not in holders_after]
    appeared = [text for workspace, text in holders_after if (workspace, text) not in holders_before]
    return Difference(merged, split, types, gone, appeared, list(_outcomes(before.outcomes, after.outcomes)), _proposals(before, after))


def _group(contact: ContactShown) -> _Group:
    return _Group(contact, [(contact.workspace, f"{each.semantic_type}:{each.normalised}") for each in contact.identifiers])


def _holders(groups: Iterable[_Group]) -> dict[Held, _Group]:
    return {each: group for group in groups for each in group.held}


def _met(group: _Group, holders: Mapping[Held, _Group]) -> list[_Group]:
    """Who holds, in the other run, what a contact holds; each once."""
    found = {holders[each].contact.id: holders[each] for each in group.held if each in holders}
    return list(found.values())


def _same(group: _Group, sources: Sequence[_Group], holders_after: Mapping[Held, _Group]) -> _Group | None:
    """The contact that this one was: by its id, else the only one that it comes from, if nobody else comes from that."""
    known = next((each for each in sources if each.contact.id == group.contact.id), None)
    if known is None and len(sources) == 1 and len(_met(sources[0], holders_after)) == 1:
        return sources[0]
    return known


def _short(group: _Group) -> Somebody:
    contact = group.contact
    return Somebody(contact.id, contact.type, [text for _, text in group.held[:MOST_LISTED]], len(group.held))


def _outcomes(before: Iterable[OutcomeLine], after: Iterable[OutcomeLine]) -> Iterable[OtherOutcome]:
    for was, becomes in zip(before, after, strict=True):
        if (was.outcome, was.reason) != (becomes.outcome, becomes.reason):
            yield OtherOutcome(was.event_id, _fate(was), _fate(becomes), was.workspace)


def _proposals(before: Result, after: Result) -> OtherProposals:
    """Those of one run that the other has no match for: ids of contacts may differ, event and cause may not."""
    sides = [Counter(map(_proposed, each.proposals)) for each in (before, after)]
    gone, new = sides[0] - sides[1], sides[1] - sides[0]
    return OtherProposals(list(_those(before.proposals, gone)), list(_those(after.proposals, new)))


def _proposed(each: ProposalShown) -> tuple[str | UnsetType, str, str, str]:
    return each.workspace, each.event_id, each.cause, each.semantic_type


def _those(proposals: Sequence[ProposalShown], wanted: Counter[tuple[str | UnsetType, str, str, str]]) -> Iterable[ProposalShown]:
    for each in proposals:
        if wanted[_proposed(each)] > 0:
            wanted[_proposed(each)] -= 1
            yield each


def _fate(line: OutcomeLine) -> Fate:
    return Fate(line.outcome, line.reason, line.contact_id)
