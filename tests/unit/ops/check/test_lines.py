"""The lines of `interactions.resolved` against each other: I1, I2, I11, I16, each clean and each broken."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from onefold.messages.resolved import LineWriter
from onefold.ops.check.differences import MOST_KEPT, Found
from onefold.ops.check.lines import Lines, Span
from onefold.ops.check.look import Replayed
from onefold.ops.check.parted import Parted
from onefold.ops.check.positions import Leads, compare_pairs, doubtful, falling_epochs, judge, out_of_order
from onefold.topics.consumer import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

ANN, BEA, NOBODY = UUID(int=1), UUID(int=2), UUID(int=3)
NO_REPLAY = Replayed([])


def line(offset: int, epoch: int = 1, contact: UUID | None = ANN, tenure: int | None = 7, *, partition: int = 0, **more: object) -> Record:
    """A line of a position, as the resolver writes it."""
    event = {"event_id": f"e{offset}", "workspace": more.get("workspace", "acme"), "type": "track"}
    generation, outcome = more.get("generation", 1), more.get("outcome", "seen")
    assert isinstance(generation, int)
    text = str(contact).encode() if contact is not None else None
    value = LineWriter(generation, partition, epoch).line(offset, 0, text, tenure, str(outcome), None, msgspec.json.encode(event))
    return Record("interactions.resolved", 0, 0, 0, None, value, ())


def lines(records: Iterable[Record], *, end: int, first: int = 0, generation: int = 1) -> Lines:
    """What is known after these, of one partition whose progress is at `end`."""
    found = Lines({0: Span(generation, first, end)}, {"acme"}.__contains__)
    for record in records:
        found.take(record)
    return found


def source(offset: int, at: int = 1_000) -> Record:
    """A record of `interactions`."""
    return Record("interactions", 0, offset, at, b"k", b"v", ())


def said(found: Found) -> list[str]:
    return [f"{each.where}: {each.what}" for each in found.differences]


def judged(known: Lines, letters: dict[tuple[int, int], set[int]], *records: Record, replayed: Replayed = NO_REPLAY) -> list[str]:
    found = Found()
    for record in records:
        judge(record, known, letters, replayed, found)
    return said(found)


def test_only_positions_without_a_line_or_with_a_letter_are_read() -> None:
    """I1: where all is well that is next to nothing."""
    known = lines([line(2), line(3), line(6)], first=1, end=8)
    assert doubtful(known, {}) == {0: [(1, 2), (4, 6), (7, 8)]}
    assert doubtful(known, {(0, 3): {1}, (0, 4): {1}, (5, 1): {1}, (0, 99): {1}}) == {0: [(1, 2), (3, 4), (4, 6), (7, 8)]}


def test_a_record_has_a_line_or_a_dead_letter_and_not_both() -> None:
    """I1."""
    known = lines([line(0), line(1)], end=3)
    letters = {(0, 1): {1_000}, (0, 2): {1_000}}
    assert judged(known, letters, source(0), source(2)) == []
    assert judged(known, {}, source(2)) == ["interactions/0 offset 2: was passed by progress, and has neither a line nor a dead letter"]
    assert judged(known, letters, source(1)) == ["interactions/0 offset 1: has a line and a dead letter"]
    assert judged(known, letters, source(1), replayed=Replayed([(0, 0, 2)])) == []


def test_a_letter_of_an_earlier_life_of_the_topic_counts_for_nothing() -> None:
    """I1: a topic made anew has other records at the same positions; their append times tell them apart."""
    known = lines([line(0)], end=2)
    letters = {(0, 0): {500}, (0, 1): {500}}
    assert judged(known, letters, source(0)) == []
    assert len(judged(known, letters, source(1))) == 1


def test_lines_of_another_generation_of_the_log_are_no_lines() -> None:
    """I1."""
    known = lines([line(0, generation=1), line(1, generation=2)], end=2, generation=2)
    assert known.without_line(0) == [(0, 1)]


def test_what_lies_beyond_progress_is_in_flight() -> None:
    """A batch is emitted before it is committed."""
    known = lines([line(0), line(1, epoch=9), line(1, epoch=9, contact=BEA)], end=1)
    assert (known.disagreeing, known.at(0, 1), known.without_line(0)) == ([], None, [])
    assert said(falling_epochs(known, NO_REPLAY)) == []


def test_what_is_no_line_is_told_and_passed_over() -> None:
    """I1."""
    broken = Record("interactions.resolved", 3, 17, 0, None, b"{", ())
    assert lines([broken, line(0)], end=1).unreadable == ["interactions.resolved/3 offset 17"]


def test_repeats_agree_and_lesser_epochs_do_not_matter() -> None:
    """I2."""
    known = lines([line(0, 1, BEA), line(0, 2), line(0, 2), line(0, 1, NOBODY), line(1), line(1, outcome="updated"), line(1, 2)], end=2)
    assert known.disagreeing == []
    told = known.at(0, 0)
    assert told is not None
    assert (told.epoch, told.contact_id, told.tenure_id) == (2, ANN, 7)


def test_lines_of_the_greatest_epoch_that_differ_are_found() -> None:
    """I2."""
    assert lines([line(0, 3), line(0, 3, outcome="updated")], end=1).disagreeing == [(0, 0)]
    assert lines([line(0, 3), line(0, 3, BEA)], end=1).disagreeing == [(0, 0)]


def test_contact_and_tenure_of_a_line_lead_to_one_root() -> None:
    """I2: redirects followed, so a line from before a merge stays right."""
    known = lines([line(0), line(1, contact=BEA, tenure=8), line(2, contact=None, tenure=None), line(3, tenure=None)], end=4)
    pairs = {number: known.pair(number) for number in known.pairs()}
    assert sorted(pairs.values(), key=str) == sorted([(ANN, 7), (BEA, 8), (ANN, None)], key=str)

    def found(contacts: dict[UUID, UUID], tenures: dict[int, UUID], undone: Parted | None = None) -> list[str]:
        result = Found()
        compare_pairs(known, pairs, Leads(contacts, tenures, undone or Parted()), result)
        return said(result)

    assert found({ANN: BEA, BEA: BEA}, {7: BEA, 8: BEA}) == []
    assert found({ANN: ANN, BEA: BEA}, {7: BEA, 8: BEA}) == [
        f"interactions/0 offset 0: names contact {ANN}, which leads to {ANN}, and tenure 7, which belongs to {BEA}"
    ]
    went_back = Parted([7], [(BEA, ANN)])
    assert found({ANN: ANN, BEA: BEA}, {7: BEA, 8: BEA}, went_back) == [], "so an unmerge explains it"
    assert len(found({ANN: ANN, BEA: BEA}, {7: BEA, 8: BEA}, Parted([8], [(BEA, ANN)]))) == 1, "not of a tenure that stayed"
    assert found({ANN: ANN}, {7: ANN}) == [f"interactions/0 offset 1: names contact {BEA}, which does not exist"]
    assert found({ANN: ANN, BEA: BEA}, {8: BEA}) == ["interactions/0 offset 0: names tenure 7, which does not exist"]


def test_a_workspace_that_is_not_looked_at_keeps_its_positions_only() -> None:
    known = lines([line(0, workspace="other")], end=1)
    assert (known.pairs(), known.without_line(0)) == ([], [])


def test_lines_of_one_contact_lie_in_offset_order() -> None:
    """I11: per partition of `interactions` and epoch; what another epoch repeats begins anew."""
    clean = [line(0), line(4), line(2, contact=BEA), line(1, partition=1), line(0, 2), line(4, 2), line(3, 1)]
    assert said(out_of_order(lines(clean, end=9))) == []
    assert said(out_of_order(lines([line(0), line(4), line(3)], end=9))) == [
        "interactions/0 offset 3: its line lies behind that of offset 4 of its contact, under the same epoch 1"
    ]


def test_epochs_never_fall_along_the_log() -> None:
    """I16: a zombie's line that counts is a fence that failed."""
    assert said(falling_epochs(lines([line(0), line(1), line(3, 2), line(2, 1), line(2, 2)], end=5), NO_REPLAY)) == []
    falling = lines([line(0, 2), line(1, 5), line(2, 5), line(3, 4), line(4, 4), line(5, 6)], end=6)
    assert said(falling_epochs(falling, NO_REPLAY)) == ["interactions/0 offset 3: lies under epoch 4, but the earlier offset 2 under 5"]
    assert said(falling_epochs(falling, Replayed([(0, 1, 3)]))) == []
    assert len(falling_epochs(falling, Replayed([(1, 1, 3)])).differences) == 1


def test_a_run_that_a_replay_covers_in_part_still_counts() -> None:
    """I16: a replay that is under way has not come to all of its range yet, and other workers' epochs go on behind it."""
    known = lines([line(0, 3), line(1, 9), line(2, 3), line(3, 3), line(4, 2)], end=5)
    assert said(falling_epochs(known, Replayed([(0, 1, 3)]))) == [
        "interactions/0 offset 4: lies under epoch 2, but the earlier offset 3 under 3"
    ]
    assert said(falling_epochs(known, Replayed([(0, 1, 5)]))) == []


def test_only_what_both_looks_saw_is_confirmed() -> None:
    first, second = Found(), Found()
    for where in ("a", "b", "b", "c"):
        first.add(where, "differs")
    second.add("b", "differs")
    second.add("c", "differs otherwise")
    second.checked = 9
    both = first.confirmed(second)
    assert (first.count, both.count, both.checked, [each.where for each in both.differences]) == (3, 1, 9, ["b"])


def test_a_flood_of_differences_is_counted_and_not_kept() -> None:
    """I18: what is kept is bounded."""
    flood = Found()
    for number in range(MOST_KEPT + 5):
        flood.add(str(number), "differs")
    assert (flood.count, len(flood.differences)) == (MOST_KEPT + 5, MOST_KEPT)
    assert flood.confirmed(flood).count == MOST_KEPT + 5
