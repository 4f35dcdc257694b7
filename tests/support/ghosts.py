"""Many ghosts at once, as resolvers would have left them: visitors of one token each, seen once, long ago."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from onefold.identity.contact import Summary
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.rules import Rules
from onefold.records.rows import summary_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.records.store import Connection

OLD = datetime(2026, 1, 1, tzinfo=UTC)
GHOSTS = """
with g as (
  insert into contacts (workspace, contact_id, version, type, root, summary, identifiers_total, first_seen_at, last_seen_at, created_at,
    updated_at)
  select 'acme', id, 1, 'ghost', id, $3::jsonb, 1, $2::timestamptz, $2::timestamptz, $2::timestamptz + n * interval '1 microsecond',
    $2::timestamptz
  from unnest($1::uuid[]) with ordinality as g (id, n)
)
insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, slug, assurance,
  is_validated, source, outreach, first_seen_at, last_seen_at, held_from, held_from_event, joins_in_hour, joins_in_day)
select $6 + n, 'acme', key, id, 'anonymous_token', value, value, 'main', 0, false, 'event', false, $2::timestamptz, $2::timestamptz,
  $2::timestamptz, 'first', 0, 0
from unnest($1::uuid[], $4::bytea[], $5::text[]) with ordinality as t (id, key, value, n)
"""
_TENURES = 300_000_000_000
"""Numbers that no worker draws."""


async def insert_ghosts(connection: Connection, first: int, tokens: Sequence[str]) -> None:
    """A ghost of workspace acme for each token; `first` is the number of the first of them, among all."""
    ids = [UUID(int=(number * 2_654_435_761) % 2**32 << 64 | number + 1) for number in range(first, first + len(tokens))]
    keys = [resolve_identifiers([("anonymous_token", each, None)], Rules())[0][0].key for each in tokens]
    summary = summary_text(Summary({"anonymous_token": 1}, by_assurance=[1, 0, 0, 0]))
    await connection.execute(GHOSTS, ids, OLD, summary, keys, list(tokens), _TENURES + first)
