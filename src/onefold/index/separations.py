"""The last separation of each bucket, by transaction id: what index entries are held against (architecture, section 3). Pure."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from onefold.identity.separation import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable


class Separations:
    """Eight megabytes: the greatest transaction id that separated anything, by bucket."""

    def __init__(self) -> None:
        self._last = array("Q", bytes(8 * BUCKETS))

    def learn(self, rows: Iterable[tuple[int, int]]) -> bool:
        """Take in separations, (transaction id, bucket), in any order and any number of times; gives whether any was news."""
        last, is_news = self._last, False
        for xid, bucket in rows:
            if xid > last[bucket]:
                last[bucket], is_news = xid, True
        return is_news

    def allows(self, bucket: int, xmin: int) -> bool:
        """Whether an entry whose writer read at `xmin` can be trusted: no separation of its bucket is as young as that.

        A transaction that was running when the entry's writer read counts as later, at or above xmin: conservative, never wrong.
        """
        return self._last[bucket] < xmin
