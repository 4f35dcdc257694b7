"""Verify the log's chain of hashes: that no entry was altered, taken out or put in since it was written (security.md, S99)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.records import log
from onefold.records.store import name_workspaces

if TYPE_CHECKING:
    from onefold.records.log import Entry
    from onefold.records.store import Store

MOST_BREAKS = 20
PATIENCE_SECONDS = 3_600.0


@dataclass(slots=True)
class Verified:
    """What verifying one workspace's log found."""

    workspace: str
    entries: int = 0
    without_details: int = 0
    """Whose details went with an erased person."""
    breaks: list[str] = field(default_factory=list)
    """What is wrong, the first twenty."""
    last_hash: str = ""
    """To be kept elsewhere: whoever rewrites the whole chain cannot keep it."""


async def verify(store: Store, workspace: str) -> Verified:
    """Go along the chain, at one moment. Raises StoreUnavailable."""
    found = Verified(workspace)
    async with store.moment(seconds=PATIENCE_SECONDS) as connection:
        await name_workspaces(connection, [workspace])
        seq, previous = 0, log.START
        async for entry in log.chain(connection, workspace):
            found.entries += 1
            for trouble in _troubles(workspace, entry, seq, previous):
                _note(found, trouble)
            if entry.details_digest is not None and entry.details is None:
                found.without_details += 1
            seq, previous = entry.seq, entry.hash
        if await log.head(connection, workspace) != (seq, previous):
            _note(found, f"the log ends at entry {seq}, and its head says otherwise: entries were taken off its end")
        found.last_hash = previous.hex()
    return found


def _troubles(workspace: str, entry: Entry, seq: int, previous: bytes) -> list[str]:
    found = []
    if entry.seq != seq + 1:
        found.append(f"entries {seq + 1} to {entry.seq - 1} are missing")
    elif entry.previous != previous:
        found.append(f"entry {entry.seq} does not follow the one before it")
    if entry.hash != log.hash_of(workspace, entry):
        found.append(f"entry {entry.seq} was altered")
    if entry.details is not None and entry.salt is not None and entry.details_digest != log.digest_of(entry.salt, entry.details):
        found.append(f"the details of entry {entry.seq} were altered")
    return found


def _note(found: Verified, trouble: str) -> None:
    if len(found.breaks) < MOST_BREAKS:
        found.breaks.append(trouble)
