"""What large contacts list, remembered between a worker's transactions: 200 identifiers are read once, not at every event.

Whoever changes what a contact lists writes the contact's row, so a listing is as it was while the row's `xmin` is. What a worker wrote
itself it remembers under its own transaction's id, which no row ever shows unless that transaction was committed. Ids begin anew where the
store begins its next life, so another incarnation forgets everything. Only contacts that list fewer identifiers than they hold are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from onefold.identity.contact import LISTED_IDENTIFIERS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias
    from uuid import UUID

    from onefold.identity.contact import Contact, Tenure
    from onefold.identity.plan import Plan
    from onefold.records.rows import Row
    from onefold.records.store import Connection

    ContactKey: TypeAlias = tuple[str, UUID]

MOST_KEPT: Final = 200
"""Contacts; about 100 kB each."""
WRITER = "select pg_current_xact_id()::xid"


class Listings:
    """Of the contacts that were met last. Tenures in it are never changed: whoever edits one works on a copy."""

    def __init__(self) -> None:
        self._kept: OrderedDict[ContactKey, tuple[int, Sequence[Tenure]]] = OrderedDict()
        self._incarnation: str | None = None

    def live(self, incarnation: str) -> None:
        """Forget everything where the store began another life."""
        if incarnation != self._incarnation:
            self._kept.clear()
            self._incarnation = incarnation

    def get(self, row: Row) -> Sequence[Tenure] | None:
        """What a contact lists, if its row is the one that it was kept for."""
        found = self._kept.get((row["workspace"], row["contact_id"]))
        return found[1] if found is not None and found[0] == row["written_by"] else None

    def keep(self, key: ContactKey, written_by: int, listed: Sequence[Tenure]) -> None:
        """Remember what a contact lists, whose row was last written by this transaction."""
        self._kept[key] = (written_by, listed)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def keep_written(self, connection: Connection, plan: Plan) -> None:
        """Remember what large contacts list after a plan that was just written, where the plan knows it.

        It does not where an identifier left: the next one in the order was not read. Nor where a contact was absorbed that is large itself.
        """
        if plan.separated or any(each.absorbed.summary.total > LISTED_IDENTIFIERS for each in plan.merges):
            return
        large = [each for each in plan.contacts_changed if not each.is_absorbed and each.summary.total > LISTED_IDENTIFIERS]
        if large:
            written_by = await connection.fetchval(WRITER)
            for contact in large:
                listed = contact.listed[:LISTED_IDENTIFIERS]  # in order, as they were told
                own = [_own(each, contact) for each in listed] if plan.merges else listed
                self.keep((contact.workspace, contact.contact_id), written_by, own)


def _own(tenure: Tenure, holder: Contact) -> Tenure:
    """The tenure as its row names its holder, who may have absorbed the contact that it was given to."""
    if tenure.contact_id == holder.contact_id:
        return tenure
    twin = tenure.fork()
    twin.contact_id = holder.contact_id
    return twin
