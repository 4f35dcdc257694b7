"""Hold Redis against Postgres, tenure by tenure, while both are in use.

What is found amiss is looked at again two seconds later, so that what was on its way is not reported. Who tells the index does so after
the commit: an entry may be older than the rows without harm, but one read *before* the rows and not borne out by them is false.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from onefold.errors import TemporaryError
from onefold.identity.separation import bucket
from onefold.index.life import Life
from onefold.ops.index.differences import FALSE, Kind, compare
from onefold.records.open_tenures import by_id, roots
from onefold.records.progress import separations_since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.contact import Tenure
    from onefold.index.entries import Entry
    from onefold.index.upkeep import IndexUpkeep
    from onefold.records.open_tenures import Chunk
    from onefold.records.store import Store


class BegunAnew(TemporaryError):
    """The index began another incarnation while it was looked at: what was found says nothing any more."""

    code = "begun_anew"


class Finding:
    """A tenure whose entry is amiss, as it was when last looked at."""

    __slots__ = ("entry", "key", "kind", "tenure", "xmin")

    def __init__(self, kind: Kind, tenure: Tenure, key: bytes, entry: Entry | None, xmin: int) -> None:
        self.kind, self.tenure, self.key, self.entry, self.xmin = kind, tenure, key, entry, xmin


class Comparing:
    """Compares under one incarnation. Raises BegunAnew when it is over, IndexUnavailable, StoreUnavailable."""

    def __init__(self, store: Store, index: IndexUpkeep, secret: bytes, incarnation: str) -> None:
        self.store, self.index, self.life = store, index, Life(secret, incarnation)

    async def look(self, chunk: Chunk) -> list[Finding]:
        """What is amiss with the entries of these tenures, at first sight: some of it may be on its way."""
        values = await self.index.read(self._keys(chunk))
        return await self._judge(chunk, values)

    async def look_again(self, suspects: Sequence[Finding]) -> list[Finding]:
        """What is still amiss, read anew on both sides: the index before Postgres and after it."""
        before = dict(zip((each.key for each in suspects), await self.index.read([each.key for each in suspects]), strict=True))
        async with self.store.transaction({each.tenure.workspace for each in suspects}) as connection:
            found = await by_id(connection, [each.tenure.tenure_id for each in suspects])
        chunk = found._replace(tenures=[tenure for tenure in found.tenures if tenure.is_open])
        keys = self._keys(chunk)
        false = [each for each in await self._judge(chunk, [before.get(key) for key in keys]) if each.kind in FALSE]
        others = [each for each in await self._judge(chunk, await self.index.read(keys)) if each.kind not in FALSE]
        known_false = {each.key for each in false}
        return [*false, *(each for each in others if each.key not in known_false)]

    async def learn(self) -> None:
        """Learn the separations that came since the last look."""
        since = self.life.since_xmin
        async with self.store.connection() as connection:
            xmin, separations = await separations_since(connection, since)
        self.life.learn(separations, since, xmin)

    def trusts(self, tenure: Tenure, entry: Entry) -> bool:
        """Whether no separation speaks against an entry of this tenure's identifier."""
        return self.life.allows(bucket(tenure.workspace, tenure.key), entry.xmin)

    def value(self, finding: Finding) -> bytes | None:
        """What belongs in the place of what is amiss, of the snapshot that the tenure was read in."""
        return self.life.value(finding.key, finding.tenure, finding.xmin)

    def check(self, incarnation: str) -> None:
        """Raise BegunAnew if this is not ours."""
        if incarnation != self.life.incarnation:
            raise BegunAnew("the index began another incarnation meanwhile (a rebuild, a replay, a failover): look again")

    def _keys(self, chunk: Chunk) -> list[bytes]:
        self.check(chunk.incarnation)
        return [self.life.key(tenure.workspace, tenure.key) for tenure in chunk.tenures]

    async def _judge(self, chunk: Chunk, values: Sequence[bytes | None]) -> list[Finding]:
        """Hold these values, in the order of the tenures, against what belongs there."""
        await self.learn()
        amiss: list[Finding] = []
        sound: list[tuple[Finding, Entry]] = []
        for tenure, key, value in zip(chunk.tenures, self._keys(chunk), values, strict=True):
            known = self._known(key, tenure, chunk.xmin)
            if known is None:
                continue
            entry = self.life.decode(key, value)
            if entry is None:
                amiss.append(Finding(Kind.MISSING if value is None else Kind.DAMAGED, tenure, key, None, chunk.xmin))
            elif not self.trusts(tenure, entry):
                amiss.append(Finding(Kind.DOUBTED, tenure, key, entry, chunk.xmin))
            elif entry._replace(xmin=known.xmin) != known:
                sound.append((Finding(Kind.STALE, tenure, key, entry, chunk.xmin), known))
        return [*amiss, *await self._told_apart(sound)]

    async def _told_apart(self, sound: Sequence[tuple[Finding, Entry]]) -> list[Finding]:
        """Which of these readable entries are old, and which are false."""
        ids = {UUID(bytes=each.contact_id) for finding, known in sound for each in (finding.entry, known) if each is not None}
        workspaces = {finding.tenure.workspace for finding, _ in sound}
        leads = {}
        if sound:
            async with self.store.transaction(workspaces) as connection:
                leads = await roots(connection, workspaces, ids)
        for finding, known in sound:
            if finding.entry is not None:
                finding.kind = compare(finding.entry, known, finding.tenure.workspace, leads) or Kind.STALE
        return [finding for finding, _ in sound]

    def _known(self, key: bytes, tenure: Tenure, xmin: int) -> Entry | None:
        """The entry that belongs there, as precise as entries are; None where it does not fit."""
        value = self.life.value(key, tenure, xmin)
        return None if value is None else self.life.decode(key, value)
