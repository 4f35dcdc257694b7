"""Runs that begin with the contacts as they are stored: everything is read as it was at one moment, in a transaction that cannot write.

What is stored of an identifier is read when a line first names it. While the transaction lasts, Postgres keeps rows that others replace.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onefold.identity.contact import ContactId
from onefold.identity.rules_document import rules_of
from onefold.ops.simulate.lines import BadLine, Reader, numbered
from onefold.ops.simulate.run import CHUNK, Run
from onefold.records import snapshots
from onefold.records.rules_versions import rules_in_force
from onefold.records.store import name_workspaces

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta
    from typing import BinaryIO

    from onefold.identity.rules import Rules
    from onefold.identity.rules_document import Document
    from onefold.identity.snapshot import Snapshot
    from onefold.ops.simulate.lines import Line
    from onefold.records.store import Connection, Store

LONGEST_SECONDS = 3_600.0
"""How long a run may take, and how long it waits for its next lines."""
UNKNOWN_WORKSPACE = "unknown_workspace"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class StoredRun(Run):
    """A run on stored contacts, under the stored rules of each workspace or under the same document everywhere."""

    def __init__(self, document: Document | None, recency: timedelta) -> None:
        """`recency` is the installation's, where the document has none of its own."""
        self._of: dict[str, Rules] = {}
        super().__init__(self._of)
        self._marked: set[tuple[str, ContactId]] = set()
        """Stored contacts that were met and are kept apart from somebody."""
        self._mine = rules_of(document, recency=recency) if document is not None else None

    async def learn(self, connection: Connection, lines: Sequence[Line], stored: Mapping[str, Rules]) -> None:
        """Read what is stored of the identifiers in these lines, whose workspaces the transaction names."""
        self._of.update({workspace: self._under(rules) for workspace, rules in stored.items() if workspace not in self._of})
        naming = self.world.unknown(self.named(lines))
        if naming:
            found = snapshots.snapshot_of(await snapshots.read(connection, naming, since=_EVER))
            self.world.learn(naming, found)
            await self._learn_pairs(connection, found)

    async def _learn_pairs(self, connection: Connection, found: Snapshot) -> None:
        """Read who is kept apart from whom: of two, one may have been met long before the other."""
        marked = {key for key, contact in found.contacts.items() if contact.summary.apart} - self._marked
        self._marked |= marked
        if marked and len(self._marked) > 1:
            workspaces = sorted({workspace for workspace, _ in self._marked})
            roots = [contact_id for _, contact_id in self._marked]
            pairs = await snapshots.read_apart(connection, roots, workspaces)
            self.world.keep_apart((workspace, ContactId(one), ContactId(other)) for workspace, one, other in pairs)

    def _under(self, stored: Rules) -> Rules:
        """The rules of a workspace in this run. What is in quarantine is no part of the document, and stays there."""
        return replace(self._mine, quarantined=stored.quarantined) if self._mine is not None else stored


async def from_stored(stream: BinaryIO, store: Store, runs: Sequence[StoredRun], recency: timedelta) -> list[BadLine]:
    """Let several runs take the same lines, each beginning with what is stored; gives the lines that are left out."""
    bad: list[BadLine] = []
    stored: dict[str, Rules] = {}
    async with store.moment(seconds=LONGEST_SECONDS) as connection:
        for lines, flawed in Reader().chunks(numbered(stream), CHUNK):
            bad.extend(flawed)
            named = {line.message.workspace for line in lines}
            if not named <= stored.keys():
                await name_workspaces(connection, named | stored.keys())
                stored |= await rules_in_force(connection, named - stored.keys(), recency=recency)
            bad.extend(_unknown(line) for line in lines if line.message.workspace not in stored)
            known = [line for line in lines if line.message.workspace in stored]
            for run in runs:
                await run.learn(connection, known, stored)
                run.take(known)
    return sorted(bad, key=lambda each: each.line)


def _unknown(line: Line) -> BadLine:
    return BadLine(line.number, UNKNOWN_WORKSPACE, f"no workspace is called {line.message.workspace!r}")
