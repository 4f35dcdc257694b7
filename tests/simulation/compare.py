"""Hold `decide` against the reference model, and cut a story that tells them apart down to a short one that still does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

from onefold.identity.assurance import Assurance
from onefold.identity.attach import CONTACTS
from onefold.identity.blocked import BlockedValues
from onefold.identity.identifiers import identifier_key
from onefold.identity.plan import OutcomeKind
from onefold.identity.rules import Limits, Rules
from tests.simulation.reference import Model
from tests.simulation.worlds import Event, Parting
from tests.support.worlds import START, World, at, event

if TYPE_CHECKING:
    from onefold.identity.interaction import Interaction
    from tests.simulation.worlds import Order, Story

_FIELDS = ("given_name", "last_name")


def difference(story: Story, *, batch: int = 1) -> str | None:
    """Where `decide` and the model part, in words; None where they agree on every outcome and on the state in the end."""
    rules = rules_of(story.order)
    world, model = World(rules=rules), Model(story.order, contact_id)
    for are_events, steps in groupby(story.events, lambda each: isinstance(each, Event)):
        found = _differ(world, model, [each for each in steps if isinstance(each, Event)], batch) if are_events else None
        for parting in (each for each in steps if isinstance(each, Parting)):
            _part(world, model, parting)
        if found is not None:
            return found
    mine, theirs = _state(world), _state_of_model(model)
    return None if mine == theirs else "in the end they hold\n" + "\n".join(_unlike(mine, theirs))


def _differ(world: World, model: Model, events: list[Event], batch: int) -> str | None:
    outcomes = world.play(*(interaction_of(each, world.rules) for each in events), size=batch)
    for told, outcome in zip(events, outcomes, strict=True):
        contact, reasons = model.take(told)
        reason = outcome.reason.value if outcome.reason is not None else None
        if (reason is not None or reasons) and reason not in reasons:
            return f"{told.event_id}: decide gives the reason {reason}, the model {sorted(reasons)}"
        if (outcome.kind is OutcomeKind.PARKED) != ("limit" in reasons):
            return f"{told.event_id}: decide says {outcome.kind}, the model {sorted(reasons)}"
        if outcome.contact_id is not None and str(outcome.contact_id) != contact:
            return f"{told.event_id}: decide credits {outcome.contact_id}, the model {contact}"
    return None


def _part(world: World, model: Model, parting: Parting) -> None:
    """Keep two people apart, if there are two."""
    sides = {model.now(stay.contact) for stay in map(model.stay, (parting.one, parting.other)) if stay is not None}
    if len(sides) > 1:
        model.partings.append((sides, parting))
        world.keep_apart(parting.one, parting.other)
        for each in (parting.one, parting.other):
            kind, _, value = each.partition(":")
            world.bar("acme", identifier_key(kind, value), at(parting.until))


def shortest(story: Story) -> Story:
    """A story from which no event can be left out without the two agreeing."""
    events, at = list(story.events), 0
    while at < len(events):
        rest = [*events[:at], *events[at + 1 :]]
        if difference(story._replace(events=tuple(rest))) is None:
            at += 1
        else:
            events, at = rest, 0
    return story._replace(events=tuple(events))


def contact_id(told: Event, identifier: str, is_new: bool) -> str:
    """The id of the contact that an event creates with this identifier first, which may have been another's."""
    kind, _, value = identifier.partition(":")
    name = f"acme\0{kind}\0{value}\0{told.event_id}"
    return CONTACTS.text_of(name if is_new else f"{name}\0{at(told.at).isoformat()}")


def rules_of(order: Order) -> Rules:
    """The same rules for `decide`, which keeps last use exactly then."""
    limits = Limits(order.values_per_type, order.identifiers_per_contact, order.merges_per_hour, order.contacts_per_day)
    blocked: dict[str, list[str]] = {}
    for kind, _, value in (each.partition(":") for each in order.blocked):
        blocked.setdefault(kind, []).append(value)
    return replace(
        Rules(recency=timedelta(0), policy=order.policy, limits=limits),  # type: ignore[arg-type]  # one of the three
        blocked={kind: BlockedValues(values) for kind, values in blocked.items()},
    )


def interaction_of(told: Event, rules: Rules) -> Interaction:
    """The same event for `decide`."""
    values = dict(told.values)
    return event(
        *told.identifiers,
        minutes=told.at,
        event_id=told.event_id,
        assurance=Assurance(told.assurance),
        proof=told.proof,
        asserts=sorted(told.asserts) if told.asserts is not None else None,
        fields={name: str(value) for name, value in values.items() if name in _FIELDS},
        attributes={name: value for name, value in values.items() if name not in _FIELDS},
        rules=rules,
    )


_State = dict[str, tuple[object, ...]]
"""By contact: type, values, first and last seen, identifiers with how sure they are."""


def _state(world: World) -> _State:
    found: _State = {}
    for contact in world.contacts.values():
        if contact.is_absorbed:
            continue
        values = contact.attributes.get("unbound", {}) | {name: getattr(contact, name) for name in _FIELDS if getattr(contact, name)}
        held = {
            f"{each.semantic_type}:{each.normalised}": int(each.assurance)
            for each in world.tenures.values()
            if each.is_open and each.contact_id == contact.contact_id
        }
        span = [(each - START).total_seconds() // 60 for each in (contact.first_seen_at, contact.last_seen_at)]
        found[str(contact.contact_id)] = (contact.type, values, *span, held)
    return found


def _state_of_model(model: Model) -> _State:
    return {
        each: (
            model.type_of(each),
            {name: value for name, (value, _) in model.values(each).items() if value is not None},
            min(model.seen_at(each)),
            max(model.seen_at(each)),
            model.held(each),
        )
        for each in {model.now(said.contact) for said in model.said}
    }


def _unlike(mine: _State, theirs: _State) -> list[str]:
    return [
        f"  {each}\n    decide {mine.get(each)}\n    model  {theirs.get(each)}"
        for each in sorted(mine.keys() | theirs.keys())
        if mine.get(each) != theirs.get(each)
    ]
