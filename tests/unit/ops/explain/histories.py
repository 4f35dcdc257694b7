"""Histories of worlds in memory, as `onefold.records.histories` loads them from Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from onefold.identity.plan import Act, EvidenceKind
from onefold.ops.explain.standing import Standing
from onefold.records.histories import History, MergeStory
from onefold.records.merges import cause_of
from onefold.records.reads import EvidenceRow
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from onefold.identity.contact import Tenure
    from onefold.identity.plan import Evidence
    from tests.support.worlds import World

_ORDER = list(EvidenceKind)


def history_of(world: World) -> History:
    """Everything that a world in memory went through."""
    return History(
        {contact_id for _, contact_id in world.contacts},
        [tenure.fork() for tenure in world.tenures.values()],
        _evidence(world),
        _merges(world),
        is_cut=False,
    )


def standing(world: World, at: datetime | None = None) -> Standing:
    """How a world stood."""
    return Standing(history_of(world), at)


def held(world: World, identifier: str, at: datetime | None = None) -> tuple[Standing, Sequence[Tenure]]:
    """How the world stood, and what the contact had that holds an identifier now."""
    then = standing(world, at)
    return then, then.held_by(then.root(world.holder(identifier).contact_id))


def _evidence(world: World) -> dict[int, list[EvidenceRow]]:
    latest: dict[tuple[int, EvidenceKind], Evidence] = {}
    for plan in world.plans:
        latest.update({(each.tenure_id, each.kind): each for each in plan.evidence})
    found: dict[int, list[EvidenceRow]] = {}
    for (tenure_id, kind), each in sorted(latest.items(), key=lambda item: (item[0][0], _ORDER.index(item[0][1]))):
        position = (each.position.topic, each.position.partition, each.position.offset)
        found.setdefault(tenure_id, []).append(
            EvidenceRow(kind.value, each.event_id, *position, each.at, each.rule.value, int(each.assurance), each.guard, each.actor)
        )
    return found


def _merges(world: World) -> list[MergeStory]:
    made = [merge for plan in world.plans for merge in plan.merges]
    undone = {back.merge_id: back for plan in world.plans for back in plan.returns}
    stories = []
    for merge, record in zip(made, world.merges, strict=True):
        back = undone.get(record.merge_id)
        at = merge.cause.at if isinstance(merge.cause, Act) else merge.cause.appended_at
        stories.append(
            MergeStory(
                record.merge_id,
                record.number,
                record.survivor,
                record.absorbed,
                at,
                msgspec.json.decode(to_json(cause_of(merge))),
                frozenset(record.tenures),
                back.act.at if back is not None else None,
                {"actor": back.act.actor, "reason": back.act.reason, "root": str(back.root)} if back is not None else {},
                frozenset(record.returned),
            )
        )
    return stories
