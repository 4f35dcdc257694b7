"""Make two contacts one because a user says so: what it would do, and do it. The preview is the plan itself (product.md, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onefold.contacts import acting
from onefold.errors import ContactErased, ContactNotFound, InvalidMessage, MergeRefused
from onefold.identity.contact import ContactId
from onefold.identity.limits import too_large
from onefold.identity.merge import merge_decided
from onefold.identity.survivorship import FIELDS
from onefold.records.snapshots import lock, read_contacts, snapshot_of
from onefold.records.store import Moved
from onefold.records.trees import root_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from onefold.contacts.acting import User
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.identity.rules import Rules
    from onefold.records.store import Connection


@dataclass(frozen=True, slots=True)
class Wish:
    """Who is to survive, who is to be absorbed, and, by path of a value, whose the survivor is to have."""

    survivor: UUID
    absorbed: UUID
    takes: Mapping[str, UUID]


@dataclass(frozen=True, slots=True)
class Merging:
    """Two contacts as they are, and the plan that makes them one."""

    survivor: Contact
    absorbed: Contact
    plan: Plan


async def merge(connection: Connection, workspace: str, wish: Wish, user: User, *, shards: int | None = None) -> Merging:
    """Plan to merge two contacts, redirects followed; with `shards` of the outbox, carry it out.

    Raises ContactNotFound, ContactErased, MergeRefused, InvalidMessage for a choice that is none; Moved where one was absorbed meanwhile:
    roll back and repeat.
    """
    rules = await acting.rules_of(connection, workspace)
    roots = [await _root(connection, workspace, each) for each in (wish.survivor, wish.absorbed)]
    if roots[0] == roots[1]:
        raise MergeRefused(f"{wish.survivor} and {wish.absorbed} are one contact already: {roots[0]}")
    if shards is not None:
        await lock(connection, [(workspace, root) for root in roots])
    snapshot = snapshot_of(await read_contacts(connection, workspace, roots))
    survivor, absorbed = (snapshot.contacts[workspace, root] for root in roots)
    for each in (survivor, absorbed):
        if each.erased_at is not None:
            raise ContactErased(each.contact_id, each.erased_at)
    if survivor.is_absorbed or absorbed.is_absorbed:
        raise Moved("one of the contacts was absorbed just now")
    _refuse_what_is_too_large(survivor, absorbed, rules)
    if user.kind != "user":
        _refuse_against_guard_one(survivor, absorbed)
    takes = _takes(wish, dict(zip((wish.survivor, wish.absorbed), roots, strict=True)))
    merging = Merging(survivor, absorbed, merge_decided(snapshot, survivor, absorbed, takes, await acting.begin(connection, user)))
    if shards is not None:
        await acting.write(connection, merging.plan, shards, user)
    return merging


async def _root(connection: Connection, workspace: str, contact_id: UUID) -> ContactId:
    root = await root_of(connection, workspace, contact_id)
    if root is None:
        raise ContactNotFound(f"workspace {workspace} has no contact {contact_id}. Is the workspace right (--workspace)?")
    return root


def _refuse_against_guard_one(survivor: Contact, absorbed: Contact) -> None:
    """Software merges by the rules; a person decides against them (R19)."""
    theirs = absorbed.summary.unique
    clash = next((kind for kind, key in survivor.summary.unique.items() if theirs.get(kind, key) != key), None)
    if clash is not None:
        raise MergeRefused(f"each has a {clash} of its own, and a contact holds one: a person may decide so, a key not")


def _refuse_what_is_too_large(survivor: Contact, absorbed: Contact, rules: Rules) -> None:
    """Guard 4 binds users too (R19): of sizes, a decision cannot be the exception."""
    limit = too_large(survivor.summary, absorbed.summary, rules)
    if limit is not None:
        raise MergeRefused(
            f"together they would hold more than limits.{limit.value} allows ({survivor.summary.total} and {absorbed.summary.total}"
            " identifiers): remove some first, or raise the limit with `onefold rules set`"
        )


def _takes(wish: Wish, roots: Mapping[UUID, ContactId]) -> dict[str, ContactId]:
    found = {}
    for path, contact_id in wish.takes.items():
        if path not in FIELDS and not (path.startswith("attributes.") and path.count(".") >= 2):  # noqa: PLR2004 -- attributes, profile, slug
            raise InvalidMessage(f"{path!r} is no value of a contact: use {', '.join(FIELDS)} or attributes.PROFILE.SLUG", code="usage")
        root = roots.get(contact_id) or (ContactId(contact_id) if contact_id in roots.values() else None)
        if root is None:
            raise InvalidMessage(f"{path} is to come from {contact_id}, which is neither of the two", code="usage")
        found[path] = root
    return found
