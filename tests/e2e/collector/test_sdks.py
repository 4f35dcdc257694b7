"""The real SDK packages, two versions each, against the collector on a real broker: table C1 of interfaces.md, row by row."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from onefold.access.keys import create_key, new_text
from onefold.local.servers import LocalServers
from tests.e2e.collector.drive import MANY
from tests.e2e.collector.proxies import adding
from tests.e2e.collector.sdks import ALL, IN_BODY_ONLY, NODE, PYTHON, RUDDER, SEGMENT, Sdk, drive
from tests.support.collectors import WORKSPACE, running_collector

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.collectors import RunningCollector
    from tests.support.servers import Database, Services

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

by_sdk = pytest.mark.parametrize("sdk", ALL, ids=str)
by_python_sdk = pytest.mark.parametrize("sdk", PYTHON, ids=str)
CALLS = 6
NODE_BEFORE = NODE[1]
"""Sends whatever is not 400 again, as often as it is told, and then drops it."""
OBEYING = (SEGMENT[0], NODE[0])
"""Wait as long as a 429 says. The others wait as long as they like."""


def tries(collector: RunningCollector, status: int) -> float:
    """How often the collector answered so."""
    return collector.role.metrics.registry.get_sample_value("onefold_collector_requests_total", {"status": str(status)}) or 0.0


async def every(scenario: str, **task: Any) -> dict[Sdk, dict[str, Any]]:
    """Each SDK's report, all of them at once."""
    return dict(zip(ALL, await asyncio.gather(*(drive(sdk, scenario, **task) for sdk in ALL)), strict=True))


def said(reports: dict[Sdk, dict[str, Any]]) -> dict[Sdk, list[tuple[int, str | None]]]:
    """What each SDK told its user: status and code; Node's SDK tells the status alone, so its code counts as that of the others."""
    codes = {error["status"]: error["code"] for report in reports.values() for error in report["errors"] if "code" in error}
    return {
        sdk: [(error["status"], error.get("code", codes[error["status"]])) for error in report["errors"]] for sdk, report in reports.items()
    }


def identified(message: Any) -> list[tuple[str, str]]:
    return [(each["semantic_type"], each["identifier"]) for each in message["identifiers"]]


@by_sdk
async def test_every_call_arrives_as_an_interaction(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """identify, track, page, screen, group, alias and batches, the SDK's code untouched.

    A version that sends its key in the body only works with a public one, whose aliases are refused inside a 200 (S53, S60).
    """
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        public = sdk in IN_BODY_ONLY
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


@by_python_sdk
async def test_a_batch_arrives_in_its_order(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """I11: the events of one visitor lie on one partition, in the order in which they were called."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "every_call", host=collector.host, key=collector.public_key)
        written = await collector.written()
    steps = [message["event_id"] for key, message in written if key == b"acme:visitor-1" and (message["name"] or "").startswith("Step")]
    assert steps == report["result"][CALLS:]


@by_python_sdk
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
async def test_a_bad_key_is_dropped(sdk: Sdk, database: Database, services: Services, topic_prefix: str) -> None:
    """C1: 401 with a body that is well formed; a missing `code` would make old versions send for hours."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "one_track", host=collector.host, key=new_text("public"), retries=2)
        assert await collector.written() == []
    [error] = report["errors"]
    assert (error["status"], error.get("code", "unknown_key")) == (401, "unknown_key")
    assert tries(collector, 401) == (3 if sdk == NODE_BEFORE else 1)


@pytest.mark.parametrize("sdk", sorted(IN_BODY_ONLY, key=str), ids=str)
async def test_a_secret_key_in_a_body_alone_is_dropped_with_a_reason(
    sdk: Sdk, database: Database, services: Services, topic_prefix: str
) -> None:
    """S60: versions without an Authorization header, with a secret key."""
    async with running_collector(database, services.kafka_servers, topic_prefix) as collector:
        report = await drive(sdk, "one_track", host=collector.host, key=collector.secret_key, retries=1)
        assert await collector.written() == []
    [error] = report["errors"]
    assert (error["status"], error.get("code", "secret_key_outside_header")) == (401, "secret_key_outside_header")


async def test_a_request_that_is_too_large_is_dropped_and_the_next_is_taken(
    database: Database, services: Services, topic_prefix: str
) -> None:
    """C1: 413; every SDK at once, each with two requests."""
    async with running_collector(database, services.kafka_servers, topic_prefix, body_bytes=10_000) as collector:
        target = {"host": collector.host, "key": collector.public_key}
        large = await every("one_track", **target, padding=20_000, retries=2)
        small = await every("one_track", **target)
        written = {message["event_id"] for _, message in await collector.written()}
    assert said(large) == {sdk: [(413, "body_too_large")] for sdk in ALL}
    assert tries(collector, 413) == len(ALL) - 1 + 3  # NODE_BEFORE sends it twice again
    assert said(small) == {sdk: [] for sdk in ALL}
    assert written == {report["result"] for report in small.values()}


@by_python_sdk
async def test_a_body_of_megabytes_and_a_large_event_are_told_apart(
    sdk: Sdk, database: Database, services: Services, topic_prefix: str
) -> None:
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


async def test_a_refused_event_costs_itself_and_under_strictness_its_batch(
    database: Database, services: Services, topic_prefix: str
) -> None:
    """C1: inside a 200, or 400 with `code` and `message` behind a proxy that asks for strictness; every SDK drops it at once."""
    async with (
        running_collector(database, services.kafka_servers, topic_prefix) as collector,
        adding(b"X-Strict-Mode: 1", collector.port) as strict,
    ):
        gentle = await every("one_track", host=collector.host, key=collector.public_key, message_id="m" * 300)
        harsh = await every("one_track", host=strict, key=collector.public_key, message_id="m" * 300)
        good = await every("one_track", host=strict, key=collector.public_key)
        written = {message["event_id"] for _, message in await collector.written()}
    assert said(harsh) == {sdk: [(400, "events_refused")] for sdk in ALL}
    assert (tries(collector, 400), tries(collector, 200)) == (len(ALL), 2 * len(ALL))
    assert said(gentle) == said(good) == {sdk: [] for sdk in ALL}
    assert written == {report["result"] for report in good.values()}


@pytest.mark.parametrize("sdks", [OBEYING, tuple(sdk for sdk in ALL if sdk not in OBEYING)], ids=["obeying", "others"])
async def test_what_comes_too_fast_waits_and_nothing_is_lost(
    sdks: tuple[Sdk, ...], database: Database, services: Services, topic_prefix: str
) -> None:
    """C1: 429 with Retry-After in whole seconds; each SDK has a key of its own, whose second request within 4 s is one too many."""
    async with running_collector(database, services.kafka_servers, topic_prefix, requests_per_second=0.25) as collector:
        async with collector.store.transaction([WORKSPACE]) as tx:
            keys = [(await create_key(tx, WORKSPACE, "public", str(sdk))).text for sdk in sdks]
        reports = await asyncio.gather(
            *(drive(sdk, "two_requests", host=collector.host, key=key, retries=20) for sdk, key in zip(sdks, keys, strict=True))
        )
        written = sorted(message["event_id"] for _, message in await collector.written())
    assert [report["errors"] for report in reports] == [[]] * len(sdks)
    assert written == sorted(event for report in reports for event in report["result"])
    assert tries(collector, 429) == len(sdks) if sdks == OBEYING else tries(collector, 429) >= len(sdks)


@by_python_sdk
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
        waiting = [asyncio.create_task(drive(sdk, "one_track", **target, retries=50)) for sdk in ALL]
        await asyncio.sleep(5)
        assert not any(task.done() for task in waiting)
        await asyncio.to_thread(mine.start, "kafka")
        reports = await asyncio.gather(*waiting)
        written = {message["event_id"] for _, message in await collector.written()}
    assert [report["errors"] for report in reports] == [[]] * len(ALL)
    assert {report["result"] for report in reports} <= written
