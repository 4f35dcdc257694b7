"""Names of the topics, what their keys are, and the settings that they are made with.

Names are without the prefix that isolates deployments on one broker: `topic_name` puts it before. `onefold.topics.admin` makes the
topics from these specifications, and the AsyncAPI document shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERACTIONS: Final = "interactions"
CONTACTS_CHANGED: Final = "contacts.changed"
INTERACTIONS_RESOLVED: Final = "interactions.resolved"
SEGMENTS_MEMBERSHIP: Final = "segments.membership"
OUTREACH_REQUESTED: Final = "outreach.requested"
DEAD_LETTER: Final = "interactions.dead-letter"

SEGMENTS_GROUP: Final = "onefold-segments"
TIMELINE_GROUP: Final = "onefold-timeline"
WEBHOOKS_GROUP: Final = "onefold-webhooks"
OUTREACH_GROUP: Final = "onefold-outreach"
"""Consumer groups, without the prefix; that of the resolvers is a setting."""

RELAYS: Final = "onefold-relay-"
"""What the transactional ids of relays begin with, after the prefix."""

DEFAULT_PARTITIONS: Final = 12

MAX_MESSAGE_BYTES: Final = 1_048_576
"""Largest record batch that `interactions` takes, and largest value of an interaction: the broker's own default."""

MAX_WRAPPED_BYTES: Final = 2 * MAX_MESSAGE_BYTES
"""For topics whose messages hold an interaction, or up to 200 identifiers, and more."""

MAX_DEAD_LETTER_BYTES: Final = 10 * MAX_MESSAGE_BYTES
"""Whatever a served topic took must fit, with more headers, and also what had been compressed better than we compress it."""

NEVER_MS: Final = 2**63 - 1
"""How Kafka writes never."""

_MINUTE_MS: Final = 60 * 1000
_DAY_MS: Final = 24 * 60 * _MINUTE_MS


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is made."""

    name: str
    title: str
    key: str
    """What the record's key is, for readers."""
    config: Mapping[str, str] = field(default_factory=dict)
    partitions: int = DEFAULT_PARTITIONS


def _config(*, kept_days: int, max_bytes: int, **more: str) -> dict[str, str]:
    """Nothing lies there for longer than so many days (S106): a segment goes as a whole, and begins a new one after a day."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str((kept_days - 1) * _DAY_MS),
        "segment.ms": str(_DAY_MS),
        "max.message.bytes": str(max_bytes),
        **{name.replace("_", "."): value for name, value in more.items()},
    }


SPECS: Final = (
    TopicSpec(
        INTERACTIONS,
        "What channels emit",
        "UTF-8 `workspace:anonymous token` as given, else its first identifier",
        # The append time is the only clock that resolution trusts: producers must not be able to set it.
        _config(kept_days=30, max_bytes=MAX_MESSAGE_BYTES, message_timestamp_type="LogAppendTime"),
    ),
    TopicSpec(
        CONTACTS_CHANGED,
        "Snapshots of contacts, one for every version",
        "the contact's id, as text",
        {
            "cleanup.policy": "compact",
            "max.message.bytes": str(MAX_WRAPPED_BYTES),
            # A live reader sees every version; one that starts anew sees at least the last.
            "min.compaction.lag.ms": str(7 * _DAY_MS),
            # What was said of an erased person is gone by then; who was away for a month still learns that they are (S105).
            "max.compaction.lag.ms": str(14 * _DAY_MS),
            "delete.retention.ms": str(30 * _DAY_MS),
        },
    ),
    TopicSpec(
        INTERACTIONS_RESOLVED,
        "Interactions with their contact and outcome",
        "the contact's id, as text; none where no contact was found",
        _config(kept_days=30, max_bytes=MAX_WRAPPED_BYTES),
    ),
    TopicSpec(
        SEGMENTS_MEMBERSHIP,
        "Contacts entering and leaving segments",
        "the contact's id, as text",
        _config(kept_days=30, max_bytes=MAX_MESSAGE_BYTES),
    ),
    TopicSpec(
        OUTREACH_REQUESTED,
        "Messages to send: codes, links, notices",
        "the contact's id, or the user's, as text",
        {
            "cleanup.policy": "delete",
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            # Codes and links lie there in the clear. A segment goes as a whole, an hour after its last record: it must end soon.
            "retention.ms": str(60 * _MINUTE_MS),
            "segment.ms": str(10 * _MINUTE_MS),
        },
    ),
    TopicSpec(
        DEAD_LETTER,
        "What could not be handled, byte by byte, with the reason in its headers",
        "the key of the original record",
        _config(kept_days=90, max_bytes=MAX_DEAD_LETTER_BYTES),
    ),
)


def kept_ms(config: Mapping[str, str]) -> int | None:
    """For how long a topic keeps what it was told, or an older version of it; None: for good. Brokers' defaults where it says nothing."""
    if config.get("cleanup.policy") == "compact":
        lag = int(config.get("max.compaction.lag.ms", NEVER_MS))
        return lag if lag < NEVER_MS else None
    retention = int(config.get("retention.ms", 7 * _DAY_MS))
    return retention + int(config.get("segment.ms", 7 * _DAY_MS)) if retention >= 0 else None


def topic_name(prefix: str, topic: str) -> str:
    """The topic as the broker knows it."""
    return prefix + topic


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key on the topics that only we write (docs/decisions/0007).

    CRC-32, as librdkafka's default partitioner does it; Java's murmur2 takes forty times as long in Python. `interactions`, which
    others produce to as well, goes by each producer's own default.
    """
    return crc32(key) % partitions
