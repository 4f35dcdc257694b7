"""Numbers for new tenures, taken from Postgres a thousand at a time (the sequence counts in steps of 1,000)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.contact import TenureId

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.records.store import Connection

BLOCK = 1_000


class TenureNumbers:
    """An iterator of unused tenure ids. `reserve` before deciding: iterating does no I/O."""

    def __init__(self) -> None:
        self._free: list[int] = []

    async def reserve(self, connection: Connection, count: int) -> None:
        """Have at least `count` numbers at hand. Numbers of a transaction that rolls back are lost, which is harmless."""
        missing = count - len(self._free)
        if missing > 0:
            blocks = -(-missing // BLOCK)
            rows = await connection.fetch("select nextval('tenure_ids') as first from generate_series(1, $1::integer)", blocks)
            fresh = [number for row in rows for number in range(row["first"], row["first"] + BLOCK)]
            self._free = [*reversed(fresh), *self._free]

    def __iter__(self) -> Iterator[TenureId]:
        """Itself."""
        return self

    def __next__(self) -> TenureId:
        """The next number; IndexError means that too few were reserved."""
        return TenureId(self._free.pop())
