"""Erase a person: every id of a tree becomes a husk, and what it held is barred (product.md, sections 4 and 11).

Pure: a tree and the act go in, a plan comes out. Whatever says something of the person goes; what stays is that the ids were given, how
many versions there were, and from when on an event may bring the identifiers back. Its cost is bounded by what the tree holds.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from onefold.identity.contact import Contact
from onefold.identity.plan import Barrier, Cause, ContactChanged, Erasure, Plan, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable
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
    root = tree.root
    everybody = [root, *sorted(tree.absorbed.values(), key=lambda each: each.contact_id.int)]
    husks = [_husk(each, act) for each in everybody]
    plan = Plan(contacts_changed=husks, changes=[_last(each, act, rule) for each in husks])
    plan.separated = [tenure for tenure in tree.tenures if tenure.is_open]
    keys = {tenure.key for tenure in tree.tenures}
    plan.erasures = [
        Erasure(
            root.workspace,
            root.contact_id,
            tuple(each.contact_id for each in husks),
            tuple(tenure.tenure_id for tenure in tree.tenures),
            tuple(_barriers(tree.tenures, elsewhere, act)),
            tuple(sorted(keys - elsewhere)),
            tuple(sorted(_names(each for each in tree.tenures if each.key not in elsewhere))),
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


def _barriers(tenures: Iterable[Tenure], elsewhere: AbstractSet[IdentifierKey], act: Act) -> Iterable[Barrier]:
    """Up to when events of each identifier were the person's.

    That is now; later, where an event was: its clock may be ahead of ours. What somebody else holds was the person's until it left, or
    until they were last seen with it, since a proof takes it however old: later events are those of whom it went to.
    """
    until: dict[IdentifierKey, datetime] = {}
    for tenure in tenures:
        times = (tenure.last_seen_at, tenure.held_until, tenure.used.at if tenure.used is not None else None)
        last = max(each for each in times if each is not None)
        at = last + _AFTER if tenure.key in elsewhere else max(act.at, last + _AFTER)
        until[tenure.key] = max(at, until.get(tenure.key, at))
    workspace = next((tenure.workspace for tenure in tenures), "")
    return [Barrier(workspace, key, at) for key, at in sorted(until.items())]
