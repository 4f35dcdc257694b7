"""Consent by purpose: who said it, when, and which of two counts where contacts become one or part again (product.md, section 2; S101).

No event writes it, whatever its assurance (S47): a person's word is recorded by a user, or by the person, who is asked for it. On one
contact the latest word counts. Where contacts merge the stricter one does, since either may have been the person's.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

from onefold.identity.plan import Rule
from onefold.identity.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime

    from onefold.identity.contact import Consent, Contact, ContactId
    from onefold.identity.plan import Act, Plan
    from onefold.identity.snapshot import Snapshot
    from onefold.identity.tree import MergeRecord, Tree

MOST_PURPOSES = 50
"""Of one contact."""


def stricter(one: Consent, other: Consent) -> Consent:
    """A denial before a grant; of two that say the same the later one. The greater by one order, so grouping does not matter."""
    return max(one, other, key=lambda each: (each.state == "denied", each.at, each.source, each.of.int))


def unite(survivor: Contact, gone: Contact) -> dict[str, object]:
    """Let the survivor have the stricter one of each purpose; gives what lost, by path."""
    lost: dict[str, object] = {}
    for purpose, theirs in gone.consent.items():
        mine = survivor.consent.get(purpose)
        counts = theirs if mine is None else stricter(mine, theirs)
        if mine is not None and mine != theirs:
            loser = theirs if counts is mine else mine
            lost[f"consent.{purpose}"] = {"state": loser.state, "source": loser.source, "at": loser.at}
        survivor.consent[purpose] = counts
    return lost


def part(tree: Tree, merge: MergeRecord, staying: Contact, leaving: Contact) -> None:
    """Give each side of an undone merge its own: what was said of its contacts, and of it since."""
    below = tree.below(merge.absorbed)
    above = {tree.root.contact_id, *tree.absorbed} - below
    ever, latest = max(each.number for each in tree.merges) + 1, _latest(tree)
    staying.consent = _own(_Past(tree, above, latest), tree.root, ever)
    leaving.consent = _own(_Past(tree, below, latest), merge.absorbed_record, merge.number)


def _latest(tree: Tree) -> dict[tuple[ContactId, str], datetime]:
    """When the last word of each contact on each purpose was said: an older one, in some record, was taken back."""
    found: dict[tuple[ContactId, str], datetime] = {}
    for record in (tree.root, *(each for merge in tree.merges for each in (merge.survivor_record, merge.absorbed_record))):
        for purpose, word in record.consent.items() if record is not None else ():
            found[word.of, purpose] = max(word.at, found.get((word.of, purpose), word.at))
    return found


def _own(past: _Past, contact: Contact, before: int) -> dict[str, Consent]:
    words = ((purpose, past.word(contact, purpose, before)) for purpose in sorted(contact.consent))
    return {purpose: word for purpose, word in words if word is not None}


class _Past(NamedTuple):
    """A tree, and those of its contacts whose words count."""

    tree: Tree
    own: Container[ContactId]
    latest: Mapping[tuple[ContactId, str], datetime]

    def word(self, contact: Contact, purpose: str, before: int) -> Consent | None:
        """The word that a contact had before a merge; where it was somebody else's, what it had before that one came."""
        word = contact.consent.get(purpose)
        if word is None or (word.of in self.own and word.at == self.latest[word.of, purpose]):
            return word
        merges = [each for each in self.tree.merges if each.survivor == contact.contact_id and each.number < before]
        if not merges:
            return None
        last = max(merges, key=lambda each: each.number)
        sides = (each for each in (last.survivor_record, last.absorbed_record) if each is not None)
        words = [found for each in sides if (found := self.word(each, purpose, last.number)) is not None]
        return reduce(stricter, words) if words else None


def record_consent(snapshot: Snapshot, contact: Contact, words: Sequence[tuple[str, Consent]], act: Act) -> Plan:
    """The plan that records what a person said of some purposes. What is on record already changes nothing; so does an older word."""
    work = Workbench(snapshot, iter(()))
    for purpose, word in words:
        held = contact.consent.get(purpose)
        if held is None or (held.at <= word.at and (held.state, held.source, held.at) != (word.state, word.source, word.at)):
            work.edit(contact).consent[purpose] = word
    work.close_act(act, Rule.DECIDED)
    return work.finish([])
