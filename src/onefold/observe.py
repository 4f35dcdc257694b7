"""What a process says of itself: metrics and health. Its log is `onefold.logs`'.

Metrics are defined here, typed and commented, in a registry that is made once a process and passed on; `docs/reference/metrics.md`
comes from them.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from onefold.identity.plan import Plan

Log = structlog.typing.FilteringBoundLogger

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIZES = (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000)


class Defined(NamedTuple):
    """One metric, for the reference page."""

    name: str
    type: str
    labels: tuple[str, ...]
    text: str


@dataclass(slots=True)
class Metrics:
    """Every metric of one role. One registry a process."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    defined: list[Defined] = field(default_factory=list)

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A count that only grows."""
        self.defined.append(Defined(name, "counter", labels, text))
        return Counter(name, text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A value as it is now."""
        self.defined.append(Defined(name, "gauge", labels, text))
        return Gauge(name, text, labels, registry=self.registry)

    def histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        """How values are spread."""
        self.defined.append(Defined(name, "histogram", labels, text))
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)


STALE_SECONDS: Final = 30.0
"""After how long without a tick a role counts as hung."""


class Health:
    """What a role knows of its own state."""

    def __init__(self, role: str, registry: CollectorRegistry) -> None:
        self.role = role
        self.registry = registry
        self._ticked = time.monotonic()
        self._waiting: dict[str, str] = {"start": "starting"}

    def tick(self) -> None:
        """The role's loop went round."""
        self._ticked = time.monotonic()

    def ready(self, name: str) -> None:
        """One of the things that the role needs is there."""
        self._waiting.pop(name, None)

    def waiting(self, name: str, reason: str) -> None:
        """One of the things that the role needs is not there."""
        self._waiting[name] = reason

    async def tick_until(self, stopping: asyncio.Event) -> None:
        """Tick every second until told to stop: an event loop that is held up is seen."""
        while not stopping.is_set():
            self.tick()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)

    @property
    def is_live(self) -> bool:
        """Whether the loop ticked within the last half minute."""
        return time.monotonic() - self._ticked < STALE_SECONDS

    @property
    def reasons(self) -> dict[str, str]:
        """What keeps the role from being ready, by name."""
        return dict(self._waiting)


class ResolverMetrics:
    """What the resolver counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._paths = metrics.counter("onefold_resolver_interactions", "Interactions settled, by path (hot, warm, cold, dead).", "path")
        self._outcomes = metrics.counter("onefold_resolver_outcomes", "Decided interactions by outcome.", "outcome")
        self._batch = metrics.histogram("onefold_resolver_batch_interactions", "Interactions of one transaction.", _SIZES)
        self._races = metrics.counter("onefold_resolver_races", "Transactions repeated, by cause.", "cause")
        self._waits = metrics.counter("onefold_resolver_waits", "Pauses because a server was away, by error code.", "code")
        self._fenced = metrics.counter("onefold_resolver_fenced_batches", "Batches that found a newer owner of their partition.")
        self._merges = metrics.counter("onefold_resolver_merges", "Contacts absorbed.")
        self._dropped = metrics.counter("onefold_resolver_dropped_identifiers", "Identifiers that do not resolve, by reason.", "reason")
        self._parked = metrics.counter(
            "onefold_resolver_parked", "Interactions that a limit left something out of, by workspace and limit.", "workspace", "limit"
        )
        self._proposed = metrics.counter(
            "onefold_resolver_proposed", "Merges that wait for proof or for a person, by workspace and guard.", "workspace", "guard"
        )
        self._quarantined = metrics.counter(
            "onefold_resolver_quarantined", "Values that joined too many contacts, by workspace and type.", "workspace", "semantic_type"
        )
        self._dead = metrics.counter("onefold_resolver_dead_letters", "Records written to the dead letters, by code.", "code")
        self._lag = metrics.gauge("onefold_resolver_lag_records", "Records between progress and the end of the partition.", "partition")
        self._lag_s = metrics.gauge(
            "onefold_resolver_lag_seconds", "Age of the newest decided record while there are newer ones.", "partition"
        )
        self._blocked = metrics.gauge(
            "onefold_resolver_blocked_partition", "1 where a partition is stopped until a person decides.", "partition"
        )

    def ticked(self, partition: int, lag_records: int | None, lag_seconds: float) -> None:
        """A partition's loop went round."""
        if lag_records is not None:
            self._lag.labels(str(partition)).set(lag_records)
            self._lag_s.labels(str(partition)).set(lag_seconds)

    def blocked(self, partition: int) -> None:
        """A partition is stopped until a person decides."""
        self._blocked.labels(str(partition)).set(1)

    def left(self, partition: int) -> None:
        """A partition belongs to somebody else now."""
        for gauge in (self._lag, self._lag_s, self._blocked):
            with suppress(KeyError):
                gauge.remove(str(partition))

    def settled(self, interactions: int, hot: int, dead: list[str], plan: Plan) -> None:
        """A transaction was committed. `dead` holds the codes of its dead letters."""
        changed = {change.cause.position for change in plan.changes}
        cold = len(changed)
        self._batch.observe(interactions)
        self._paths.labels("hot").inc(hot)
        self._paths.labels("dead").inc(len(dead))
        self._paths.labels("cold").inc(cold)
        self._paths.labels("warm").inc(max(0, interactions - hot - len(dead) - cold))
        self._merges.inc(len(plan.merges))
        for code in dead:
            self._dead.labels(code).inc()
        for outcome in plan.outcomes:
            self._outcomes.labels(outcome.kind.value).inc()
            for dropped in outcome.interaction.dropped:
                self._dropped.labels(dropped.reason).inc()
        for parked in plan.parked:
            for limit in {each.limit for each in parked.excesses}:
                self._parked.labels(parked.interaction.workspace, limit.value).inc()
        for proposed in plan.proposed:
            self._proposed.labels(proposed.workspace, proposed.guard.value).inc()
        for each in plan.quarantined:
            self._quarantined.labels(each.tenure.workspace, each.tenure.semantic_type).inc()

    def raced(self, cause: str) -> None:
        """A transaction lost a race."""
        self._races.labels(cause).inc()

    def waited(self, code: str) -> None:
        """A server was away."""
        self._waits.labels(code).inc()

    def fenced(self) -> None:
        """A newer owner was found."""
        self._fenced.inc()


class IndexMetrics:
    """What the index counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._look_ups = metrics.counter("onefold_index_look_ups", "Identifiers looked up, by result (hit, miss, doubtful).", "result")
        self._failures = metrics.counter("onefold_index_failures", "Times that Redis could not be used, by error.", "error")

    def looked_up(self, hits: int, misses: int, doubtful: int) -> None:
        """A batch was looked up."""
        self._look_ups.labels("hit").inc(hits)
        self._look_ups.labels("miss").inc(misses)
        self._look_ups.labels("doubtful").inc(doubtful)

    def failed(self, error: str) -> None:
        """Redis could not be used."""
        self._failures.labels(error).inc()


class RelayMetrics:
    """What the relay counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.relayed = metrics.counter("onefold_relay_messages", "Messages moved from the outbox to Kafka, by topic.", "topic")
        self.batch_seconds = metrics.histogram("onefold_relay_batch_seconds", "One Kafka transaction, from read to delete.", _SECONDS)
        self.outbox_rows = metrics.gauge("onefold_outbox_rows", "Rows that wait in the outbox.")
        self.outbox_age = metrics.gauge("onefold_outbox_age_seconds", "Age of the oldest row in the outbox.")
        self.fenced = metrics.counter("onefold_relay_fenced_shards", "Shards that a newer relay took over.")
        self.failures = metrics.counter("onefold_relay_failures", "Batches begun anew, by error code.", "code")
        self.shards = metrics.gauge("onefold_relay_shards", "Shards that this relay owns.")


class SegmentsMetrics:
    """What the segments worker counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.changes = metrics.counter(
            "onefold_segments_changes", "Contact changes evaluated, by result (evaluated, stale, dead).", "result"
        )
        self.transitions = metrics.counter("onefold_segments_transitions", "Memberships that began or ended.", "transition")
        self.batch_seconds = metrics.histogram("onefold_segments_batch_seconds", "One batch of changes.", _SECONDS)
        self.waits = metrics.counter("onefold_segments_waits", "Pauses because a server was away, by error code.", "code")


class TimelineMetrics:
    """What the timeline counts."""

    def __init__(self, metrics: Metrics) -> None:
        self._lines = metrics.counter(
            "onefold_timeline_lines", "Lines settled, by result (added, moved, repeated, expired, dead).", "result"
        )
        self._lag = metrics.gauge("onefold_timeline_lag_records", "Records between progress and the end of the partition.", "partition")
        self._blocked = metrics.gauge(
            "onefold_timeline_blocked_partition", "1 where a partition is stopped until a person decides.", "partition"
        )
        self.waits = metrics.counter("onefold_timeline_waits", "Pauses because a server was away, by error code.", "code")

    def settled(self, stored: tuple[int, int, int], *, expired: int, dead: int) -> None:
        """A transaction was committed: `stored` counts added, moved and repeated ones; expired are those that retention has passed."""
        for result, count in zip(("added", "moved", "repeated", "expired", "dead"), (*stored, expired, dead), strict=True):
            self._lines.labels(result).inc(count)

    def ticked(self, partition: int, lag_records: int | None) -> None:
        """A partition's loop went round."""
        if lag_records is not None:
            self._lag.labels(str(partition)).set(lag_records)

    def blocked(self, partition: int) -> None:
        """A partition is stopped until a person decides."""
        self._blocked.labels(str(partition)).set(1)

    def left(self, partition: int) -> None:
        """A partition belongs to somebody else now."""
        for gauge in (self._lag, self._blocked):
            with suppress(KeyError):
                gauge.remove(str(partition))


class JobsMetrics:
    """What the worker of jobs counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.chunks = metrics.counter("onefold_jobs_chunks", "Chunks of workspaces' jobs that were committed, by kind.", "kind")
        self.ended = metrics.counter("onefold_jobs_ended", "Jobs of workspaces that are over, by kind and state.", "kind", "state")
        self.repeats = metrics.counter("onefold_jobs_repeats", "Chunks begun anew, by kind and error code.", "kind", "code")
        self.chunk_seconds = metrics.histogram("onefold_jobs_chunk_seconds", "One chunk, from begin to commit.", _SECONDS)
        self.open = metrics.gauge("onefold_jobs_open", "Jobs of workspaces that are not over.")
        self.open_age = metrics.gauge("onefold_jobs_open_age_seconds", "Age of the oldest job that is not over.")


class WebhooksMetrics:
    """What the webhooks' worker counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.due = metrics.counter("onefold_webhooks_due", "Deliveries that became due, by kind.", "kind")
        self.dead = metrics.counter("onefold_webhooks_dead", "Messages of topics that could not be read, by topic.", "topic")
        self.attempts = metrics.counter(
            "onefold_webhooks_attempts",
            "Messages sent, by result: delivered, refused (4xx), redirected, failed (5xx), gone, or why there was no answer.",
            "result",
        )
        self.attempt_seconds = metrics.histogram("onefold_webhooks_attempt_seconds", "From look-up of the address to answer.", _SECONDS)
        self.given_up = metrics.counter("onefold_webhooks_given_up", "Deliveries that failed for good.")
        self.disabled = metrics.counter("onefold_webhooks_disabled", "Webhooks disabled because nothing arrived for too long.")
        self.waiting = metrics.gauge("onefold_webhooks_waiting", "Deliveries of enabled webhooks that wait, counted up to 10,000.")
        self.waiting_age = metrics.gauge("onefold_webhooks_waiting_age_seconds", "Age of the oldest delivery that waits.")
        self.waits = metrics.counter("onefold_webhooks_waits", "Pauses because a server was away, by error code.", "code")


class OutreachMetrics:
    """What the outreach's worker counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.requested = metrics.counter(
            "onefold_outreach_requested", "Messages asked for: new, dropped (known, or of an erased person), or unreadable.", "result"
        )
        self.attempts = metrics.counter(
            "onefold_outreach_attempts",
            "Attempts by channel and fate: sent, again (not taken yet), failed (never), unclear (no answer), lapsed (too late).",
            "channel",
            "fate",
        )
        self.settled = metrics.counter(
            "onefold_outreach_settled",
            "Messages that have ended: sent, failed, expired, or unclear (handed over, no answer).",
            "channel",
            "state",
        )
        self.attempt_seconds = metrics.histogram("onefold_outreach_attempt_seconds", "From connecting to the answer.", _SECONDS)
        self.waiting = metrics.gauge("onefold_outreach_waiting", "Messages that wait to be sent.")
        self.waiting_age = metrics.gauge("onefold_outreach_waiting_age_seconds", "Age of the oldest message that waits.")
        self.waits = metrics.counter("onefold_outreach_waits", "Pauses because a server was away, by error code.", "code")


def where(error: Exception) -> list[str]:
    """Where an error came from: code and lines, never values (S96)."""
    trace, places = error.__traceback__, []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-8:]


class CollectorMetrics:
    """What the collector counts."""

    def __init__(self, metrics: Metrics) -> None:
        self.accepted = metrics.counter("onefold_collector_events_accepted", "Events acknowledged by the broker, by type.", "type")
        self.refused = metrics.counter("onefold_collector_events_refused", "Events refused inside a batch, by code.", "code")
        self.tokens = metrics.counter(
            "onefold_collector_identity_tokens", "Calls with an identity token, by what it did for them.", "result"
        )
        self.requests = metrics.counter("onefold_collector_requests", "Requests by status.", "status")
        self.produce_seconds = metrics.histogram("onefold_collector_produce_seconds", "From first send to last acknowledgement.", _SECONDS)


class _CallMetrics:
    """What an API counts."""

    name: str

    def __init__(self, metrics: Metrics) -> None:
        self._requests = metrics.counter(f"onefold_{self.name}_requests", "Calls by route and status.", "route", "status")
        self._seconds = metrics.histogram(f"onefold_{self.name}_seconds", "From a call's first byte read to its answer.", _SECONDS)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """One call was answered; `route`: its template, so that no id makes a series."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.observe(seconds)


class UserApiMetrics(_CallMetrics):
    """What the User API counts."""

    name = "user_api"


class ContactApiMetrics(_CallMetrics):
    """What the Contact API counts."""

    name = "contact_api"

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self._slowed = metrics.counter(
            "onefold_contact_api_slowed_validations",
            "Codes and links asked for while hardly any are brought back, by workspace and type: somebody may be pumping texts.",
            "workspace",
            "semantic_type",
        )

    def slowed(self, workspace: str, semantic_type: str) -> None:
        """The breaker slowed somebody who asked."""
        self._slowed.labels(workspace, semantic_type).inc()


METRICS_BY_ROLE: Final = {
    "collector": (CollectorMetrics,),
    "resolver": (ResolverMetrics, IndexMetrics),
    "relay": (RelayMetrics,),
    "segments-worker": (SegmentsMetrics,),
    "timeline": (TimelineMetrics,),
    "jobs-worker": (JobsMetrics,),
    "webhooks-worker": (WebhooksMetrics,),
    "outreach-worker": (OutreachMetrics,),
    "user-api": (UserApiMetrics,),
    "contact-api": (ContactApiMetrics,),
}
"""Which role serves which metrics."""
