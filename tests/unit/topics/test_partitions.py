"""Where a record goes on a topic that the collector produces to as well."""

from __future__ import annotations

from aiokafka.partitioner import DefaultPartitioner

from onefold.topics.batches import default_partition


def test_the_relay_puts_a_visitors_interactions_where_the_collectors_producer_does() -> None:
    """I4: else one visitor's events of two doors would lie in two partitions, and lose their order."""
    find = DefaultPartitioner()
    for number in range(500):
        key = f"acme:{number}".encode()
        assert default_partition(key, 12) == find(key, list(range(12)), list(range(12)))
