"""Unlink the entries that incarnations which ended have left.

Their names tell nothing, being keyed hashes. Their values do: the MAC covers the incarnation, so an entry is removed only where it is
shown to be this installation's, of one of the incarnations named. Whatever else lies there is left alone (decision 0010).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.index.entries import EntryCodec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from onefold.index.upkeep import IndexUpkeep
    from onefold.ops.index.walk import Pace


async def sweep(index: IndexUpkeep, secret: bytes, ended: Iterable[str], pace: Pace) -> AsyncIterator[int]:
    """Remove every entry of these incarnations; gives how many were removed, chunk by chunk. Raises IndexUnavailable."""
    codecs = [EntryCodec(secret, incarnation) for incarnation in ended]
    async for page in index.scan():
        keys = list(page)
        for start in range(0, len(keys), pace.chunk):
            some = keys[start : start + pace.chunk]
            yield await index.remove([key for key in some if any(codec.decode(key, page[key]) is not None for codec in codecs)])
            await pace.took(len(some))
