"""Lists of contacts: filtered, in an order, page by page, and never more of the table read than the page needs.

Each list walks along one index in the list's own order: along the links of the most telling filter (their key holds `created_at`
for this), else along contacts by type, by organization, of the archive, or all. Every other filter is a look at the row, or one look-up
in `links`. Who may see only what they own or follow walks along their own links (security.md, S77). What decides where a walk begins is
a comparison that row-level security lets an index answer; a search for a part of a name is none, so there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import asyncpg

from onefold.errors import InvalidQuery
from onefold.segments.compile import compile_query
from onefold.segments.query import And, Clause, Field, HeldValue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from onefold.records.store import Connection
    from onefold.segments.query import Query

LONGEST_MS = 10_000
"""Of one page: a query that matches hardly anybody may have to look at everybody."""
KINDS = ("owner", "follower", "step", "workflow", "taxonomy", "profile", "tag")
"""Kinds of links that a list is filtered by, the most telling first."""
PATIENCE = "select set_config('statement_timeout', $1, true)"

Archived: TypeAlias = Literal["without", "with", "only"]
ARCHIVED: dict[str, str] = {"without": " and c.archived_at is null", "with": "", "only": " and c.archived_at is not null"}


class Place(NamedTuple):
    """Where a page ended: by when a contact was made, or by its name."""

    at: datetime | None
    last_name: str
    given_name: str
    contact_id: UUID


@dataclass(frozen=True, slots=True)
class Filters:
    """Which contacts a list is of."""

    links: Sequence[tuple[str, str]] = ()
    """Kind and value, as in `links`: all of them."""
    type: str | None = None
    organization_id: UUID | None = None
    segment_id: UUID | None = None
    archived: Archived = "without"
    query: Query | None = None
    visible: tuple[str, Sequence[str]] | None = None
    """A user, and the kinds of links by which they see a contact; None: everything."""
    sort: Literal["created_at", "name"] = "created_at"
    """By name are those that have a last name."""
    descending: bool = False


class Statement(NamedTuple):
    """A page of a list, as SQL."""

    sql: str
    parameters: Sequence[Any]


async def page(connection: Connection, workspace: str, filters: Filters, after: Place | None, limit: int) -> list[Place]:
    """The contacts of a page, where each stands. Raises InvalidQuery where finding them takes too long."""
    statement = statement_of(workspace, filters, after, limit)
    if statement is None:
        return []
    await connection.execute(PATIENCE, str(LONGEST_MS))
    try:
        rows = await connection.fetch(statement.sql, *statement.parameters)
    except asyncpg.QueryCanceledError as error:
        raise InvalidQuery(
            f"this list took more than {LONGEST_MS // 1000} s: filter by a tag, a type or an owner as well, or save it as a segment"
        ) from error
    return [Place(row["created_at"], row["last"], row["given"], row["contact_id"]) for row in rows]


def statement_of(workspace: str, filters: Filters, after: Place | None, limit: int) -> Statement | None:
    """The statement of a page; None where nobody can be on it."""
    return _Writer(workspace, filters, after, limit).write()


class _Writer:
    def __init__(self, workspace: str, filters: Filters, after: Place | None, limit: int) -> None:
        self._filters, self._after, self._limit = filters, after, limit
        self._parameters: list[Any] = []
        self._workspace = self._parameter(workspace, "text")
        self._direction = "desc" if filters.descending else "asc"
        self._links, self._type, self._organization, self._rest = _by_index(filters)

    def write(self) -> Statement | None:
        if self._type is False:
            return None
        limit = self._parameter(self._limit, "integer")
        arms = [f"({each} limit {limit})" for each in self._arms()]
        order = self._order("created_at", "contact_id")
        # Who owns and follows the same contact sees it once.
        sql = arms[0][1:-1] if len(arms) == 1 else f"select * from ({' union '.join(arms)}) as a order by {order} limit {limit}"
        return Statement(sql, self._parameters)

    def _arms(self) -> list[str]:
        filters = self._filters
        if filters.sort == "name":
            where = self._conditions(self._links, self._seen())
            return [self._select(f"c.last_name is not null and {where}")]
        if filters.visible is not None:
            user, kinds = filters.visible
            return [self._along((kind, user), self._conditions(self._links, "")) for kind in kinds]
        if self._links:
            first, *others = self._links
            return [self._along(first, self._conditions(others, ""))]
        return [self._select(self._conditions((), ""))]

    def _along(self, link: tuple[str, str], where: str) -> str:
        """Along the links of one value, which lie in the order of when their contacts were made.

        A subquery with an order, and a look-up behind `offset 0`, are planned as they are written: else a planner that knows no numbers yet
        walks along all contacts.
        """
        kind, value = self._parameter(link[0], "text"), self._parameter(link[1], "text")
        there = f"k.workspace = {self._workspace} and k.object_type = 'contacts' and k.kind = {kind} and k.value = {value}"
        place = self._beyond("k.created_at", "k.object_id")
        order = self._order("k.created_at", "k.object_id")
        return (
            "select l.created_at, '' as last, '' as given, l.object_id as contact_id"
            f" from (select k.created_at, k.object_id from links k where {there}{place} order by {order}) as l"
            f" cross join lateral (select from contacts c where c.contact_id = l.object_id and {where} offset 0) as found"
            f" order by {self._order('l.created_at', 'l.object_id')}"
        )

    def _select(self, where: str) -> str:
        by_name = self._filters.sort == "name"
        last, given = "lower(c.last_name)", "lower(coalesce(c.given_name, ''))"
        names = f"{last} as last, {given} as given" if by_name else "'' as last, '' as given"
        columns = (last, given, "c.contact_id") if by_name else ("c.created_at", "c.contact_id")
        return (
            f"select c.created_at, {names}, c.contact_id from contacts c"
            f" where {where}{self._beyond(*columns)} order by {self._order(*columns)}"
        )

    def _order(self, *columns: str) -> str:
        return ", ".join(f"{each} {self._direction}" for each in columns)

    def _beyond(self, *columns: str) -> str:
        place, sign = self._after, "<" if self._filters.descending else ">"
        if place is None:
            return ""
        values = [self._parameter(place.contact_id, "uuid")]
        if self._filters.sort == "name":
            values = [self._parameter(place.last_name, "text"), self._parameter(place.given_name, "text"), *values]
        else:
            values = [self._parameter(place.at, "timestamptz"), *values]
        return f" and ({', '.join(columns)}) {sign} ({', '.join(values)})"

    def _conditions(self, links: Sequence[tuple[str, str]], seen: str) -> str:
        filters = self._filters
        found = f"c.workspace = {self._workspace} and c.merged_into is null and c.erased_at is null" + ARCHIVED[filters.archived] + seen
        if isinstance(self._type, str):
            told = self._parameter(self._type, "text")
            # A partial index holds all but ghosts: said in its own words, since a parameter does not show that it applies.
            found += f" and c.type = {told}" + ("" if self._type == "ghost" else " and c.type <> 'ghost'")
        if self._organization is not None:
            found += f" and c.organization_id = {self._parameter(self._organization, 'uuid')}"
        if filters.segment_id is not None:
            found += (
                f" and exists (select from memberships m where m.segment_id = {self._parameter(filters.segment_id, 'uuid')}"
                f" and m.contact_id = c.contact_id and m.workspace = {self._workspace} and m.is_member)"
            )
        for kind, value in links:
            found += " and " + self._linked("= " + self._parameter(kind, "text"), self._parameter(value, "text"))
        if self._rest is not None:
            compiled = compile_query(self._rest, len(self._parameters) + 1)
            self._parameters += compiled.parameters
            found += f" and {compiled.sql}"
        return found

    def _seen(self) -> str:
        if self._filters.visible is None:
            return ""
        user, kinds = self._filters.visible
        return " and " + self._linked(f"= any({self._parameter(list(kinds), 'text[]')})", self._parameter(user, "text"))

    def _linked(self, kind: str, value: str) -> str:
        return (
            f"exists (select from links k where k.workspace = {self._workspace} and k.object_type = 'contacts' and k.kind {kind}"
            f" and k.value = {value} and k.created_at = c.created_at and k.object_id = c.contact_id)"
        )

    def _parameter(self, value: object, kind: str) -> str:
        self._parameters.append(value)
        return f"${len(self._parameters)}::{kind}"


def _by_index(filters: Filters) -> tuple[list[tuple[str, str]], str | Literal[False] | None, UUID | None, Query | None]:
    """What an index can answer, of the filters and of a query's own clauses: links, type, organization; and the rest of the query."""
    links = list(filters.links)
    types = {filters.type} if filters.type is not None else set()
    parts = filters.query.parts if isinstance(filters.query, And) else (filters.query,) if filters.query is not None else ()
    rest: list[Query] = []
    for part in parts:
        match part:
            case Clause(target=HeldValue() as target, operator="equals", value=str() as value) if target.kind in KINDS:
                links.append((target.kind, value))
            case Clause(target=Field(name="type"), operator="equals", value=str() as value):
                types.add(value)
            case _:
                rest.append(part)
    links.sort(key=lambda each: KINDS.index(each[0]))
    remaining = None if not rest else rest[0] if len(rest) == 1 else And(tuple(rest))
    kind: str | Literal[False] | None = next(iter(types), None) if len(types) < 2 else False  # noqa: PLR2004 -- no contact has two types
    return links, kind, filters.organization_id, remaining
