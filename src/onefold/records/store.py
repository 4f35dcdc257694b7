"""A pool of Postgres connections whose transactions name the workspaces that they may see.

Called by everything that reads or writes records. Row-level security does the rest: a transaction that names no workspace
sees no person's row (S90). Connection failures become `StoreUnavailable`; SQL errors of the statement itself pass unchanged,
since only the caller knows whether one is a race, a bad record or a bug.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from onefold.errors import ConfigurationError, OnefoldError, StoreUnavailable, TemporaryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from typing import TypeVar

    Result = TypeVar("Result")

Connection = asyncpg.pool.PoolConnectionProxy

RACES = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""Errors after which the same transaction, begun anew, can succeed."""


ATTEMPTS = 5
"""At a transaction whose contacts events keep changing, before its caller is told to come back."""


class Moved(OnefoldError):
    """An identifier or a contact changed hands between reading and locking: roll back and repeat."""

    code = "moved"


REJECTED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)
"""Errors that a record of its own brings about: no repeat will help. Races are told apart first."""

UNSTORABLE = (asyncpg.DataError,)
"""Errors of a value that no column takes, such as a NUL in a text or a time without a zone: whoever sent it is at fault."""

UNREACHABLE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.IdleSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    # What asyncpg raises when it is asked between the server's farewell and the end of the connection.
    asyncpg.InternalClientError,
    asyncpg.DiskFullError,
    ConnectionError,
    asyncio.IncompleteReadError,
)
"""Errors that say that the server, not the statement, is at fault."""

_SESSION = {
    # A statement prepared while a table was empty keeps its plan otherwise: measured at 94 s against 0.2 s.
    "plan_cache_mode": "force_custom_plan",
    "jit": "off",
    "timezone": "UTC",
}


_PLAIN = re.compile(r"[a-z0-9_,-]*")
"""Names that need no quoting: those of workspaces that there are."""
# No plan reads a whole table where there is an index, so that one that was made while the table was empty stays good.
_KEEP_PLANS = "set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off;"
PATIENCE = "select set_config(name, $1, true) from unnest('{transaction_timeout,idle_in_transaction_session_timeout}'::text[]) as name"


class _Connection(asyncpg.Connection):
    """A connection that is put back as it was only where it was held as a session: transactions leave nothing behind.

    asyncpg would ask the server to reset it after each use, which is a quarter of a hot batch's round trips.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_held = False
        self._opening = ""

    def open_with(self, settings: str) -> None:
        """Send these settings along with the next BEGIN, and so in one round trip with it."""
        self._opening = settings

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:  # noqa: ASYNC109 -- asyncpg's own
        """As asyncpg has it; its transactions begin by this, too."""
        if self._opening and query.startswith("BEGIN"):
            query, self._opening = f"{query} {self._opening}", ""
        return await super().execute(query, *args, timeout=timeout)

    def hold(self) -> None:
        """Say that locks or settings of the session will be left behind."""
        self._is_held = True

    def get_reset_query(self) -> str:
        """What puts it back."""
        held, self._is_held, self._opening = self._is_held, False, ""
        return super().get_reset_query() if held else ""


class Store:
    """Transactions on the system of record."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        application_name: str = "onefold",
        idle_in_transaction_ms: int = 5_000,
        transaction_ms: int = 120_000,
        statement_timeout_ms: int = 60_000,
        connect_timeout_seconds: float = 10.0,
    ) -> Store:
        """Open the pool. Raises StoreUnavailable when the server does not answer, ConfigurationError when it refuses us.

        `idle_in_transaction_ms` must lie below Kafka's session timeout, so that a stopped worker cannot hold up its successor. Between
        preparing a statement and running it a transaction is not idle: `transaction_ms` ends it there; and while the server sends rows to
        a worker that takes none, TCP's own time-out does.
        """
        settings = {
            **_SESSION,
            "application_name": application_name,
            "idle_in_transaction_session_timeout": str(idle_in_transaction_ms),
            "transaction_timeout": str(transaction_ms),
            "tcp_user_timeout": str(idle_in_transaction_ms),
            "statement_timeout": str(statement_timeout_ms),
        }
        try:
            pool = await asyncpg.create_pool(
                url,
                min_size=1,
                max_size=pool_size,
                connection_class=_Connection,
                server_settings=settings,
                timeout=connect_timeout_seconds,
                command_timeout=None,
            )
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
            raise ConfigurationError(f"Postgres refuses the connection: {error}. Check ONEFOLD_POSTGRES__URL.") from error
        except (*UNREACHABLE, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"Postgres does not answer: {error}. Is it running where ONEFOLD_POSTGRES__URL points?") from error
        return cls(pool)

    async def close(self) -> None:
        """Close every connection; waits for those in use."""
        await self.pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection, without a transaction. Only for tables that hold no person's row.

        Whoever leaves locks or settings of the session behind goes through `onefold.records.sessions`.
        """
        try:
            connection = await self.pool.acquire()
        except (*UNREACHABLE, OSError, TimeoutError) as error:
            raise StoreUnavailable(f"Postgres does not answer: {error}") from error
        try:
            yield connection
        except UNREACHABLE as error:
            raise StoreUnavailable(f"Postgres does not answer: {error}") from error
        finally:
            await self.pool.release(connection)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Connection]:
        """One transaction that names no workspace yet, so sees no person's row; commits unless the block raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def transaction(self, workspaces: Iterable[str], *, keeps_plans: bool = False) -> AsyncIterator[Connection]:
        """One transaction that sees the rows of these workspaces and of no other; commits unless the block raises.

        `keeps_plans`: its statements keep the plans of their first use, which take longer to make than to carry out. Only for those that
        find few rows, by keys, whoever asks (decision 0048).
        """
        names = sorted(set(workspaces))
        named = ",".join(names)
        is_plain = _PLAIN.fullmatch(named) is not None
        async with self.connection() as connection:
            raw: Any = connection
            raw.open_with((f"set local onefold.workspaces = '{named}';" if is_plain else "") + (_KEEP_PLANS if keeps_plans else ""))
            async with connection.transaction():
                if not is_plain:
                    await name_workspaces(connection, names)
                yield connection

    async def repeated(
        self, workspaces: Sequence[str], work: Callable[[Connection], Awaitable[Result]], *, keeps_plans: bool = False
    ) -> Result:
        """Do this in one transaction, anew where an event was faster. Raises TemporaryError where one always is."""
        for _ in range(ATTEMPTS):
            try:
                async with self.transaction(workspaces, keeps_plans=keeps_plans) as connection:
                    return await work(connection)
            except (Moved, *RACES):
                continue
        raise TemporaryError("the same records change all the time")

    @asynccontextmanager
    async def moment(self, *, seconds: float) -> AsyncIterator[Connection]:
        """One transaction that sees one moment, for up to so long, and cannot write; it names no workspace yet."""
        async with self.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute(PATIENCE, str(round(seconds * 1000)))
            yield connection


def hold(connection: Connection) -> None:
    """Say that locks or settings of the connection's session will be left behind, so that the pool takes them back."""
    raw: Any = connection
    raw.hold()


async def name_workspaces(connection: Connection, workspaces: Iterable[str]) -> None:
    """Let the open transaction see these workspaces."""
    await connection.execute("select set_config('onefold.workspaces', $1, true)", ",".join(sorted(set(workspaces))))
