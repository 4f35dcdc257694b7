"""The real SDK packages, two versions each, against the collector on a real broker: table C1 of interfaces.md, row by row."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from onefold.access.keys import new_text
from onefold.local.servers import LocalServers
from tests.e2e.collector.drive import MANY
from tests.e2e.collector.sdks import ALL, IN_BODY_ONLY, RUDDER, SEGMENT, Sdk, drive
from tests.support.collectors import running_collector

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Database, Services

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

by_sdk = pytest.mark.parametrize("sdk", ALL, ids=str)
CALLS = 6


def identified(message: Any) -> list[tuple[str, str]]:
    return [(each["semantic_type"], each["identifier"]) for each in message["identifiers"]]


@by_sdk
async def test_every_call_arrives_as_an_interaction(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """identify, track, page, screen, group, alias and batches, the SDK's code untouched.

    A version that sends its key in the body only works with a public one, whose aliases are refused inside a 200 (S53, S60).
    """
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        public = sdk == IN_BODY_ONLY
        key = collector.public_key if public else collector.secret_key
        report = await drive(sdk, "every_call", host=collector.host, key=key)
        written = {message["event_id"]: (record, message) for record, message in await collector.written()}
    assert report["errors"] == []
    track, identify, page, screen, group, alias, *many = report["result"]
    assert set(written) == {*report["result"]} - ({alias} if public else set())
    assert len(many) == MANY
    assert all(message["assurance"] == ("claimed" if public else "asserted") for _, message in written.values())
    assert written[track][0] == b"acme:visitor-1"
    assert (written[track][1]["name"], written[track][1]["properties"]) == ("Signed Up", {"plan": "pro"})
    told = written[identify][1]
    assert identified(told) == [("anonymous_token", "visitor-1"), ("user_id", "user-1"), ("email", "Ann@Example.com")]
    assert told["traits"] == {"given_name": "Ann", "last_name": "Lee", "seats": 3}
    assert (written[page][1]["name"], written[page][1]["properties"]) == ("Pricing", {"category": "Docs", "path": "/pricing"})
    assert (written[screen][1]["type"], written[screen][1]["name"]) == ("screen", "Home")
    assert (written[group][1]["group"], identified(written[group][1])) == ("acme-ltd", [("user_id", "user-1")])
    if not public:
        assert identified(written[alias][1]) == [("anonymous_token", "visitor-0"), ("user_id", "user-1")]
    assert all(message["occurred_at"] <= message["received_at"] for _, message in written.values())


@by_sdk
async def test_a_batch_arrives_in_its_order(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """I11: the events of one visitor lie on one partition, in the order in which they were called."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "every_call", host=collector.host, key=collector.public_key)
        written = await collector.written()
    steps = [message["event_id"] for key, message in written if key == b"acme:visitor-1" and (message["name"] or "").startswith("Step")]
    assert steps == report["result"][CALLS:]


@by_sdk
@pytest.mark.parametrize("compressed", [True, False])
async def test_compression_is_taken_and_so_is_none(
    sdk: Sdk, compressed: bool, database: Database, services: Services, topic_prefix: str
) -> None:
    """C1: rudder-sdk-python compresses by default, segment-analytics-python does not."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "one_track", host=collector.host, key=collector.public_key, options={"gzip": compressed})
        written = await collector.written()
    assert report["errors"] == []
    assert [message["event_id"] for _, message in written] == [report["result"]]


@by_sdk
async def test_a_bad_key_is_dropped_at_once(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """C1: 401 with a body that is well formed; a missing `code` would make old versions send for hours."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "one_track", host=collector.host, key=new_text("public"))
        requests = collector.role.metrics.registry.get_sample_value("onefold_collector_requests_total", {"status": "401"})
        assert await collector.written() == []
    [error] = report["errors"]
    assert (error["status"], error["code"], requests) == (401, "unknown_key", 1.0)


async def test_a_secret_key_in_a_body_alone_is_dropped_with_a_reason(database: Database, services: Services, topic_prefix: str) -> None:
    """S60: segment-analytics-python before 2.4 with a secret key."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(IN_BODY_ONLY, "one_track", host=collector.host, key=collector.secret_key)
        assert await collector.written() == []
    [error] = report["errors"]
    assert (error["status"], error["code"]) == (401, "secret_key_outside_header")


@by_sdk
async def test_what_is_too_large_is_dropped_at_once(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """C1: 413, also for the 4 MiB that RudderStack's SDKs send; one large event of a batch is left out alone."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        target = {"host": collector.host, "key": collector.public_key}
        huge = await drive(sdk, "posted", **target, padding=100_000, times=40)
        large = await drive(sdk, "posted", **target, padding=40_000)
        assert await collector.written() == []
        refused = collector.role.metrics.registry.get_sample_value("onefold_collector_events_refused_total", {"code": "event_too_large"})
    assert (huge["result"]["status"], huge["result"]["code"]) == (413, "body_too_large")
    assert (large["result"], refused) == (None, 1.0)


@pytest.mark.parametrize("sdk", RUDDER, ids=str)
async def test_the_limits_can_be_raised_for_rudderstack(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """C1, limits: both are configurable."""
    async with running_collector(database, services.kafka_servers, topic_prefix, body_bytes=5_000_000, event_bytes=200_000) as collector:
        report = await drive(sdk, "posted", host=collector.host, key=collector.public_key, padding=100_000, times=40)
        assert (report["result"], len(await collector.written())) == (None, 40)


@by_sdk
@pytest.mark.parametrize("batch", ["nonsense", None, {"a": 1}])
async def test_a_malformed_body_is_dropped_at_once(
    sdk: Sdk, batch: object, database: Database, services: Services, topic_prefix: str
) -> None:
    """C1: 400 with `code` and `message`, without which versions before 2.4 crash on the missing key and send again."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "posted", host=collector.host, key=collector.public_key, body={"batch": batch})
        assert await collector.written() == []
    assert (report["result"]["status"], report["result"]["code"]) == (400, "malformed_body")
    assert report["result"]["message"]


async def test_a_stopped_broker_is_503_and_its_return_loses_nothing(database: Database, topic_prefix: str, tmp_path: Path) -> None:
    """C1 and I1: no 200 while the broker is away; every SDK keeps its event and delivers it afterwards."""
    async with (
        LocalServers(tmp_path, postgres=False, redis=False) as mine,
        running_collector(database, mine.kafka_servers, topic_prefix, produce_seconds=2.0) as collector,
    ):
        target = {"host": collector.host, "key": collector.public_key}
        await asyncio.to_thread(mine.stop, "kafka")
        said = await asyncio.gather(*(drive(sdk, "posted", **target) for sdk in (SEGMENT[0], RUDDER[0])))
        assert [(each["result"]["status"], each["result"]["code"]) for each in said] == [(503, "log_unavailable")] * 2
        assert "kafka" in collector.health.reasons, "not ready"
        waiting = [asyncio.create_task(drive(sdk, "one_track", **target)) for sdk in ALL]
        await asyncio.sleep(5)
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(mine.start, "kafka")
        reports = await asyncio.gather(*waiting)
        written = {message["event_id"] for _, message in await collector.written()}
    assert [report["errors"] for report in reports] == [[]] * len(ALL)
    assert {report["result"] for report in reports} <= written
