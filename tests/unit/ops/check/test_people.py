"""I4 and I5: redirects and summaries, clean and each broken."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from onefold.ops.check.differences import Found
from onefold.ops.check.parted import Parted
from onefold.ops.check.people import Beginning, HeldOnce, compare_absorbed, compare_beginning, compare_summary, follow_redirects, held_once
from tests.unit.ops.check.test_lines import ANN, BEA, line, lines, said

A, B, C, D = (UUID(int=number) for number in range(10, 14))
UNIQUE = HeldOnce(frozenset({"user_id"}), frozenset({"card"}))


def redirects(absorbed: dict[UUID, tuple[UUID, UUID]]) -> list[str]:
    found = Found()
    follow_redirects(absorbed, found)
    assert found.checked == len(absorbed)
    return said(found)


def test_redirects_end_where_root_says() -> None:
    """I4: in any order of reading."""
    chain = {A: (B, D), B: (C, D), C: (D, D)}
    assert redirects(chain) == redirects(dict(reversed(chain.items()))) == []
    assert redirects({A: (B, C), B: (C, D)}) == [f"contact {B}: its redirects end at {C}, but its root is {D}"]


def test_redirects_that_go_round_are_found_from_everywhere() -> None:
    """I4: what leads into a circle never ends either."""
    assert redirects({A: (B, D), B: (C, D), C: (B, D)}) == [f"contact {each}: its redirects go round in a circle" for each in (A, B, C)]
    assert redirects({A: (A, A)}) == [f"contact {A}: its redirects go round in a circle"]


def holding(summary: str, total: int, *held: tuple[str, int, bool]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A contact's row, and the rows of its open tenures: type, assurance, validated."""
    names = ("semantic_type", "assurance", "is_validated")
    rows = [{**dict(zip(names, each, strict=True)), "identifier_key": f"{number:016}".encode()} for number, each in enumerate(held)]
    return {"contact_id": A, "summary": summary, "identifiers_total": total}, rows


def summaries(rows: tuple[dict[str, Any], list[dict[str, Any]]]) -> list[str]:
    found = Found()
    compare_summary(*rows, UNIQUE, found)
    return said(found)


def test_a_summary_is_what_a_recount_gives() -> None:
    """I5."""
    right = '{"open": {"email": 1, "user_id": 1}, "validated": {"email": 1}, "assurance": [0, 1, 1, 0], "unique": {"user_id": "%s"}}'
    held = (("email", 2, True), ("user_id", 1, False))
    mine = f"{1:016}".encode().hex()
    assert summaries(holding(right % mine, 2, *held)) == []
    assert summaries(holding("{}", 0)) == []
    assert summaries(holding('{"open": {"email": 0}}', 0)) == []
    wrong = summaries(holding('{"open": {"email": 2}, "validated": {"user_id": 1}, "assurance": [2, 0, 0, 0]}', 3, *held))
    assert [text.partition("says ")[2].partition(":")[0] for text in wrong] == [
        "by type", "validated by type", "by assurance", "identifiers_total", "types held once",
    ]  # fmt: skip
    assert "does not hold: 30" in summaries(holding(right % b"0000000000000009".hex(), 2, *held))[0]


def test_a_type_that_was_unique_at_times_may_be_held_once_or_not() -> None:
    """I5, R18: a summary follows the rules that were in force when the contact got its value."""
    card = '{"open": {"card": 1}, "assurance": [0, 1, 0, 0]%s}'
    mine = ', "unique": {"card": "%s"}' % f"{0:016}".encode().hex()  # noqa: UP031 -- braces of JSON
    for named in ("", mine):
        assert summaries(holding(card % named, 1, ("card", 1, False))) == []
    flags: list[dict[str, object]] = [{}, {"unique_per_contact": True}, {"unique_per_contact": False, "key_of_another_build": 1}]
    catalogs = [[{"semantic_type": "card", **each}, {"semantic_type": "seat", **flags[1]}] for each in flags]
    assert held_once([[], *catalogs]) == HeldOnce(frozenset({"user_id", "seat"}), frozenset({"card"}))
    assert held_once([[{"semantic_type": "user_id", "title": "Customer"}]]).always == {"user_id"}


EVIDENCE = {"event_id": "e0", "topic": "interactions", "partition": 0, "offset": 0, "rule": "shared_identifier"}
"""Of the tenure that ANN's line at offset 0 opened."""


def beginnings(
    *,
    root: UUID | None = ANN,
    leads_to: UUID = ANN,
    via: UUID | None = None,
    generation: int = 1,
    bare: bool = False,
    undone: Parted | None = None,
    **evidence: object,
) -> list[str]:
    """What is said of a tenure of ANN. `root` of its contact, `leads_to` of the line's, `via` of the tenure that it came through."""
    known = lines([line(0, generation=generation), line(2, contact=None, tenure=None, generation=generation)], end=3, generation=generation)
    first: dict[str, Any] = {**EVIDENCE, **evidence}
    told = known.at(first["partition"], first["offset"])
    found = Found()
    through = 3 if via is not None else None
    compare_beginning(Beginning(7, ANN, root, through, via, None if bare else first, told, leads_to), known, undone or Parted(), found)
    return [each.what for each in found.differences]


def test_a_tenure_belongs_where_its_evidence_leads() -> None:
    """I5: redirects followed, so what was merged since is right."""
    assert beginnings() == []
    assert beginnings(root=BEA, leads_to=BEA, via=BEA) == []
    assert beginnings(offset=99) == [], "it is not decided yet"
    assert beginnings(root=BEA, rule="aside") == [], "what a claim may not join lies beside its event's contact (R1)"
    assert beginnings(topic="elsewhere", offset=1) == []


def test_what_unmerges_gave_back_began_with_whoever_had_it_then() -> None:
    """I5: through any chain of merges that are undone, and no further."""
    went_back = Parted([7], [(C, BEA), (C, ANN)])
    assert beginnings(root=BEA, undone=went_back) == beginnings(via=BEA, undone=went_back) == []
    assert beginnings(root=D, undone=went_back) != []
    assert beginnings(root=BEA, undone=Parted([8], [(BEA, ANN)])) != []


def test_a_tenure_without_evidence_or_with_that_of_others_is_found() -> None:
    """I5."""
    says = "its first evidence is interactions/0 offset"
    assert beginnings(root=None) == [f"belongs to contact {ANN}, which does not exist"]
    assert beginnings(bare=True) == ["has no first evidence"]
    assert beginnings(via=BEA) == [f"belongs to {ANN}, but came through tenure 3, which belongs to {BEA}"]
    assert beginnings(offset=1) == [f"{says} 1, which has no line"]
    assert beginnings(event_id="e9") == [f"{says} 0, whose line tells of another event"]
    assert beginnings(offset=2, event_id="e2") == [f"{says} 2, whose line names no contact"]
    assert beginnings(root=BEA) == [f"{says} 0, whose line leads to contact {ANN}, while the tenure belongs to {BEA}"]


def test_evidence_from_an_earlier_life_of_the_topic_is_no_difference() -> None:
    """I5: evidence names a position, and not of which generation."""
    assert beginnings(event_id="e9", generation=2) == beginnings(offset=1, generation=2) == []


def test_an_absorbed_contact_holds_nothing_and_has_a_root_that_is_none() -> None:
    """I4."""
    found = Found()
    compare_absorbed({"contact_id": A, "root": B}, {B, C}, [], found)
    assert said(found) == []
    compare_absorbed({"contact_id": A, "root": D}, {B, C}, [{"tenure_id": 9}], found)
    assert said(found) == [
        f"contact {A}: has the root {D}, which is absorbed or does not exist",
        f"tenure 9: is open, and belongs to contact {A}, which is absorbed",
    ]
