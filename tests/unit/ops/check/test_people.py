"""I4 and I5: redirects and summaries, clean and each broken."""

from __future__ import annotations

from typing import Any
from uuid import UUID
from zlib import crc32

from onefold.ops.check.differences import Found
from onefold.ops.check.people import compare_beginning, compare_summary, follow_redirects
from tests.unit.ops.check.test_lines import ANN, BEA, line, lines, said

A, B, C, D = (UUID(int=number) for number in range(10, 14))
UNIQUE = frozenset({"user_id"})


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


def holding(summary: str, total: int, *held: tuple[str, int, bool]) -> dict[str, Any]:
    keys = [f"{number:016}".encode() for number in range(len(held))]
    return {
        "contact_id": A,
        "summary": summary,
        "identifiers_total": total,
        "types": [kind for kind, _, _ in held],
        "assurances": [level for _, level, _ in held],
        "validated": [is_validated for _, _, is_validated in held],
        "keys": keys,
    }


def summaries(row: dict[str, Any]) -> list[str]:
    found = Found()
    compare_summary(row, UNIQUE, found)
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


def beginning(**changed: object) -> dict[str, Any]:
    row = {
        "tenure_id": 7, "contact_id": ANN, "root": ANN, "event_id": "e0", "topic": "interactions", "partition": 0, "offset": 0, "via": None,
        "via_root": None,
    }  # fmt: skip
    return {**row, **changed}


def beginnings(row: dict[str, Any], *, generation: int = 1, roots: dict[UUID, UUID] | None = None) -> list[str]:
    known = lines([line(0, generation=generation), line(2, contact=None, tenure=None, generation=generation)], end=3, generation=generation)
    found = Found()
    compare_beginning(row, known, roots or {ANN: ANN}, found)
    return [each.what for each in found.differences]


def test_a_tenure_belongs_where_its_evidence_leads() -> None:
    """I5: redirects followed, so what was merged since is right."""
    assert beginnings(beginning()) == []
    assert beginnings(beginning(contact_id=BEA, root=BEA, via=3, via_root=BEA), roots={ANN: BEA}) == []
    assert beginnings(beginning(offset=99)) == [], "it is not decided yet"
    assert beginnings(beginning(topic="elsewhere", offset=1)) == []


def test_a_tenure_without_evidence_or_with_that_of_others_is_found() -> None:
    """I5."""
    says = "its first evidence is interactions/0 offset"
    assert beginnings(beginning(root=None)) == [f"belongs to contact {ANN}, which does not exist"]
    assert beginnings(beginning(event_id=None)) == ["has no first evidence"]
    assert beginnings(beginning(via=3, via_root=BEA)) == [f"belongs to {ANN}, but came through tenure 3, which belongs to {BEA}"]
    assert beginnings(beginning(offset=1)) == [f"{says} 1, which has no line"]
    assert beginnings(beginning(event_id="e9")) == [f"{says} 0, whose line tells of another event"]
    assert beginnings(beginning(offset=2, event_id="e2")) == [f"{says} 2, whose line names no contact"]
    assert beginnings(beginning(root=BEA)) == [f"{says} 0, whose line leads to contact {ANN}, while the tenure belongs to {BEA}"]


def test_evidence_from_an_earlier_life_of_the_topic_is_no_difference() -> None:
    """I5: evidence names a position, and not of which generation."""
    assert crc32(b"e9") != crc32(b"e0")
    assert beginnings(beginning(event_id="e9"), generation=2) == beginnings(beginning(offset=1), generation=2) == []
