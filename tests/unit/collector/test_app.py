"""The collector's answers, as table C1 of interfaces.md gives them, without sockets: requests go straight into the application."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from onefold.errors import LogUnavailable
from onefold.http.collector.app import MANY, ONE, SWALLOWED
from onefold.http.collector.options import Options
from tests.support.asking import EVENT, PUBLIC, SECRET, UNKNOWN, ask, refused_well


@pytest.mark.asyncio
@pytest.mark.parametrize("path", [path for path, type_ in ONE.items() if type_ not in {"alias", "merge"}])
async def test_every_path_of_one_call_takes_it(path: str) -> None:
    """C1, endpoints: in full and by the browser's letter."""
    reply = await ask(path, {"anonymousId": "a", "event": "x", "groupId": "g"})
    assert (reply.status, reply.body) == (200, {"success": True})
    [(key, message)] = reply.records
    assert (key, message["type"], message["assurance"]) == (b"acme:a", ONE[path], "claimed")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", sorted(MANY))
async def test_every_path_of_batches_takes_them(path: str) -> None:
    """Root context goes into each item."""
    body = {"batch": [EVENT, {**EVENT, "anonymousId": "b"}], "context": {"locale": "de"}, "sentAt": "2026-11-01T00:00:00Z"}
    reply = await ask(path, body, key=SECRET)
    assert (reply.status, reply.body) == (200, {"success": True})
    assert [key for key, _ in reply.records] == [b"acme:a", b"acme:b"]
    assert all(message["assurance"] == "asserted" and message["context"]["locale"] == "de" for _, message in reply.records)


@pytest.mark.asyncio
async def test_an_sdks_own_metrics_are_swallowed() -> None:
    """C1, /v1/m."""
    for path in SWALLOWED:
        assert (await ask(path, {"series": []}, key=None)).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track/", "/beacon/v1/batch", "/anything"])
async def test_preflights_are_allowed_for_any_origin_without_credentials(path: str) -> None:
    """C1 and S61, before any key is looked at."""
    reply = await ask(path, method="OPTIONS", key=None)
    allowed = {name.strip() for name in reply.headers["access-control-allow-headers"].split(",")}
    assert reply.status == 204
    assert allowed >= {
        "authorization",
        "content-type",
        "x-retry-count",
        "anonymousid",
        "sentat",
        "rsa-recovered",
        "rsa-retry-attempt",
        "rsa-since-last-attempt",
        "rsa-since-first-attempt",
        "rsa-retry-reason",
    }
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers
    assert int(reply.headers["access-control-max-age"]) >= 3_600


@pytest.mark.asyncio
@pytest.mark.parametrize("credentials", [f"{PUBLIC}:", PUBLIC, f"{PUBLIC}:anything", f'{PUBLIC}:""'])
async def test_the_password_of_basic_is_ignored(credentials: str) -> None:
    """RudderStack's documentation shows such variants."""
    header = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
    assert (await ask("/v1/track", EVENT, key=None, headers=header)).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("header", ["Basic !!!", "Basic", "Bearer " + SECRET, "Basic /////w==", "Digest x", ""])
async def test_an_authorization_that_is_wrong_is_401_whatever_the_body_says(header: str) -> None:
    """The header decides alone."""
    reply = await ask("/v1/track", {**EVENT, "writeKey": PUBLIC}, key=None, headers={"Authorization": header})
    refused_well(reply, 401, "unknown_key")


@pytest.mark.asyncio
async def test_an_unknown_key_is_401_and_no_key_too() -> None:
    """C1, our answers."""
    refused_well(await ask("/v1/track", EVENT, key=UNKNOWN), 401, "unknown_key")
    refused_well(await ask("/v1/track", EVENT, key=None), 401, "missing_key")
    refused_well(await ask("/v1/batch", {"batch": []}, key=None), 401, "missing_key")
    refused_well(await ask("/v1/track", {**EVENT, "writeKey": 7}, key=None), 401, "missing_key")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "query"),
    [
        ("/v1/track", {**EVENT, "writeKey": PUBLIC}, ""),
        ("/v1/batch", {"batch": [EVENT], "writeKey": PUBLIC}, ""),
        ("/v1/b", {"batch": [{**EVENT, "writeKey": PUBLIC}]}, ""),
        ("/beacon/v1/batch", {"batch": [EVENT]}, f"writeKey={PUBLIC}"),
    ],
)
async def test_a_public_key_counts_in_body_event_and_query_and_never_reaches_the_topic(path: str, body: Any, query: str) -> None:
    """C1, authentication; S60."""
    reply = await ask(path, body, key=None, query=query)
    assert reply.status == 200
    assert len(reply.records) == 1
    assert PUBLIC not in repr(reply.records)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "query"),
    [
        ("/v1/track", {**EVENT, "writeKey": SECRET}, ""),
        ("/v1/batch", {"batch": [EVENT], "writeKey": SECRET}, ""),
        ("/v1/b", {"batch": [{**EVENT, "writeKey": SECRET}]}, ""),
        ("/v1/batch", {"batch": [EVENT]}, f"writeKey={SECRET}"),
    ],
)
async def test_a_secret_key_outside_of_the_header_is_refused(path: str, body: Any, query: str) -> None:
    """S60: bodies and addresses end in logs."""
    reply = await ask(path, body, key=None, query=query)
    refused_well(reply, 401, "secret_key_outside_header")
    assert SECRET not in json.dumps(reply.body)


@pytest.mark.asyncio
async def test_a_secret_key_in_header_and_body_is_taken_from_the_header() -> None:
    """segment-analytics-python from 2.4 on sends both; the topic gets neither."""
    reply = await ask("/v1/batch", {"batch": [EVENT], "writeKey": SECRET}, key=SECRET)
    assert reply.status == 200
    assert SECRET not in repr(reply.records)


@pytest.mark.asyncio
async def test_a_bad_event_in_a_batch_harms_no_neighbour() -> None:
    """C1, our answers: outer 200, with what was refused and why."""
    body = b'{"batch":[%s,{"userId":"u","userId":"v"},{"messageId":"m3"},7,%s]}' % ((json.dumps(EVENT).encode(),) * 2)
    reply = await ask("/v1/batch", body)
    assert reply.status == 200
    assert (reply.body["success"], reply.body["accepted"], len(reply.records)) == (True, 2, 2)
    assert [(each["index"], each["messageId"], each["code"]) for each in reply.body["rejected"]] == [
        (1, None, "duplicate_key"),
        (2, "m3", "invalid_type"),
        (3, None, "invalid_event"),
    ]


@pytest.mark.asyncio
async def test_strict_mode_refuses_the_whole_and_takes_nothing() -> None:
    """C1, X-Strict-Mode: 400, or 401 where only the key's kind is wrong."""
    strict = {"X-Strict-Mode": "1"}
    reply = await ask("/v1/batch", {"batch": [EVENT, {}]}, headers=strict)
    refused_well(reply, 400, "events_refused")
    assert [each["index"] for each in reply.body["rejected"]] == [1]
    alias = {"type": "alias", "previousId": "a", "userId": "b"}
    refused_well(await ask("/v1/batch", {"batch": [EVENT, alias]}, headers=strict), 401, "events_refused")
    refused_well(await ask("/v1/alias", alias, headers=strict), 401, "events_refused")
    assert (await ask("/v1/batch", {"batch": [EVENT]}, headers=strict)).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/alias", "/v1/a", "/v1/merge", "/v1/batch"])
async def test_alias_and_merge_with_a_public_key_are_refused_inside_a_200(path: str) -> None:
    """S53."""
    call = {"type": "alias", "previousId": "a", "userId": "b", "mergeProperties": [{"type": "email", "value": "x"}] * 2}
    reply = await ask(path, {"batch": [call]} if path in MANY else call)
    assert (reply.status, reply.body["accepted"], reply.records) == (200, 0, [])
    assert [each["code"] for each in reply.body["rejected"]] == ["secret_key_required"]
    taken = await ask(path, {"batch": [call]} if path in MANY else call, key=SECRET)
    assert (taken.body, len(taken.records)) == ({"success": True}, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_event"),
        (b"<html>", "invalid_event"),
        (b"[]", "invalid_event"),
        (b'{"userId":"a","userId":"b"}', "duplicate_key"),
        (b"{}", "missing_identifier"),
        (b'{"userId":"a"}', "missing_event"),
        (b'{"userId":"a","event":"x"}{}', "invalid_event"),
    ],
)
async def test_a_malformed_call_is_400(body: bytes, code: str) -> None:
    """C1, our answers; A6 rows 3 to 14."""
    refused_well(await ask("/v1/track", body), 400, code)


@pytest.mark.asyncio
@pytest.mark.parametrize("type_", ["text/plain", "text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "application/json", ""])
async def test_bodies_are_read_by_content_not_by_header(type_: str) -> None:
    """The browser posts JSON as text/plain; 415 never on this host (C1)."""
    assert (await ask("/v1/t", EVENT, headers={"Content-Type": type_})).status == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("chunk", [1, 7, 65_536])
async def test_gzip_is_read_as_it_streams(chunk: int) -> None:
    """rudder-sdk-python compresses by default."""
    reply = await ask("/v1/track", gzip.compress(json.dumps(EVENT).encode()), headers={"Content-Encoding": "gzip"}, chunk=chunk)
    assert (reply.status, len(reply.records)) == (200, 1)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (json.dumps(EVENT).encode(), "gzip", "damaged_gzip"),
        (gzip.compress(b"{}", mtime=0)[:-3], "gzip", "damaged_gzip"),
        (gzip.compress(b"{}", mtime=0) + b"x", "gzip", "damaged_gzip"),
        (gzip.compress(b"{}", mtime=0) + gzip.compress(b"{}", mtime=0), "gzip", "damaged_gzip"),
        (b"", "gzip", "damaged_gzip"),
        (b"{}", "br", "unsupported_encoding"),
    ],
)
async def test_damaged_or_foreign_compression_is_400(body: bytes, encoding: str, code: str) -> None:
    """A6 row 13: a gzip header on a plain body."""
    refused_well(await ask("/v1/track", body, headers={"Content-Encoding": encoding}), 400, code)


@pytest.mark.asyncio
@pytest.mark.parametrize("compressed", [True, False])
async def test_what_is_too_large_is_413(compressed: bool) -> None:
    """S37: before and after decompression; an event alone, a batch by its number."""
    headers = {"Content-Encoding": "gzip"} if compressed else {}
    squeeze = gzip.compress if compressed else bytes
    refused_well(await ask("/v1/track", squeeze(b"[" + b"1," * 400_000), headers=headers), 413, "body_too_large")
    refused_well(await ask("/v1/track", squeeze(b'{"a":"' + b"x1y2" * 9_000 + b'"}'), headers=headers), 413, "event_too_large")
    many = b'{"batch":[' + b",".join([b"{}"] * 2_501) + b"]}"
    refused_well(await ask("/v1/batch", squeeze(many), headers=headers), 413, "batch_too_long")


@pytest.mark.asyncio
async def test_a_zip_bomb_is_refused_before_it_inflates() -> None:
    """A6 row 13: 100 MB of zeros in 100 kB."""
    bomb = gzip.compress(b"\x00" * 100_000_000, 9)
    refused_well(await ask("/v1/batch", bomb, headers={"Content-Encoding": "gzip"}), 413, "body_too_large")


@pytest.mark.asyncio
async def test_a_small_bomb_is_refused_by_its_ratio() -> None:
    """S37: ratio as well as size."""
    bomb = gzip.compress(b" " * 200_000, 9)
    refused_well(await ask("/v1/batch", bomb, headers={"Content-Encoding": "gzip"}), 413, "body_inflates")


@pytest.mark.asyncio
async def test_a_root_that_every_event_repeats_is_no_bomb() -> None:
    """A6 rows 13 and 19, S37: 300 kB of context for 2,000 events would be 600 MB on the topic."""
    body = {"batch": [EVENT] * 2_000, "context": {"a": "x" * 300_000}}
    refused_well(await ask("/v1/batch", body), 413, "body_inflates")
    refused_well(await ask("/v1/batch", {"batch": [EVENT] * 2_000, "integrations": {"a": "x" * 4_000}}), 413, "body_inflates")
    assert (await ask("/v1/batch", {"batch": [EVENT] * 100, "context": {"a": "x" * 30_000}})).status == 200


@pytest.mark.asyncio
async def test_limits_can_be_raised_for_rudderstack() -> None:
    """C1, limits."""
    body = {"batch": [EVENT] * 20, "padding": "x" * 600_000}
    assert (await ask("/v1/batch", body)).status == 413
    assert (await ask("/v1/batch", body, options=Options(body_bytes=4_000_000))).status == 200


@pytest.mark.asyncio
async def test_a_broker_that_is_down_is_503_with_a_whole_number_of_seconds() -> None:
    """C1: a date in Retry-After confuses some; a 200 without the broker's acknowledgement loses events (I1)."""
    reply = await ask("/v1/track", EVENT, failing=LogUnavailable("down", retry_after_seconds=2.2))
    refused_well(reply, 503, "log_unavailable")
    assert reply.headers["retry-after"] == "3"


@pytest.mark.asyncio
async def test_a_store_that_cannot_check_a_key_is_503() -> None:
    """Not 401, which SDKs take as final."""
    reply = await ask("/v1/track", EVENT, deaf=True)
    refused_well(reply, 503, "store_unavailable")
    assert int(reply.headers["retry-after"]) >= 1


@pytest.mark.asyncio
async def test_a_failure_that_nobody_foresaw_is_500_with_json() -> None:
    """SDKs send it again; nothing of the failure is told."""
    reply = await ask("/v1/track", EVENT, failing=RuntimeError("secret detail"))
    refused_well(reply, 500, "internal")
    assert "secret detail" not in json.dumps(reply.body)


@pytest.mark.asyncio
async def test_too_many_requests_at_once_are_503() -> None:
    """I18: memory is bounded."""
    refused_well(await ask("/v1/track", EVENT, options=Options(in_flight=0)), 503, "overloaded")


@pytest.mark.asyncio
async def test_a_rate_limit_is_429_with_a_whole_number_of_seconds() -> None:
    """Off by default."""
    reply = await ask("/v1/track", EVENT, options=Options(rate_per_second=0.1, rate_burst=0))
    refused_well(reply, 429, "rate_limited")
    assert reply.headers["retry-after"] == "10"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/", "GET", 404),
        ("/v1/unknown", "POST", 404),
        ("/v1/batch", "GET", 405),
        ("/v1/batch", "PUT", 405),
        ("/v1/track", "DELETE", 405),
        ("/metrics", "GET", 404),
        ("/live", "GET", 404),
        ("/docs", "GET", 404),
    ],
)
async def test_elsewhere_there_is_json_too(path: str, method: str, status: int) -> None:
    """Never a redirect, never HTML; S116: what belongs to operators is not here."""
    reply = await ask(path, method=method)
    refused_well(reply, status, "not_found" if status == 404 else "method_not_allowed")


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/v1/track/", "/v1/batch/"])
async def test_a_slash_at_the_end_is_no_redirect(path: str) -> None:
    """3xx counts as delivered in Node and the browser (C1)."""
    assert (await ask(path, {**EVENT, "batch": []})).status == 200


@pytest.mark.asyncio
async def test_browsers_get_what_they_boot_with() -> None:
    """C1: settings for Segment's, a source without destinations for RudderStack's."""
    reply = await ask(f"/v1/projects/{PUBLIC}/settings", method="GET", key=None, headers={"Host": "events.example.org:8443"})
    assert reply.body["integrations"] == {
        "Segment.io": {"apiKey": PUBLIC, "apiHost": "events.example.org:8443/v1", "protocol": "https"},
    }
    reply = await ask("/sourceConfig/", method="GET", key=None, query=f"p=cdn&writeKey={PUBLIC}")
    assert (reply.body["source"]["enabled"], reply.body["source"]["destinations"]) == (True, [])
    reply = await ask("/sourceConfig", method="GET", key=PUBLIC)
    assert reply.body["source"]["writeKey"] == PUBLIC


@pytest.mark.asyncio
@pytest.mark.parametrize(("key", "code"), [(SECRET, "secret_key_outside_header"), (UNKNOWN, "unknown_key"), ("x", "unknown_key")])
async def test_boot_documents_are_for_public_keys_that_are_live(key: str, code: str) -> None:
    """S57, S60."""
    refused_well(await ask(f"/v1/projects/{key}/settings", method="GET", key=None), 401, code)
    refused_well(await ask("/sourceConfig/", method="GET", key=None, query=f"writeKey={key}"), 401, code)


@pytest.mark.asyncio
async def test_no_host_header_can_write_into_the_boot_document() -> None:
    """What is no host is left out."""
    reply = await ask(f"/v1/projects/{PUBLIC}/settings", method="GET", key=None, headers={"Host": 'evil.org/"><script>'})
    assert reply.body["integrations"] == {"Segment.io": {"apiKey": PUBLIC}}


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [200, 401, 413])
async def test_no_answer_sets_a_cookie_or_redirects(status: int) -> None:
    """S61."""
    body = EVENT if status != 413 else {"a": "x" * 600_000}
    reply = await ask("/v1/track", body, key=None if status == 401 else PUBLIC)
    assert reply.status == status
    assert not {"set-cookie", "location", "access-control-allow-credentials"} & set(reply.headers)


@pytest.mark.asyncio
async def test_an_answer_does_not_depend_on_whom_the_event_is_about() -> None:
    """S30: the bytes are the same."""
    answers = [await ask("/v1/identify", {"userId": user, "traits": {"email": f"{user}@x.org"}}) for user in ("known", "unknown")]
    assert answers[0][:3] == answers[1][:3]
