"""A limit per name (a write key, an address block) within one process: buckets of tokens. Several processes each have their own."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_MOST: Final = 50_000
"""Buckets; beyond, the one that was asked longest ago goes, which by then is full again as a rule."""


class Rates:
    """One bucket per name. `per_second` None is no limit."""

    def __init__(self, per_second: float | None, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._now = now
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, name: Hashable) -> float | None:
        """Count one request; None where there is room, else in how many seconds there will be."""
        if self._per_second is None:
            return None
        now = self._now()
        tokens, filled_at = self._buckets.pop(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - filled_at) * self._per_second)
        wait = None if tokens >= 1.0 else (1.0 - tokens) / self._per_second
        self._buckets[name] = (tokens - 1.0 if wait is None else tokens, now)
        if len(self._buckets) > _MOST:
            self._buckets.popitem(last=False)
        return wait
