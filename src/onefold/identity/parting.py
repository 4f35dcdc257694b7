"""What an unmerge gives to which side: tenures by how they came, values by the tenure that they came through, the rest by the records.

Reading only; `unmerge` carries it out. A value belongs where its tenure is, whichever record it stands in: so chains of merges and
unmerges, in any order, come out as if each contact had been alone. Where two sides offered a value for the same path while they were
one, the lesser one is known only if it stood in a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from onefold.identity import classification, survivorship

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from typing import TypeAlias

    from onefold.identity.contact import Contact, ContactId, Provenance, Tenure, TenureId
    from onefold.identity.tree import MergeRecord, Tree

    Values: TypeAlias = dict[str, tuple[object, Provenance]]
    """By path."""


class Parted(NamedTuple):
    """The tenures of a tree, by side."""

    staying: list[Tenure]
    leaving: list[Tenure]


def part_tenures(tree: Tree, merge: MergeRecord) -> Parted:
    """What the merge moved goes back, ended ones too, and with it whatever came through it since (`via`), hand-overs among it.

    What another merge brought in since is none of it, even where it had been in the absorbed contact before.
    """
    elsewhere = {tenure_id for each in tree.beside(merge) for tenure_id in each.tenures}
    through: dict[TenureId, list[TenureId]] = {}
    for tenure in tree.tenures:
        if tenure.via is not None and tenure.tenure_id not in elsewhere:
            through.setdefault(tenure.via, []).append(tenure.tenure_id)
    held = {tenure.tenure_id for tenure in tree.tenures}
    waiting = list((merge.tenures & held) - elsewhere)
    leaving: set[TenureId] = set()
    while waiting:
        tenure_id = waiting.pop()
        if tenure_id not in leaving:
            leaving.add(tenure_id)
            waiting.extend(through.get(tenure_id, ()))
    return Parted(
        [tenure for tenure in tree.tenures if tenure.tenure_id not in leaving],
        [tenure for tenure in tree.tenures if tenure.tenure_id in leaving],
    )


def part_values(tree: Tree, merge: MergeRecord, parted: Parted) -> tuple[Values, Values]:
    """The values of whoever stays, and those of whoever leaves: of what each ever had, the greatest by R12."""
    sides = _Sides(tree, merge, parted)
    staying: Values = {}
    leaving: Values = {}
    for record, contact_id in _records(tree):
        for path, provenance in record.provenance.items():
            leaves = sides.leaves(record, contact_id, path, provenance)
            if leaves is not None:
                _offer(leaving if leaves else staying, path, survivorship.get(record, path), provenance)
    return survivorship.within_bounds(staying, tree.root.provenance), survivorship.within_bounds(leaving, merge.absorbed_record.provenance)


def part_records(tree: Tree, merge: MergeRecord, staying: Contact, leaving: Contact, parted: Parted) -> None:
    """Take out of each side what the other brought that no identifier says: tags, classification, vendor, archive, times."""
    others = [each for each in (merge.survivor_record, *(above.survivor_record for above in tree.above(merge))) if each is not None]
    others += [each.absorbed_record for each in tree.beside(merge)]
    _take_out(staying, merge.absorbed_record, others)
    if others:
        _see(staying, others, parted.staying)
    below, own = tree.below(merge.absorbed), [merge.absorbed_record]
    left = [each for each in tree.merges if each.is_undone and each.survivor in below and each.tenures & merge.tenures]
    for each in left:
        if each.survivor_record is not None:
            _take_out(leaving, each.absorbed_record, [each.survivor_record])
            own = [each.survivor_record]
    _see(leaving, own, parted.leaving)
    _archive_again(tree, staying, {tree.root.contact_id, *tree.absorbed} - below)
    _archive_again(tree, leaving, below)


class _Sides:
    """Whose a value is."""

    def __init__(self, tree: Tree, merge: MergeRecord, parted: Parted) -> None:
        self._merge = merge
        self._staying = {tenure.tenure_id for tenure in parted.staying}
        self._leaving = {tenure.tenure_id for tenure in parted.leaving}
        self._gone = _ever(tree) - self._staying - self._leaving
        self._below = tree.below(merge.absorbed)
        self._members = {tree.root.contact_id, *tree.absorbed}
        self._void = {each.act_id for each in tree.merges if each.is_undone} | {merge.act_id}

    def leaves(self, record: Contact, contact_id: ContactId, path: str, provenance: Provenance) -> bool | None:
        """Whether a value of a record leaves with the absorbed contact; None where it is nobody's of the two any more."""
        via, merge = provenance.via, self._merge
        if via in self._gone or provenance.event_id in self._void:
            return None  # it went with an earlier unmerge, or was chosen for a merge that is undone
        if via in self._staying or via in self._leaving:
            return via in self._leaving
        if record is merge.survivor_record or record is merge.absorbed_record:
            return record is merge.absorbed_record
        if contact_id not in self._members:
            return None
        own = merge.absorbed_record.provenance.get(path)
        return contact_id in self._below or (own is not None and own.place == provenance.place)


def _ever(tree: Tree) -> AbstractSet[TenureId]:
    """Every tenure that a merge of the tree moved, or an unmerge returned."""
    found: set[TenureId] = set()
    for each in tree.merges:
        found |= each.tenures
        found |= each.returned
    return found


def _records(tree: Tree) -> Iterator[tuple[Contact, ContactId]]:
    yield tree.root, tree.root.contact_id
    for each in tree.merges:
        if each.survivor_record is not None:
            yield each.survivor_record, each.survivor
        yield each.absorbed_record, each.absorbed


def _offer(values: Values, path: str, value: object, provenance: Provenance) -> None:
    held = values.get(path)
    if held is None or survivorship.beats(path, provenance, held[1]):
        values[path] = (value, provenance)


def _take_out(contact: Contact, gone: Contact, others: Sequence[Contact]) -> None:
    """Undo what uniting with `gone` did, unless one of the `others` brought the same."""
    contact.tags = [tag for tag in contact.tags if tag not in gone.tags or any(tag in each.tags for each in others)]
    if gone.is_vendor and not any(each.is_vendor for each in others):
        contact.is_vendor = False
    contact.classification = classification.part(contact.classification, gone.classification, [each.classification for each in others])


def _archive_again(tree: Tree, side: Contact, members: AbstractSet[ContactId]) -> None:
    """Archive a side again that was active through the other one alone: if all its members were, and no user restored one since."""
    archived = {each: _archived_at(tree, each) for each in members}
    if side.archived_at is None and None not in archived.values():
        side.archived_at = archived[side.contact_id]


def _archived_at(tree: Tree, contact_id: ContactId) -> datetime | None:
    """When a contact was archived on its own, as merge records have it; None where a user has restored it since, which stands."""
    restored_at = (tree.absorbed.get(contact_id) or tree.root).summary.restored_at
    times = [each.archived_at for each, named in _records(tree) if named == contact_id and each.archived_at is not None]
    return max((each for each in times if restored_at is None or each > restored_at), default=None)


def _see(contact: Contact, own: Sequence[Contact], tenures: Sequence[Tenure]) -> None:
    seen: list[Contact | Tenure] = [*own, *tenures]
    contact.first_seen_at = min(each.first_seen_at for each in seen)
    contact.last_seen_at = max(each.last_seen_at for each in seen)
