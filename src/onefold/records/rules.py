"""The rules of resolution, by workspace, as workers keep them: read once, and again when the fence says that they changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.records.rules_versions import rules_in_force

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

    from onefold.identity.rules import Rules
    from onefold.records.store import Store

MOST_WORKSPACES = 50_000
"""Names that are kept, those of workspaces that do not exist included: anybody may send them."""


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
                known = await rules_in_force(connection, unknown, recency=self._recency)
            read = {workspace: known.get(workspace) for workspace in unknown}
            if version == self._version:  # else they may be older than what was forgotten meanwhile
                self._rules.update(read)
            found.update(read)
        return found
