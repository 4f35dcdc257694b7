"""Numbers for new tenures, taken from Postgres a thousand at a time (the sequence counts in steps of 1,000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.contact import TenureId

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.records.store import Connection

BLOCK = 1_000


class TenureNumbers:
    """Unused tenure ids of one worker, shared by all transactions that it has in flight."""

    def __init__(self) -> None:
        self._free: list[TenureId] = []

    async def take(self, connection: Connection, count: int) -> list[TenureId]:
        """So many numbers for one transaction, which nobody else gets. If it rolls back they are lost, which is harmless."""
        while (missing := count - len(self._free)) > 0:  # asked again, since others take numbers while this one waits for Postgres
            blocks = -(-missing // BLOCK)
            rows = await connection.fetch("select nextval('tenure_ids') as first from generate_series(1, $1::integer)", blocks)
            self._free.extend(TenureId(number) for row in rows for number in range(row["first"], row["first"] + BLOCK))
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def give_back(self, unused: Iterable[TenureId]) -> None:
        """Return numbers that a transaction took and did not need; they are the next to be taken."""
        self._free = [*unused, *self._free]
