"""The rules of resolution, by workspace, as workers keep them: read once, and again when the fence says that they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from onefold.records.store import Store

MOST_WORKSPACES = 50_000
"""Names that are kept, those of workspaces that do not exist included: anybody may send them."""

KNOWN = "select workspace from workspaces where workspace = any($1::text[])"


class RulesCache:
    """Rules of every workspace that interactions named so far. A workspace that does not exist has none."""

    def __init__(self, store: Store, recency: timedelta) -> None:
        self._store = store
        self._recency = recency
        self._rules: dict[str, Rules | None] = {}
        self._version = 0

    def learn_version(self, version: int) -> bool:
        """Forget everything if the version moved on; gives whether it did."""
        moved = bool(self._version) and version != self._version
        if moved:
            self._rules.clear()
        self._version = version
        return moved

    async def of(self, workspaces: Iterable[str]) -> Mapping[str, Rules | None]:
        """The rules of these workspaces; None for one that does not exist."""
        if len(self._rules) > MOST_WORKSPACES:
            self._rules.clear()
        unknown = {workspace for workspace in workspaces if workspace not in self._rules}
        if unknown:
            named = {workspace for workspace in unknown if "," not in workspace}
            async with self._store.transaction(named) as connection:
                found = {row["workspace"] for row in await connection.fetch(KNOWN, sorted(named))}
            for workspace in unknown:
                self._rules[workspace] = Rules(recency=self._recency) if workspace in found else None
        return self._rules
