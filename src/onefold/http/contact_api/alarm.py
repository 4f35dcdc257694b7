"""The alarm of the breaker: hardly anybody brings back what is sent, so somebody may be pumping texts or guessing codes (S14, S15)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from onefold.observe import ContactApiMetrics, Log

_QUIET_SECONDS: Final = 60.0
"""Between two warnings of one workspace and kind: whoever asks a thousand times must not fill the log."""


class Alarm:
    """Counts every request that the breaker slows, and warns once a minute."""

    def __init__(self, log: Log, metrics: ContactApiMetrics, now: Callable[[], float] = time.monotonic) -> None:
        self._log, self._metrics, self._now = log, metrics, now
        self._warned: dict[tuple[str, str], float] = {}

    def slowed(self, workspace: str, semantic_type: str) -> None:
        """Somebody asked for a code or link to an address of this kind, while so few come back that only so many may ask."""
        self._metrics.slowed(workspace, semantic_type)
        at, named = self._now(), (workspace, semantic_type)
        if at - self._warned.get(named, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._warned[named] = at
            self._log.warning("validations_are_slowed", workspace=workspace, semantic_type=semantic_type)
