"""Which partition a key goes to."""

from __future__ import annotations

from collections import Counter
from uuid import UUID, uuid5

from onefold.messages.topics import partition_of, topic_name


def test_a_key_keeps_its_partition_for_ever() -> None:
    """Order per contact rests on it: these values must never change (docs/decisions/0007)."""
    keys = (b"9f0b5f43-6a0e-5d3c-8f6f-3a4a1f0a2b01", b"2c1d9a60-5b54-5d7e-9a55-7e0d9c1b3a02", b"acme:t1", b"", b"123456789")
    assert [partition_of(key, 12) for key in keys] == [6, 10, 4, 0, 0xCBF43926 % 12]


def test_keys_spread_evenly() -> None:
    for name in ("{}", "acme:{}"):
        counts = Counter(partition_of(name.format(uuid5(UUID(int=1), str(number))).encode(), 12) for number in range(12_000))
        assert len(counts) == 12
        assert min(counts.values()) > 800


def test_a_prefix_goes_before_the_name() -> None:
    assert topic_name("t1.", "contacts.changed") == "t1.contacts.changed"
