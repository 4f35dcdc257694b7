"""Give a contact an identifier by hand, call it otherwise, change it, remove it. The preview is the plan itself (product.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onefold.contacts import acting
from onefold.contacts.change import Changing
from onefold.errors import IdentifierNotFound, InvalidMessage
from onefold.identity import holding
from onefold.identity.contact import TenureId
from onefold.identity.holding import Given
from onefold.identity.identifiers import resolve_identifiers
from onefold.records.histories import open_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.holding import Label
    from onefold.identity.identifiers import Identifier, IdentifierKey, Reason
    from onefold.identity.rules import Rules
    from onefold.identity.snapshot import Snapshot
    from onefold.records.numbers import TenureNumbers
    from onefold.records.store import Connection

MOST_AT_ONCE: Final = 100
_WHY: Final[Mapping[Reason, str]] = {
    "placeholder": "its value stands for none, such as null, unknown or zeros only",
    "invalid": "its value cannot be read as one; a national phone number needs the workspace's region (normalise.phone_region)",
    "unknown_type": "the catalog has no such type",
    "disabled": "the catalog has switched the type off",
    "blocked": "the workspace blocks this value",
    "too_long": "its value is longer than 1,024 bytes",
    "control_characters": "its value holds control characters",
    "conflict": "a contact holds one of this type, and there are two",
    "quarantined": "its value joined too many contacts and is in quarantine: release it first",
}


@dataclass(frozen=True, slots=True)
class Raw:
    """An identifier as somebody wrote it."""

    semantic_type: str
    identifier: object
    slug: str | None = None
    outreach: bool | None = None
    is_validated: bool = False


@dataclass(frozen=True, slots=True)
class Amendment:
    """What is to be different of an identifier."""

    label: Label | None = None
    outreach: bool | None = None
    value: object = None
    """Another value; None leaves it as it is."""
    if_version: int | None = None
    """Only if the contact is still at this version."""


def read(raw: Sequence[Raw], rules: Rules) -> tuple[Given, ...]:
    """The identifiers that are meant, each once. Raises InvalidMessage, which says of the first that does not resolve why."""
    if len(raw) > MOST_AT_ONCE:
        raise InvalidMessage(f"at most {MOST_AT_ONCE} identifiers at once")
    resolved, dropped = resolve_identifiers(((each.semantic_type, each.identifier, each.slug) for each in raw), rules)
    if dropped:
        first = dropped[0]
        raise InvalidMessage(f"a {first.semantic_type} is no identifier: {_WHY[first.reason]}", code=f"identifier_{first.reason}")
    said: dict[IdentifierKey, Raw] = {}
    for each in raw:
        (one,), _ = resolve_identifiers([(each.semantic_type, each.identifier, None)], rules)
        said.setdefault(one.key, each)
    return tuple(Given(each, said[each.key].outreach, said[each.key].is_validated) for each in resolved)


async def know_holders(connection: Connection, workspace: str, snapshot: Snapshot, keys: Sequence[IdentifierKey]) -> None:
    """Let the snapshot know who has these identifiers."""
    for tenure in await open_now(connection, workspace, keys):
        snapshot.tenures.setdefault((workspace, tenure.key), []).append(tenure)


async def numbers_for(connection: Connection, numbers: TenureNumbers, count: int, *, will_write: bool) -> Iterator[TenureId]:
    """Numbers for new tenures; a preview takes none that anybody else could want."""
    return iter(await numbers.take(connection, count) if will_write else [TenureId(-1 - each) for each in range(count)])


async def add(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    raw: Sequence[Raw],
    user: User,
    *,
    numbers: TenureNumbers,
    if_version: int | None = None,
    shards: int | None = None,
) -> Changing:
    """Plan to give a contact identifiers, redirects followed; with `shards` of the outbox, carry it out.

    Raises ContactNotFound, VersionConflict, InvalidMessage, and what `holding.add` does; Moved, and a race of the store's, where somebody
    was faster: roll back and repeat.
    """
    rules = await acting.rules_of(connection, workspace)
    given = read(raw, rules)
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=shards is not None)
    acting.demand_version(contact, if_version)
    await know_holders(connection, workspace, snapshot, [each.identifier.key for each in given])
    new = await numbers_for(connection, numbers, len(given), will_write=shards is not None)
    plan = holding.add(snapshot, contact, given, await acting.begin(connection, user), rules, new)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


async def amend(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    key: IdentifierKey,
    wanted: Amendment,
    user: User,
    *,
    numbers: TenureNumbers,
    shards: int | None = None,
) -> Changing:
    """Plan to change an identifier of a contact: its value, or else its label and whether it may be written to.

    Raises IdentifierNotFound where the contact does not hold it, and what `add` does.
    """
    rules = await acting.rules_of(connection, workspace)
    will_write = shards is not None
    snapshot, contact, tenure = await _held(connection, workspace, contact_id, key, will_write=will_write, if_version=wanted.if_version)
    act = await acting.begin(connection, user)
    if wanted.value is not None:
        if wanted.label is not None or wanted.outreach is not None:
            raise InvalidMessage("change the value, or else its label and outreach: one at a time, since a new value begins anew")
        new = _alike(tenure, wanted.value, rules)
        if new.key != tenure.key:
            await know_holders(connection, workspace, snapshot, [new.key])
        plan = holding.replace(snapshot, contact, tenure, new, act, rules, await numbers_for(connection, numbers, 1, will_write=will_write))
    else:
        plan = holding.amend(snapshot, contact, tenure, act, rules, label=wanted.label, outreach=wanted.outreach)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


async def remove(
    connection: Connection,
    workspace: str,
    contact_id: UUID,
    key: IdentifierKey,
    user: User,
    *,
    if_version: int | None = None,
    shards: int | None = None,
) -> Changing:
    """Plan to take an identifier from a contact, which stays (R17); no older event brings it back. Raises IdentifierNotFound, Moved."""
    rules = await acting.rules_of(connection, workspace)
    held = await _held(connection, workspace, contact_id, key, will_write=shards is not None, if_version=if_version)
    snapshot, contact, tenure = held
    plan = holding.remove(snapshot, contact, tenure, await acting.begin(connection, user), rules)
    return await acting.carry_out(connection, Changing(contact, plan), shards, user)


def _alike(tenure: Tenure, value: object, rules: Rules) -> Identifier:
    """Another value of the same type."""
    (given,) = read([Raw(tenure.semantic_type, value)], rules)
    return given.identifier


async def _held(
    connection: Connection, workspace: str, contact_id: UUID, key: IdentifierKey, *, will_write: bool, if_version: int | None
) -> tuple[Snapshot, Contact, Tenure]:
    snapshot, contact = await acting.one_contact(connection, workspace, contact_id, will_write=will_write)
    acting.demand_version(contact, if_version)
    found = [each for each in await open_now(connection, workspace, [key]) if each.contact_id == contact.contact_id]
    if not found:
        raise IdentifierNotFound(f"contact {contact.contact_id} has no such identifier")
    tenure = next((each for each in contact.listed if each.tenure_id == found[0].tenure_id), found[0])
    snapshot.tenures[workspace, key] = [tenure]
    return snapshot, contact, tenure
