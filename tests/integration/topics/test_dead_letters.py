"""Dead letters hold what died, byte by byte, and are written before anything goes on."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime

import pytest

from onefold.errors import InvalidMessage, LogUnavailable, UnsupportedVersion
from onefold.messages.dead_letters import redriven_headers, split, to_headers
from onefold.messages.topics import DEAD_LETTER, MAX_DEAD_LETTER_BYTES
from onefold.topics.client import KafkaConnection
from onefold.topics.consumer import Record
from onefold.topics.dead_letters import DeadLetters
from tests.integration.topics.reading import read_topic

APPENDED_MS = 1_793_525_400_120


def record(offset: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    return Record("interactions", 3, offset, APPENDED_MS, key, value, headers)


@pytest.mark.asyncio
async def test_key_value_and_headers_survive_and_the_reason_is_told(topics: KafkaConnection) -> None:
    """A6: zero bytes, null, invalid UTF-8, headers of any kind and repeated."""
    odd = (("traceparent", b"\xff"), ("a", b"1"), ("a", b"2"))
    error = InvalidMessage("not UTF-8", code="invalid_utf8")
    async with DeadLetters(topics, code_version="0.1.0") as letters:
        await letters.write(
            [(record(41, b"\xfe", b"\xff\x00", odd), error), (record(42, b"k", b""), error), (record(43, b"k", None), error)]
        )
    found = {each.value: each for each in await read_topic(topics, DEAD_LETTER)}
    assert set(found) == {b"\xff\x00", b"", None}
    assert found[b"\xff\x00"].key == b"\xfe"
    letter, original = split(found[b"\xff\x00"].headers)
    assert original == odd
    assert letter is not None
    assert letter == (
        "not UTF-8", "InvalidMessage", "invalid_utf8", 1, "interactions", 3, 41, datetime(2026, 11, 1, 9, 30, 0, 120_000, UTC), "0.1.0", None,
    )  # fmt: skip
    assert found[b""].partition == found[None].partition


@pytest.mark.asyncio
async def test_a_later_death_counts_the_attempts_and_keeps_where_the_first_one_was(topics: KafkaConnection) -> None:
    """A redriven record carries its letter's headers."""
    async with DeadLetters(topics, code_version="0.1.0") as letters:
        await letters.write([(record(1, b"k", b"v", (("a", b"1"),)), UnsupportedVersion(2, 1))])
        (first,) = await read_topic(topics, DEAD_LETTER)
        await letters.write([(record(9, b"k", b"v", redriven_headers(first.headers, "0/0")), UnsupportedVersion(2, 1))])
        _, second = await read_topic(topics, DEAD_LETTER)
        await letters.write([(record(12, b"k", b"v", redriven_headers(second.headers, "0/1")), UnsupportedVersion(2, 1))])
    _, second, third = await read_topic(topics, DEAD_LETTER)
    for each, attempts, offset in ((second, 2, 9), (third, 3, 12)):
        letter, original = split(each.headers)
        assert letter is not None
        assert (letter.attempts, letter.origin_offset, letter.first_origin, original) == (
            attempts,
            offset,
            "interactions/3/1",
            (("a", b"1"),),
        )
        assert each.headers == to_headers(letter, original)


@pytest.mark.asyncio
async def test_the_origin_is_named_without_the_prefix_that_keeps_installations_apart(topics: KafkaConnection) -> None:
    """Whoever reads a letter asks our rooms for the topic, and they put the prefix before it."""
    broker_name = topics.topic("interactions")
    async with DeadLetters(topics, code_version="0.1.0") as letters:
        await letters.write([(record(1, b"k", b"v")._replace(topic=broker_name), InvalidMessage("x"))])
    (found,) = await read_topic(topics, DEAD_LETTER)
    letter, _ = split(found.headers)
    assert letter is not None
    assert (letter.origin_topic, broker_name) == ("interactions", topics.topic_prefix + "interactions")


@pytest.mark.asyncio
async def test_whatever_a_topic_took_fits(topics: KafkaConnection) -> None:
    """Poison 13 and 34: what came compressed is larger than any topic takes; what cannot be compressed is as large as one takes."""
    bomb, noise = b"x" * 40_000_000, os.urandom(1_048_000)
    assert len(gzip.compress(bomb)) < 1_048_576
    async with DeadLetters(topics, code_version="0.1.0") as letters:
        error = InvalidMessage("too large", code="too_large")
        await letters.write([(record(1, b"k", bomb), error), (record(2, b"k", noise), error)])
    assert [each.value for each in await read_topic(topics, DEAD_LETTER)] == [bomb, noise]


@pytest.mark.asyncio
async def test_a_letter_that_no_topic_takes_is_an_error_that_stops(topics: KafkaConnection) -> None:
    async with DeadLetters(topics, code_version="0.1.0") as letters:
        with pytest.raises(InvalidMessage):
            await letters.write([(record(1, b"k", os.urandom(MAX_DEAD_LETTER_BYTES + 1_000)), InvalidMessage("x"))])
        await letters.write([(record(2, b"k", b"v"), InvalidMessage("x"))])
    assert [each.value for each in await read_topic(topics, DEAD_LETTER)] == [b"v"]


@pytest.mark.asyncio
async def test_a_letter_that_cannot_be_written_is_an_error_to_wait_for() -> None:
    """If the dead letter cannot be written, nothing is acknowledged (architecture, section 6)."""
    async with DeadLetters(KafkaConnection("127.0.0.1:1"), code_version="0.1.0", timeout_seconds=1.0) as letters:
        with pytest.raises(LogUnavailable):
            await letters.write([(record(1, b"k", b"v"), InvalidMessage("x"))])
