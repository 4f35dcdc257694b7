"""Which partition a key goes to."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from onefold.messages.topics import partition_of, topic_name


def test_a_key_keeps_its_partition_for_ever() -> None:
    """Order per contact rests on it: these values must never change."""
    assert [partition_of(str(UUID(int=number)).encode(), 12) for number in range(6)] == [1, 3, 9, 11, 8, 10]


def test_keys_spread_evenly() -> None:
    counts = Counter(partition_of(str(UUID(int=number * 2**70 + number)).encode(), 12) for number in range(12_000))
    assert len(counts) == 12
    assert min(counts.values()) > 800


def test_a_prefix_goes_before_the_name() -> None:
    assert topic_name("t1.", "contacts.changed") == "t1.contacts.changed"
