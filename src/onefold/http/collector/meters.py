"""What the collector counts and logs about its requests. Never an event's content, a key or an address (S95 to S97)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onefold.errors import ConfigurationError, LogUnavailable, StoreUnavailable
from onefold.observe import where

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Counter

    from onefold.errors import OnefoldError
    from onefold.observe import CollectorMetrics, Log

TYPES: Final = frozenset({"identify", "track", "page", "screen", "group", "alias", "merge", "message", "form"})
"""Types that are counted by name; callers may invent others, which must not make a metric each."""


class Meters:
    """Counts requests and events. Children are kept, since looking one up costs more than counting."""

    def __init__(self, metrics: CollectorMetrics, log: Log) -> None:
        self._metrics = metrics
        self._log = log
        self._accepted = {type_: metrics.accepted.labels(type_) for type_ in (*TYPES, "other")}
        self._requests: dict[int, Counter] = {}

    def accepted(self, types: Iterable[str]) -> None:
        """Events of these types were acknowledged."""
        for type_ in types:
            self._accepted[type_ if type_ in TYPES else "other"].inc()

    def refused(self, code: str) -> None:
        """One event was refused, for one of the reasons in `refusals`."""
        self._metrics.refused.labels(code).inc()

    def shown(self, result: str) -> None:
        """One call brought an identity token: `asserted`, or the code that says why it did nothing for it."""
        self._metrics.tokens.labels(result).inc()

    def answered(self, status: int) -> None:
        """One request was answered."""
        child = self._requests.get(status)
        if child is None:
            child = self._requests[status] = self._metrics.requests.labels(str(status))
        child.inc()

    def turned_away(self, error: OnefoldError, status: int, request_id: str) -> None:
        """One request was refused as a whole."""
        say = self._log.warning if status >= 500 else self._log.debug  # noqa: PLR2004 - ours, not the caller's
        reason = {"reason": str(error)} if isinstance(error, (LogUnavailable, StoreUnavailable, ConfigurationError)) else {}
        say("request_refused", code=error.code, status=status, request_id=request_id, **reason)

    def failed(self, error: Exception, request_id: str) -> None:
        """Something that nobody foresaw. The traceback holds code and types, not values: S96."""
        self._log.error("request_failed", error=type(error).__name__, request_id=request_id, where=where(error))

    def produced(self, seconds: float) -> None:
        """The broker acknowledged all events of a request."""
        self._metrics.produce_seconds.observe(seconds)
