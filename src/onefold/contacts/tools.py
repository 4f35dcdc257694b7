"""What a chunk of a job works with besides its transaction. Handed to every kind of job by whoever works on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from onefold.records.resolution import Resolution
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

    Step: TypeAlias = Callable[[Connection, WorkspaceJob, "Tools"], Awaitable["Advance"]]
    """One chunk of a kind of job: writes into the transaction, and says how far the job is then. Called with the job's row locked."""
    Ahead: TypeAlias = Callable[[Connection, WorkspaceJob, "Tools"], Awaitable[object]]
    """What the chunk after the present one can be spared: looks in a transaction of its own, while the present one is carried out, and
    writes nothing. Called with the job as it was before the present chunk; what it finds is a guess, which the next chunk has to check."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Of one worker."""

    shards: int
    """Of the outbox."""
    resolution: Resolution
    ahead: object = None
    """What was found ahead for this chunk; None where nothing was."""


class Advance(NamedTuple):
    """How far a chunk brought its job."""

    progress: dict[str, Any]
    is_done: bool = False
