"""A limit per write key within one process: a bucket of tokens, off unless asked for. Several collectors each have their own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from onefold.http.collector.answers import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID


class Rates:
    """One bucket per key; keys were verified before, so there are only as many as the store has."""

    def __init__(self, per_second: float | None, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._now = now
        self._buckets: dict[UUID, tuple[float, float]] = {}

    def take(self, key_id: UUID) -> None:
        """Count one request. Raises TooManyRequests, which says when there will be room."""
        if self._per_second is None:
            return
        now = self._now()
        tokens, filled_at = self._buckets.get(key_id, (self._burst, now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._per_second)
        if tokens < 1.0:
            self._buckets[key_id] = (tokens, now)
            raise TooManyRequests(
                "This write key sends more requests than its limit.", retry_after_seconds=(1.0 - tokens) / self._per_second
            )
        self._buckets[key_id] = (tokens - 1.0, now)
