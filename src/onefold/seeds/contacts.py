"""Items that are contacts: found by whichever of their identifiers somebody holds, made where nobody does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onefold.contacts import acting, identifiers
from onefold.contacts.change import Edit, archive, edit, validate
from onefold.contacts.classify import classify
from onefold.contacts.consent import Word, consent
from onefold.contacts.create import Draft, create
from onefold.contacts.identifiers import Amendment, Raw
from onefold.errors import InvalidMessage
from onefold.identity.holding import Label
from onefold.identity.survivorship import UNBOUND, attribute_path, same_value
from onefold.records.exports import bare_contacts
from onefold.records.histories import open_now
from onefold.records.reads import find_holder
from onefold.seeds.hanging import change_to, is_empty
from onefold.seeds.shapes import contact_shape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.holding import Given
    from onefold.identity.identifiers import IdentifierKey
    from onefold.identity.plan import Plan
    from onefold.seeds.apply import Work
    from onefold.seeds.definitions import Made
    from onefold.seeds.items import ContactData

_PLAIN = ("given_name", "last_name", "organization_id")


async def make(work: Work, data: ContactData) -> Made:
    """Make it so; gives what it is called, what was done, and what was different."""
    raw = [Raw(each.semantic_type, each.identifier, each.slug, each.outreach, each.is_validated) for each in data.identifiers]
    rules = await acting.rules_of(work.connection, work.workspace)
    given = identifiers.read(raw, rules)
    holder: UUID | None = await _holder(work, given) if given else await _bare(work, data)
    contact_id: UUID
    changes: dict[str, tuple[Any, Any]] = {}
    if holder is None:
        draft = Draft(raw, _values(data, None), bool(data.is_vendor))
        making = await create(work.connection, work.workspace, draft, work.user, numbers=work.numbers, shards=work.shards)
        contact_id = making.contact_id
    else:
        contact_id = holder
        _take(changes, await _edited(work, contact_id, data))
        for plan in await _identified(work, contact_id, given, {identifiers.read([each], rules)[0].identifier.key: each for each in raw}):
            _take(changes, plan)
    _take(changes, await _hung(work, contact_id, data))
    _take(changes, await _consented(work, contact_id, data))
    if "deleted_at" in data.model_fields_set:
        _take(changes, await _archived(work, contact_id, data))
    work.matched.add(contact_id)
    name = " ".join(filter(None, (data.given_name, data.last_name))) or (given[0].identifier.semantic_type if given else "a contact")
    if holder is None:
        return name, "created", {}
    return name, "updated" if changes else "unchanged", changes


async def _holder(work: Work, given: Sequence[Given]) -> UUID | None:
    found = set()
    for each in given:
        held = await find_holder(work.connection, [work.workspace], each.identifier.semantic_type, each.identifier.normalised)
        if held is not None:
            found.add(held[1])
    if len(found) > 1:
        raise InvalidMessage(f"its identifiers belong to {len(found)} contacts; merge them first", code="identifiers_apart")
    return found.pop() if found else None


async def _bare(work: Work, data: ContactData) -> UUID | None:
    """A contact without identifiers that says the same, and is no other item's: such a one has no other name."""
    wanted = data.model_dump(mode="json", exclude_defaults=True)
    for contact in await bare_contacts(work.connection, work.workspace, data.given_name, data.last_name):
        if contact.contact_id not in work.matched and _alike(contact_shape(contact, ()), wanted):
            return contact.contact_id
    return None


def _alike(shape: dict[str, Any], wanted: dict[str, Any]) -> bool:
    def times_aside(said: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in said.items() if name not in {"deleted_at", "consent", "relationships"}}

    return times_aside(shape) == times_aside(wanted) and ("deleted_at" in shape) == ("deleted_at" in wanted)


async def _edited(work: Work, contact_id: UUID, data: ContactData) -> Plan | None:
    _, contact = await acting.one_contact(work.connection, work.workspace, contact_id, will_write=True)
    values = _values(data, contact)
    is_vendor = data.is_vendor if data.is_vendor is not None and data.is_vendor is not contact.is_vendor else None
    if not values and is_vendor is None:
        return None
    wanted = Edit(values, is_vendor)
    return (await edit(work.connection, work.workspace, contact_id, wanted, work.user, shards=work.shards)).plan


def _values(data: ContactData, present: Contact | None) -> dict[str, object]:
    """By path, what is named and is not so yet."""
    named = {name: getattr(data, name) for name in _PLAIN if name in data.model_fields_set}
    found: dict[str, object] = {}
    for name, value in named.items():
        held = getattr(present, name) if present is not None else None
        if value != (str(held) if held is not None else None):
            found[name] = value
    unbound = present.attributes.get(UNBOUND, {}) if present is not None else {}
    for slug, value in data.attributes.get(UNBOUND, {}).items():
        if not same_value(unbound.get(slug), value):
            found[attribute_path(slug)] = value
    return found


async def _identified(work: Work, contact_id: UUID, given: Sequence[Given], raw: Mapping[IdentifierKey, Raw]) -> list[Plan]:
    """Give it those that it has not, and call, validate and open the others as the item says."""
    plans = []
    _, contact = await acting.one_contact(work.connection, work.workspace, contact_id, will_write=True)
    held = {each.key: each for each in await _open(work, contact, given)}
    missing = [raw[each.identifier.key] for each in given if each.identifier.key not in held]
    if missing:
        adding = await identifiers.add(
            work.connection, work.workspace, contact_id, missing, work.user, numbers=work.numbers, shards=work.shards
        )
        plans.append(adding.plan)
    for each in given:
        tenure = held.get(each.identifier.key)
        if tenure is not None:
            plans += await _amended(work, contact_id, each, tenure)
    return plans


async def _open(work: Work, contact: Contact, given: Sequence[Given]) -> list[Tenure]:
    found = await open_now(work.connection, work.workspace, [each.identifier.key for each in given])
    return [each for each in found if each.contact_id == contact.contact_id]


async def _amended(work: Work, contact_id: UUID, given: Given, tenure: Tenure) -> list[Plan]:
    plans = []
    slug = given.identifier.slug
    label = Label(slug) if slug is not None and slug != tenure.slug else None
    outreach = given.outreach if given.outreach is not None and given.outreach is not tenure.outreach else None
    if label is not None or outreach is not None:
        wanted = Amendment(label, outreach)
        amending = await identifiers.amend(
            work.connection, work.workspace, contact_id, tenure.key, wanted, work.user, numbers=work.numbers, shards=work.shards
        )
        plans.append(amending.plan)
    if given.is_validated and not tenure.is_validated:
        plans.append((await validate(work.connection, work.workspace, given.identifier, work.user, shards=work.shards)).plan)
    return plans


async def _hung(work: Work, contact_id: UUID, data: ContactData) -> Plan | None:
    _, contact = await acting.one_contact(work.connection, work.workspace, contact_id, will_write=True)
    change = change_to(data, contact.classification, contact.tags, contact.attributes)
    if is_empty(change):
        return None
    return (await classify(work.connection, work.workspace, contact_id, change, work.user, shards=work.shards)).plan


async def _consented(work: Work, contact_id: UUID, data: ContactData) -> Plan | None:
    if not data.consent:
        return None
    words = [Word(purpose, said.state, said.source, said.at) for purpose, said in data.consent.items()]
    return (await consent(work.connection, work.workspace, contact_id, words, work.user, shards=work.shards))[1]


async def _archived(work: Work, contact_id: UUID, data: ContactData) -> Plan | None:
    _, contact = await acting.one_contact(work.connection, work.workspace, contact_id, will_write=True)
    if (contact.archived_at is None) == (data.deleted_at is None):
        return None
    what = archive(
        work.connection,
        work.workspace,
        contact_id,
        "archive" if data.deleted_at is not None else "restore",
        work.user,
        shards=work.shards,
        archived_at=data.deleted_at,
    )
    return (await what).plan


def _take(changes: dict[str, tuple[Any, Any]], plan: Plan | None) -> None:
    for change in plan.changes if plan is not None else ():
        changes.update(change.changes)
