"""A resolver by hand: its transaction taken apart into the steps between which another's may fall, on real servers."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from onefold.identity.rules import Rules
from onefold.index.lookup import Index
from onefold.index.naming import Namings
from onefold.index.resolution_index import ResolutionIndex
from onefold.records.numbers import TenureNumbers
from onefold.records.progress import PartitionKey, claim, fence
from onefold.records.resolution import Resolution
from onefold.records.store import name_workspaces
from tests.support.namings import naming_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from onefold.identity.interaction import Interaction
    from onefold.identity.plan import Plan
    from onefold.index.naming import Naming
    from onefold.index.recognise import Voucher
    from onefold.index.resolution_index import Hints
    from onefold.records.progress import Claim, Present
    from onefold.records.store import Connection, Store

SECRET = bytes(range(32))
HOURLY = Rules(recency=timedelta(hours=1))
RULES = {"acme": HOURLY}


class Rollback(Exception):
    """Ends a transaction without a commit."""


class Worker:
    """One worker with its own memory of separations and its own partition. Each method is one step."""

    def __init__(self, store: Store, index: ResolutionIndex, owned: Claim) -> None:
        self._store = store
        self._owned = owned
        self._resolution = Resolution(shards=4, numbers=TenureNumbers(), budget=10_000)
        self._transaction = AsyncExitStack()
        self._namings = Namings()
        self.index = index
        self.connection: Connection
        self.present: Present
        self.plan: Plan

    async def begin(self) -> int:
        """Open a transaction and give it its id; no snapshot is kept from statement to statement."""
        self.connection = await self._transaction.enter_async_context(self._store.begin())
        xid: int = await self.connection.fetchval("select pg_current_xact_id()")
        return xid

    async def fence(self) -> None:
        """Open a transaction and read the present."""
        self.connection = await self._transaction.enter_async_context(self._store.begin())
        self.present = await fence(self.connection, self._owned, 0, self.index.since_xmin)

    async def resolve(self, *interactions: Interaction) -> None:
        """Read, decide, lock and write."""
        await name_workspaces(self.connection, ["acme"])
        self.plan = await self._resolution.resolve(self.connection, interactions, RULES, "test")

    async def commit(self) -> None:
        """Commit."""
        await self._transaction.aclose()

    async def roll_back(self) -> None:
        """Give the transaction up."""
        with suppress(Rollback):
            await self._transaction.__aexit__(Rollback, Rollback(), None)

    async def write_back(self) -> None:
        """Tell the index what the committed transaction knows."""
        await self.index.write_back(self.plan.current, self.present.incarnation, self.present.xmin)

    async def look_up(self, *interactions: Interaction) -> Hints:
        """What the index says of these."""
        return await self.index.look_up([self.naming(each) for each in interactions])

    def naming(self, interaction: Interaction) -> Naming:
        """As this worker remembers it."""
        return naming_of(interaction, HOURLY, self._namings)

    async def valid(self, hints: Hints) -> Mapping[Naming, Voucher]:
        """Fence, and hold hints against the separations read; the transaction stays open."""
        await self.fence()
        present = self.present
        return self.index.valid(hints, present.incarnation, present.since_xmin, present.xmin, present.separations)

    async def play(self, *interactions: Interaction) -> None:
        """All steps of one batch that looked nothing up."""
        await self.fence()
        await self.resolve(*interactions)
        await self.commit()
        await self.write_back()


@asynccontextmanager
async def worker(store: Store, redis_url: str, partition: int) -> AsyncIterator[Worker]:
    """A worker that knows the incarnation, as every one does after its first batch."""
    redis = Index(redis_url, timeout_ms=10_000)
    try:
        owned = await claim(store, PartitionKey("resolver", "interactions", partition), f"worker-{partition}")
        made = Worker(store, ResolutionIndex(redis, SECRET), owned)
        await made.valid(await made.look_up())
        await made.commit()
        try:
            yield made
        finally:
            await made.roll_back()  # what a test that failed left open
    finally:
        await redis.close()
