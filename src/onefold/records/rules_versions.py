"""The rules of a workspace in Postgres: those in force, and every change that led to them. Called by `onefold.workspace.rules`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec

from onefold.errors import InvalidRules, RulesUnreadable, WorkspaceNotFound
from onefold.identity.rules_document import rules_of
from onefold.identity.rules_reading import read
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from onefold.identity.rules import Rules
    from onefold.identity.rules_document import Document
    from onefold.records.rows import Row
    from onefold.records.store import Connection

COLUMNS = "workspace, version, before, after, actor, reason, at"
IN_FORCE = """
select w.workspace, w.rules, w.rules_version, array(
  select q.identifier_key from quarantine q where q.workspace = w.workspace and q.released_at is null
) as quarantined from workspaces w where w.workspace = any($1::text[])
"""
PRESENT = "select rules, rules_version from workspaces where workspace = $1"
# Whoever comes second waits for the first, then finds another version than the one that was read.
REPLACE = """
update workspaces set rules = $3, rules_version = rules_version + 1 where workspace = $1 and rules_version = $2 returning rules_version
"""
INSERT = f"""
insert into rules_versions (workspace, version, before, after, actor, reason) values ($1, $2, $3, $4, $5, $6) returning {COLUMNS}
"""
HISTORY = f"select {COLUMNS} from rules_versions where workspace = $1 and version < $2 order by version desc limit $3"
# Each document was before the one that followed it; the last is in force. Of each the catalog alone: lists of blocked values may be long.
CATALOGS = """
select workspace, before -> 'catalog' as catalog from rules_versions where workspace = any($1::text[])
union select workspace, rules -> 'catalog' from workspaces where workspace = any($1::text[])
"""
MOST_COUNTED = 1_000
USES = """
select count(*) from (
  select from identifiers where workspace = $1 and semantic_type = $2 and held_until is null and ($3::text is null or slug = $3) limit $4
) as held
"""
HOLDING_SEVERAL = """
select count(*) from (
  select from identifiers where workspace = $1 and semantic_type = $2 and held_until is null
  group by contact_id having count(*) > 1 limit $3
) as holders
"""
NEWEST = 1 << 62
"""Above every version."""


@dataclass(frozen=True, slots=True)
class RulesVersion:
    """One change of a workspace's rules. The documents are as they were stored, also where this build would not take them any more."""

    workspace: str
    version: int
    before: dict[str, Any]
    after: dict[str, Any]
    actor: str
    reason: str | None
    at: datetime


def stored_document(workspace: str, version: int, text: str) -> Document:
    """A stored document. Raises RulesUnreadable where this build does not know what it says."""
    try:
        return read(text)
    except InvalidRules as error:
        raise RulesUnreadable(
            f"version {version} of the rules of workspace {workspace} says what this build does not know, so it decides nothing there."
            f" Upgrade it to the build that stored them (`onefold rules history` says when).\n{error}"
        ) from None


async def present_rules(connection: Connection, workspace: str) -> tuple[str, int]:
    """The stored document in force, as JSON, and its version. Raises WorkspaceNotFound."""
    row = await connection.fetchrow(PRESENT, workspace)
    if row is None:
        raise WorkspaceNotFound(f"no workspace is called {workspace!r}; `onefold setup` makes one")
    return row["rules"], row["rules_version"]


async def rules_in_force(connection: Connection, workspaces: Iterable[str], *, recency: timedelta) -> dict[str, Rules]:
    """The rules of these workspaces, with what is in quarantine, by name; one that does not exist has none. Raises RulesUnreadable."""
    found = {}
    for row in await connection.fetch(IN_FORCE, sorted(workspaces)):
        workspace, version = row["workspace"], row["rules_version"]
        rules = rules_of(stored_document(workspace, version, row["rules"]), recency=recency, version=version)
        found[workspace] = replace(rules, quarantined=frozenset(row["quarantined"])) if row["quarantined"] else rules
    return found


async def replace_rules(
    connection: Connection, workspace: str, version: int, before: dict[str, Any], after: dict[str, Any], *, actor: str, reason: str | None
) -> RulesVersion | None:
    """Put a document in force in place of this version; None where that is not in force any more. Workers learn of it by the fence."""
    new = await connection.fetchval(REPLACE, workspace, version, to_json(after))
    if new is None:
        return None
    return _version((await connection.fetch(INSERT, workspace, new, to_json(before), to_json(after), actor, reason))[0])


async def list_versions(connection: Connection, workspace: str, limit: int, below: int = NEWEST) -> list[RulesVersion]:
    """The changes, newest first, of the versions below this one."""
    return [_version(row) for row in await connection.fetch(HISTORY, workspace, below, limit)]


async def catalogs_ever(connection: Connection, workspaces: Iterable[str]) -> dict[str, list[list[dict[str, Any]]]]:
    """What the documents that were ever in force in each of these workspaces said of types, each once, as it was stored."""
    found: dict[str, list[list[dict[str, Any]]]] = {}
    for row in await connection.fetch(CATALOGS, sorted(workspaces)):
        found.setdefault(row["workspace"], []).append(msgspec.json.decode(row["catalog"] or "[]"))
    return found


async def count_uses(connection: Connection, workspace: str, semantic_type: str, slug: str | None = None) -> int:
    """How many identifiers of this type, or with this label of it, contacts hold; counts up to 1,000. Looks at all, if there are none."""
    count: int = await connection.fetchval(USES, workspace, semantic_type, slug, MOST_COUNTED)
    return count


async def count_holding_several(connection: Connection, workspace: str, semantic_type: str) -> int:
    """How many contacts hold more than one identifier of this type; counts up to 1,000. Looks at all identifiers."""
    count: int = await connection.fetchval(HOLDING_SEVERAL, workspace, semantic_type, MOST_COUNTED)
    return count


def _version(row: Row) -> RulesVersion:
    return RulesVersion(**{**dict(row), "before": msgspec.json.decode(row["before"]), "after": msgspec.json.decode(row["after"])})
