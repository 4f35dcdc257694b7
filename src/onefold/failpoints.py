"""Named points in the code that a test process may arm: to pause, to raise, to die there (reliability.md, A5).

The honest way into a gap of microseconds. Nothing arms a point but `arm`, which no setting and no variable leads to: processes of ours
run unarmed, test processes arm before they start a role (`tests/support/armed.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

POINTS: Final = frozenset(
    {
        "resolver.decoded",  # a batch is taken and decoded
        "resolver.looked_up",  # the index has answered
        "resolver.fenced",  # progress is stored in the open transaction
        "resolver.read",  # a snapshot is read and decided on, without locks
        "resolver.locked",  # the contacts to change are locked
        "resolver.applied",  # the plan is written
        "resolver.emitted",  # interactions.resolved is acknowledged, nothing is committed
        "resolver.committed",  # the transaction is committed, the index does not know
        "resolver.written_back",  # the index knows, Kafka's offset is not committed
        "relay.read",  # the first rows of a shard are read
        "relay.sent",  # they lie in Kafka in an open transaction
        "relay.acknowledged",  # the Kafka transaction is committed, the rows are not deleted
        "segments.committed",  # memberships are committed, the messages are not acknowledged
        "rebuild.read",  # a chunk of identifiers is read, the index does not know of it
        "rebuild.written",  # the index knows, the rebuild's progress is not stored
        "parked.produced",  # parked interactions lie on their topic again, nothing is recorded
        "redrive.produced",  # dead letters lie on their topic again, nothing is recorded
        "webhooks.looked_up",  # it is known who was erased, nothing is written of what is due
        "webhooks.committed",  # what is due is committed, the messages are not acknowledged
        "webhooks.posted",  # the receiver has answered, nothing is recorded
        "jobs.claimed",  # a job of a workspace is this worker's
        "jobs.foreseen",  # the chunk after the present one is read and decided
        "jobs.carried",  # what a chunk does is written, with its progress; nothing is committed
        "jobs.committed",  # a chunk is committed
        "outreach.committed",  # what is asked for is kept, the messages are not acknowledged
        "outreach.claimed",  # a message is this worker's, nobody was spoken to
        "outreach.handed_over",  # it is marked that the other side may act, which has heard nothing
        "outreach.answered",  # the other side has acted, nothing is recorded
        "collector.translated",  # events are ready, the broker has none of them
    }
)

_armed: dict[str, Callable[[], Awaitable[None]]] = {}


def arm(point: str, action: Callable[[], Awaitable[None]]) -> None:
    """Let `action` run each time that `point` is reached in this process."""
    if point not in POINTS:
        raise ValueError(f"{point!r} is none of {', '.join(sorted(POINTS))}")
    _armed[point] = action


def disarm() -> None:
    """Arm nothing any more."""
    _armed.clear()


async def reach(point: str) -> None:
    """Mark a point. Does nothing where it is not armed."""
    if _armed and (action := _armed.get(point)) is not None:
        await action()
