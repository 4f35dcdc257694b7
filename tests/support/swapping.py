"""Calls with somebody else's ids in some of their places, and whether rows moved or name what they must not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import httpx

    from onefold.records.store import Connection, Store
    from tests.support.operations import Call

TABLES = """
select relname from pg_class where relkind in ('r', 'p') and relrowsecurity and not relispartition
  and relnamespace = 'public'::regnamespace and has_table_privilege(oid, 'select') order by 1
"""


NOT_TELLING = {
    "DELETE /sessions/{session_id}": "a session that is not there has ended",
    "POST /contacts/bulk": "its job refuses each contact by itself",
    "POST /imports": "its job looks into the file",
    "POST /documents/seeds/files": "its job looks into the file",
}
"""Writes that do not refuse what is not there, each with the reason."""
MAY_NAME = frozenset({"remove", "unrelate", "default_ownership"})
"""What is not there is off already; a default owner who is no user is left out where somebody adopts the profile."""


def swaps(places: Sequence[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """Each of some places alone, then all of them; once without any where there is none."""
    yield from ((place,) for place in places)
    if len(places) != 1:
        yield tuple(places)


def amiss(call: Call, places: Collection[tuple[Any, ...]], answer: httpx.Response, others: Mapping[str, str], canary: str) -> Iterator[str]:
    """What is wrong with the answer to a call that held somebody else's ids in some places: it shows, or lets do, what is not the caller's."""
    asked = call.kinds(places)
    shown = sorted(kind for kind, value in others.items() if kind not in asked and value in answer.text)
    if canary in answer.text or shown:
        yield f"{call.operation} {places}: shows {canary} {shown}: {answer.text[:500]}"
    may_pass = call.operation.is_read or str(call.operation) in NOT_TELLING or all(MAY_NAME & {*place} for place in places)
    if places and answer.status_code not in {403, 404, 422} and not (may_pass and answer.is_success):
        yield f"{call.operation} {places}: {answer.status_code}: {answer.text[:500]}"


async def sums(store: Store, workspace: str) -> dict[str, str]:
    """A checksum of each table's rows of a workspace, as its own transactions see them."""
    async with store.transaction([workspace]) as connection:
        said = "select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {} t"
        return {table: await connection.fetchval(said.format(table)) for table in await _tables(connection)}


async def naming(store: Store, workspace: str, words: Collection[str], *, without: Collection[str] = ()) -> list[str]:
    """The rows of a workspace in whose text one of these words stands."""
    found: list[str] = []
    async with store.transaction([workspace]) as connection:
        for table in await _tables(connection):
            if table not in without:
                said = f"select t::text as text from {table} t where t::text ~ $1 order by 1"  # noqa: S608 -- our tables
                found += [f"{table}: {row['text']}" for row in await connection.fetch(said, "|".join(words))]
    return found


async def _tables(connection: Connection) -> list[str]:
    return [row["relname"] for row in await connection.fetch(TABLES)]
