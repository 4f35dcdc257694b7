"""Make the topics what they must be, and say what was done. Called by `onefold topics create|list`, `setup` and `doctor`.

What correctness rests on is enforced: append times, compaction, sizes that let a message through. Partitions and sizes are raised, never
lowered. How long records are kept is the operator's to change: a topic that says something else keeps it.

What else only Kafka's administrators' protocol does is here too: how far a group is, for `onefold check`, and giving roles their rights.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.protocol.admin import CreateAclsRequest

from onefold.errors import ConfigurationError
from onefold.messages.topics import DEFAULT_PARTITIONS, SPECS
from onefold.topics.client import FAILURES, translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from onefold.messages.topics import TopicSpec
    from onefold.topics.client import KafkaConnection
    from onefold.topics.rights import Operation, Resource, Right

_ENFORCED: Final = frozenset({"message.timestamp.type", "cleanup.policy"})
_RAISED: Final = frozenset({"max.message.bytes", "min.compaction.lag.ms", "min.insync.replicas"})
_SET_ON_TOPIC: Final = 1
"""Kafka's mark of a setting that the topic itself holds."""
_VISIBLE_SECONDS: Final = 15.0
_SAFE_REPLICATION: Final = 3
_RESOURCES: Final[Mapping[Resource, int]] = {"topic": 2, "group": 3, "transactional-id": 5}
_OPERATIONS: Final[Mapping[Operation, int]] = {
    "Read": 3,
    "Write": 4,
    "Create": 5,
    "Alter": 7,
    "Describe": 8,
    "DescribeConfigs": 10,
    "AlterConfigs": 11,
}
_LITERAL, _PREFIXED, _ALLOW, _ANY_HOST = 3, 4, 3, "*"
"""Kafka's own numbers for what its protocol says of rights."""

State = Literal["created", "changed", "unchanged", "missing"]


@dataclass(frozen=True, slots=True)
class TopicReport:
    """One topic: how it is now, and what was done to it."""

    topic: str
    """Its name without prefix."""
    name: str
    """Its name at the broker."""
    state: State
    partitions: int = 0
    replication: int = 0
    config: Mapping[str, str] = field(default_factory=dict)
    """Settings that the topic itself holds."""
    changes: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    """What was changed, by setting: before and after."""
    differs: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    """What is not as `ensure_topics` would make it now: what is there, and what it would be."""


async def ensure_topics(
    connection: KafkaConnection, *, partitions: int = DEFAULT_PARTITIONS, replication: int = 1, timeout_seconds: float = 30.0
) -> list[TopicReport]:
    """Make every topic that is missing and mend what must be; running it again changes nothing.

    Raises LogUnavailable, and ConfigurationError where the cluster refuses (fewer brokers than `replication`, say).
    """
    async with _admin(connection, timeout_seconds, "administering topics") as admin:
        return [await admin.ensure(spec, partitions, replication) for spec in SPECS]


async def list_topics(
    connection: KafkaConnection, *, partitions: int = DEFAULT_PARTITIONS, timeout_seconds: float = 30.0
) -> list[TopicReport]:
    """Every topic as it is, with what `ensure_topics` would change. Raises LogUnavailable or ConfigurationError."""
    async with _admin(connection, timeout_seconds, "administering topics") as admin:
        return [await admin.describe(spec, partitions) for spec in SPECS]


async def committed(connection: KafkaConnection, group: str, topic: str, *, timeout_seconds: float = 30.0) -> dict[int, int]:
    """By partition, the offset that a group has committed; left out where it has none. Raises LogUnavailable or ConfigurationError."""
    async with _admin(connection, timeout_seconds, f"looking at the offsets of {group}") as admin:
        return await admin.committed(group, topic)


async def grant(connection: KafkaConnection, given: Iterable[tuple[str, Right]], *, timeout_seconds: float = 60.0) -> None:
    """Allow each principal what is given to it. Safe to repeat; takes nothing away. Raises LogUnavailable or ConfigurationError."""
    async with _admin(connection, timeout_seconds, "giving rights on topics") as admin:
        for principal, right in given:
            await admin.allow(principal, right)


@asynccontextmanager
async def _admin(connection: KafkaConnection, timeout_seconds: float, doing: str) -> AsyncIterator[_Admin]:
    client = AIOKafkaAdminClient(**connection.options())
    try:
        async with asyncio.timeout(timeout_seconds):
            await client.start()
            yield _Admin(client, connection)
    except (kafka.InvalidReplicationFactorError, kafka.InvalidConfigurationError, kafka.PolicyViolationError) as error:
        raise ConfigurationError(f"Kafka refuses the topics: {error}") from error
    except FAILURES as error:
        raise translate(error, doing) from error
    finally:
        await client.close()


class _Admin:
    """aiokafka's client, typed, for as much as is needed of it."""

    def __init__(self, client: Any, connection: KafkaConnection) -> None:
        self._client = client
        self._connection = connection

    async def ensure(self, spec: TopicSpec, partitions: int, replication: int) -> TopicReport:
        """Make or mend one topic."""
        before = await self.describe(spec, partitions)
        if before.state == "missing":
            created = await self._create(spec, partitions, replication)
            after = await self._visible(spec, partitions, as_made=created)
            if created:
                return TopicReport(spec.name, after.name, "created", after.partitions, after.replication, after.config)
            before = after
        if not before.differs:
            return before
        if "partitions" in before.differs:
            await self._client.create_partitions({before.name: NewPartitions(partitions)})
        settings = {name: wanted for name, (_, wanted) in before.differs.items() if name != "partitions"}
        if settings:
            await self._alter(before.name, {**before.config, **settings})
        after = await self._visible(spec, partitions, as_made=True)
        return TopicReport(
            spec.name, after.name, "changed", after.partitions, after.replication, after.config, before.differs, after.differs
        )

    async def describe(self, spec: TopicSpec, partitions: int) -> TopicReport:
        """One topic as it is."""
        name = self._connection.topic(spec.name)
        (found,) = await self._client.describe_topics([name])
        if found["error_code"] == kafka.UnknownTopicOrPartitionError.errno or not found["partitions"]:
            return TopicReport(spec.name, name, "missing")
        count = len(found["partitions"])
        config = await self._settings(name)
        differs: dict[str, tuple[str | None, str]] = {
            setting: (config.get(setting), wanted)
            for setting, wanted in spec.config.items()
            if _must_change(setting, config.get(setting), wanted)
        }
        if count < partitions:
            differs["partitions"] = (str(count), str(partitions))
        return TopicReport(spec.name, name, "unchanged", count, len(found["partitions"][0]["replicas"]), config, {}, differs)

    async def committed(self, group: str, topic: str) -> dict[int, int]:
        """What a group has committed."""
        name, found = self._connection.topic(topic), await self._client.list_consumer_group_offsets(group)
        return {target.partition: each.offset for target, each in found.items() if target.topic == name and each.offset >= 0}

    async def allow(self, principal: str, right: Right) -> None:
        """Write one ACL."""
        pattern = _PREFIXED if right.prefixed else _LITERAL
        resource, operation = _RESOURCES[right.resource], _OPERATIONS[right.operation]
        asked = CreateAclsRequest(resource, right.name, pattern, principal, _ANY_HOST, operation, _ALLOW)
        answer = await self._client._send_request(asked)  # noqa: SLF001 - aiokafka knows the message, and has no method for it
        for code, text in answer.creation_responses:
            if code:
                raise kafka.for_code(code)(text or f"{right.operation} on {right.name} for {principal}")

    async def _create(self, spec: TopicSpec, partitions: int, replication: int) -> bool:
        """Whether it is ours: False where somebody else made it meanwhile."""
        config = dict(spec.config)
        if replication >= _SAFE_REPLICATION:
            config["min.insync.replicas"] = "2"
        response = await self._client.create_topics(
            [NewTopic(self._connection.topic(spec.name), partitions, replication, topic_configs=config)]
        )
        for _, code, message in response.topic_errors:
            if code == kafka.TopicAlreadyExistsError.errno:
                return False
            if code:
                raise kafka.for_code(code)(f"{spec.name}: {message}")
        return True

    async def _visible(self, spec: TopicSpec, partitions: int, *, as_made: bool) -> TopicReport:
        """The topic, once the broker that is asked shows it, as it was made just now; one that somebody else made, whatever it is like."""
        async with asyncio.timeout(_VISIBLE_SECONDS):
            while True:
                report = await self.describe(spec, partitions)
                if report.state != "missing" and not (as_made and report.differs):
                    return report
                await asyncio.sleep(0.05)

    async def _settings(self, name: str) -> dict[str, str]:
        (response,) = await self._client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
        ((code, message, _, _, entries),) = response.resources
        if code:
            raise kafka.for_code(code)(f"{name}: {message}")
        return {entry[0]: entry[1] for entry in entries if entry[3] == _SET_ON_TOPIC}

    async def _alter(self, name: str, config: Mapping[str, str]) -> None:
        """Set all of them: what this request leaves out goes back to the broker's default."""
        (response,) = await self._client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, dict(config))])
        ((code, message, _, _),) = response.resources
        if code:
            raise kafka.for_code(code)(f"{name}: {message}")


def _must_change(setting: str, present: str | None, wanted: str) -> bool:
    if present is None:
        return True
    if setting in _RAISED:
        return int(present) < int(wanted)
    return setting in _ENFORCED and present != wanted
