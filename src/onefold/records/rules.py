"""The rules of resolution, by workspace, as workers keep them: read once, and again when the fence says that they changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onefold.identity.rules_document import rules_of
from onefold.records.rules_versions import stored_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from onefold.identity.rules import Rules
    from onefold.records.rows import Row
    from onefold.records.store import Store

MOST_WORKSPACES = 50_000
"""Names that are kept, those of workspaces that do not exist included: anybody may send them."""

KNOWN = """
select w.workspace, w.rules, w.rules_version, array(
  select q.identifier_key from quarantine q where q.workspace = w.workspace and q.released_at is null
) as quarantined from workspaces w where w.workspace = any($1::text[])
"""


class RulesCache:
    """Rules of every workspace that interactions named so far. A workspace that does not exist has none."""

    def __init__(self, store: Store, recency: timedelta) -> None:
        self._store = store
        self._recency = recency
        self._rules: dict[str, Rules | None] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Of everybody's rules together, as the last fence saw it; 0 before the first."""
        return self._version

    def learn_version(self, version: int) -> None:
        """Forget everything if the version moved on."""
        if version != self._version:
            self._rules.clear()
            self._version = version

    async def of(self, workspaces: Iterable[str]) -> Mapping[str, Rules | None]:
        """The rules of these workspaces; None for one that does not exist.

        Raises RulesUnreadable where a newer build stored what this one does not know.
        """
        wanted = set(workspaces)
        if len(self._rules) > MOST_WORKSPACES:
            self._rules.clear()
        unknown = wanted - self._rules.keys()
        found = {workspace: self._rules[workspace] for workspace in wanted - unknown}
        if unknown:
            version = self._version
            async with self._store.transaction(unknown) as connection:
                known = {row["workspace"]: self._read(row) for row in await connection.fetch(KNOWN, sorted(unknown))}
            read = {workspace: known.get(workspace) for workspace in unknown}
            if version == self._version:  # else they may be older than what was forgotten meanwhile
                self._rules.update(read)
            found.update(read)
        return found

    def _read(self, row: Row) -> Rules:
        workspace, version = row["workspace"], row["rules_version"]
        rules = rules_of(stored_document(workspace, version, row["rules"]), recency=self._recency, version=version)
        return replace(rules, quarantined=frozenset(row["quarantined"])) if row["quarantined"] else rules
