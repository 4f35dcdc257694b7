"""Erase a person, or clean up ghosts: every id of a tree becomes a husk, and what it held is barred (product.md, sections 4 and 11).

Pure: trees and the act go in, a plan comes out. Whatever says something of the person goes; what stays is that the ids were given, how
many versions there were, and from when on an event may bring the identifiers back. Its cost is bounded by what the tree holds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from onefold.identity.contact import Contact
from onefold.identity.plan import Barrier, Cause, ContactChanged, Erasure, Plan, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.plan import Act
    from onefold.identity.tree import Tree

_AFTER = timedelta(microseconds=1)
"""A barrier stops what is older than it; what lies exactly at the last time is to be stopped, too."""


def erase(tree: Tree, elsewhere: AbstractSet[IdentifierKey], act: Act, rule: Rule = Rule.ERASED) -> Plan:
    """The plan that erases a contact and all that it absorbed. `elsewhere`: those of its identifiers that somebody else holds now.

    `rule` is what the last changes say: destroying an archived contact takes the same (decision 0036).
    """
    return _plan([tree], act, rule, elsewhere, lambda tenure: max(act.at, _last_time(tenure) + _AFTER))


def erase_again(tree: Tree, elsewhere: AbstractSet[IdentifierKey], act: Act) -> Plan:
    """The plan that erases whom a restored store brought back, at the time at which they were erased.

    What was barred then came with the tombstones, other times for ghosts that were cleaned up; this bars no more than what was ever used.
    """
    return _plan([tree], act, Rule.ERASED, elsewhere, lambda tenure: _last_time(tenure) + _AFTER)


def clean_up(ghosts: Sequence[Tree], elsewhere: AbstractSet[IdentifierKey], act: Act, recency: timedelta) -> Plan:
    """The plan that destroys ghosts of one workspace, one at least. Whoever comes back is a new visitor, from the first event on.

    So only what is older than the last use is barred, which is known to within `recency`: a visitor may be coming back at this moment.
    """
    return _plan(ghosts, act, Rule.CLEANED_UP, elsewhere, lambda tenure: _last_time(tenure) + max(recency, _AFTER))


def _plan(trees: Sequence[Tree], act: Act, rule: Rule, elsewhere: AbstractSet[IdentifierKey], until: Callable[[Tenure], datetime]) -> Plan:
    """`until`: when an event of an identifier that nobody else holds may come again."""
    everybody = [each for tree in trees for each in (tree.root, *sorted(tree.absorbed.values(), key=lambda each: each.contact_id.int))]
    tenures = [tenure for tree in trees for tenure in tree.tenures]
    husks = [_husk(each, act) for each in everybody]
    plan = Plan(contacts_changed=husks, changes=[_last(each, act, rule) for each in husks])
    plan.separated = [tenure for tenure in tenures if tenure.is_open]
    keys = {tenure.key for tenure in tenures}
    root = trees[0].root
    plan.erasures = [
        Erasure(
            root.workspace,
            root.contact_id,
            tuple(each.contact_id for each in husks),
            tuple(tenure.tenure_id for tenure in tenures),
            tuple(_barriers(tenures, elsewhere, until)),
            tuple(sorted(keys - elsewhere)),
            tuple(sorted(_names(each for each in tenures if each.key not in elsewhere))),
            act,
        )
    ]
    return plan


def _names(tenures: Iterable[Tenure]) -> set[tuple[str, str]]:
    return {(each.semantic_type, text) for each in tenures for text in (each.identifier, each.normalised)}


def _husk(contact: Contact, act: Act) -> Contact:
    """One more version, of which only the id, the version and where it led say anything."""
    return Contact(
        contact.contact_id,
        contact.workspace,
        version=contact.version + 1,
        created_at=contact.created_at,
        updated_at=act.at,
        first_seen_at=contact.created_at,
        last_seen_at=contact.created_at,
        merged_into=contact.merged_into,
        root=contact.root,
        erased_at=act.at,
    )


def _last(husk: Contact, act: Act, rule: Rule) -> ContactChanged:
    """The last change of an id, before its tombstone."""
    return ContactChanged(
        contact_id=husk.contact_id,
        workspace=husk.workspace,
        version=husk.version,
        at=act.at,
        cause=Cause(act.act_id, None, rule, act.actor, act.kind),
        changes={"erased_at": (None, act.at)},
        merged=(),
        merged_into=husk.merged_into,
        snapshot=None,
        listed=(),
    )


def _barriers(tenures: Sequence[Tenure], elsewhere: AbstractSet[IdentifierKey], until: Callable[[Tenure], datetime]) -> Iterable[Barrier]:
    """Up to when events of each identifier were the person's.

    Of who is erased that is now; later, where an event was: its clock may be ahead of ours. What somebody else holds was the person's until
    it left, or until they were last seen with it, since a proof takes it however old: later events are those of whom it went to.
    """
    ends: dict[IdentifierKey, datetime] = {}
    for tenure in tenures:
        at = _last_time(tenure) + _AFTER if tenure.key in elsewhere else until(tenure)
        ends[tenure.key] = max(at, ends.get(tenure.key, at))
    workspace = next((tenure.workspace for tenure in tenures), "")
    return [Barrier(workspace, key, at) for key, at in sorted(ends.items())]


def _last_time(tenure: Tenure) -> datetime:
    times = (tenure.last_seen_at, tenure.held_until, tenure.used.at if tenure.used is not None else None)
    return max(each for each in times if each is not None)
