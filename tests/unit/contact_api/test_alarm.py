"""The alarm of the breaker counts everything and says it once a minute."""

from __future__ import annotations

import structlog

from onefold.http.contact_api.alarm import Alarm
from onefold.observe import ContactApiMetrics, Metrics


def test_a_thousand_requests_are_counted_and_one_warning_a_minute_is_written() -> None:
    metrics, times = Metrics(), iter((0.0, 1.0, 59.0, 60.0, 61.0, 61.0, 61.0))
    with structlog.testing.capture_logs() as said:
        alarm = Alarm(structlog.get_logger(), ContactApiMetrics(metrics), lambda: next(times))
        for _ in range(5):
            alarm.slowed("acme", "phone")
        alarm.slowed("acme", "email")
        alarm.slowed("other", "phone")
    assert [(each["workspace"], each["semantic_type"]) for each in said] == [
        ("acme", "phone"), ("acme", "phone"), ("acme", "email"), ("other", "phone"),
    ]  # fmt: skip
    labels = {"workspace": "acme", "semantic_type": "phone"}
    assert metrics.registry.get_sample_value("onefold_contact_api_slowed_validations_total", labels) == 5
