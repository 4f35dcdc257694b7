"""What each role may do at the broker, and no more (S64): the collector writes one topic and reads none.

Pure. `onefold topics rights` prints them as commands, `onefold topics grant` gives them, `docs/reference/topic-rights.md` shows them. Who
is not named here (the User API, say) does not speak to Kafka. What is allowed implies Describe at the broker.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from onefold.messages.topics import (
    CONTACTS_CHANGED,
    DEAD_LETTER,
    INTERACTIONS,
    INTERACTIONS_RESOLVED,
    OUTREACH_GROUP,
    OUTREACH_REQUESTED,
    RELAYS,
    SEGMENTS_GROUP,
    SEGMENTS_MEMBERSHIP,
    SPECS,
    TIMELINE_GROUP,
    WEBHOOKS_GROUP,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Resource = Literal["topic", "group", "transactional-id"]
Operation = Literal["Read", "Write", "Create", "Alter", "Describe", "DescribeConfigs", "AlterConfigs"]


class Right(NamedTuple):
    """One operation that is allowed on one thing, or on all things whose names begin so."""

    operation: Operation
    resource: Resource
    name: str
    """With the installation's prefix."""
    prefixed: bool = False


OPERATOR: Final = "operator"
"""Who runs `setup`, `doctor`, `check`, `replay`, `dead-letters` and the other commands."""
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "resolver": (INTERACTIONS,),
    "segments-worker": (CONTACTS_CHANGED,),
    "timeline": (INTERACTIONS_RESOLVED,),
    "jobs-worker": (INTERACTIONS,),
    "webhooks-worker": (CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP),
    "outreach-worker": (OUTREACH_REQUESTED,),
}
_WRITES: Final[Mapping[str, tuple[str, ...]]] = {
    "collector": (INTERACTIONS,),
    "resolver": (INTERACTIONS_RESOLVED, DEAD_LETTER),
    "relay": (INTERACTIONS, CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP, OUTREACH_REQUESTED, DEAD_LETTER),
}
_GROUPS: Final[Mapping[str, str]] = {
    "segments-worker": SEGMENTS_GROUP,
    "timeline": TIMELINE_GROUP,
    "webhooks-worker": WEBHOOKS_GROUP,
    "outreach-worker": OUTREACH_GROUP,
}
_OPERATES: Final[tuple[Operation, ...]] = ("Read", "Write", "Create", "Alter", "DescribeConfigs", "AlterConfigs")
ROLES: Final = tuple(dict.fromkeys((*_WRITES, *_READS, OPERATOR)))
"""Everyone who speaks to Kafka."""


def principal(role: str) -> str:
    """Whom the broker knows a role by, unless the installation names it otherwise."""
    return f"User:onefold-{role}"


def rights(role: str, *, prefix: str, resolvers: str) -> list[Right]:
    """What this role may do. `resolvers` is the resolvers' group, without the prefix."""
    if role == OPERATOR:
        everywhere = [Right(operation, "topic", prefix + spec.name) for spec in SPECS for operation in _OPERATES]
        return [*everywhere, *(Right("Describe", "group", prefix + group) for group in (resolvers, *_GROUPS.values()))]
    found = [Right("Read", "topic", prefix + topic) for topic in _READS.get(role, ())]
    found += [Right("Write", "topic", prefix + topic) for topic in _WRITES.get(role, ())]
    group = resolvers if role == "resolver" else _GROUPS.get(role)
    if group is not None:
        found.append(Right("Read", "group", prefix + group))
    if role == "relay":
        found.append(Right("Write", "transactional-id", prefix + RELAYS, prefixed=True))
    return found


def as_command(to: str, right: Right, *, servers: str) -> str:
    """The same for Kafka's own tool, as a shell takes it."""
    words = ["kafka-acls.sh", "--bootstrap-server", servers, "--command-config", "admin.properties", "--add", "--allow-principal", to]
    words += ["--operation", right.operation, f"--{right.resource}", right.name]
    return shlex.join([*words, "--resource-pattern-type", "prefixed"] if right.prefixed else words)
