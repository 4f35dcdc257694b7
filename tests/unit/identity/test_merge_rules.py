"""The merge rules of Segment Unify (SEG), Adobe's identity graph (ADB) and mParticle's IDSync (MPI), as worked examples.

Every vector either comes out here as there, or stands on `docs/explanation/differences.md`; those that can be played out are, and the page
says what comes of them. Events come from a server, one a minute.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from onefold.identity.assurance import Assurance
from onefold.identity.catalog import BUILT_IN, Catalog, CatalogEntry
from onefold.identity.plan import Reason
from onefold.identity.rules import Rules
from tests.support.worlds import World, event

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "differences.md"
VECTORS = (
    *(f"SEG-V{number}" for number in range(1, 7)),
    *(f"ADB-V{number}" for number in range(1, 13)),
    *(f"MPI-V{number}" for number in range(1, 6)),
)

KINDS = {
    "C": "user_id",
    "M": "email",
    "P": "phone",
    "L": "login_id",
    "G": "google_ad_id",
    "I": "apple_ad_id",
    "V": "vendor_id",
    "R": "roku_id",
    "E": "anonymous_token",
}
"""Person, e-mail, phone, login, advertising ids of two makers, vendor's and Roku's device ids, cookie."""
WRITTEN = {"M": "{}@example.com", "P": "+49151{:0>8}"}


class Vector(NamedTuple):
    """A story, and the groups that it ends in."""

    name: str
    story: str
    """Events are separated by semicolons, and their identifiers, each with the letter of its kind, by blanks."""
    groups: str
    """Separated by semicolons, too."""
    reasons: tuple[Reason | None, ...] = ()
    """What held something back in the last events, where the vector says so."""
    unique: str = "C"
    most: int | None = None
    """Values of a kind that is not unique."""


_PEOPLE = "CTom Maa P123; CTom E111; CTom E222 IA; CSummer Mdd P765; CSummer E333; CSummer E444 GB"
_FIVE = "Cu1 Me1; Cu1 Me2; Cu1 Me3; Cu1 Me4; Cu1 Me5"

AS_THERE = [
    Vector("SEG-V1", "Cu1 Me1; Cu2; Cu2 Me1", "Cu1 Me1; Cu2", (None, None, Reason.CONFLICT)),
    Vector("SEG-V2", f"{_FIVE}; Cu1 Me6; Me6", "Cu1 Me1 Me2 Me3 Me4 Me5; Me6", (Reason.LIMIT, None), most=5),
    Vector("SEG-V5", f"{_FIVE}; Cu1 Me6 Ea1", "Cu1 Me1 Me2 Me3 Me4 Me5 Ea1", (Reason.LIMIT,), most=5),
    Vector("SEG-V6", "Cnull Ea1; Cnull", "Ea1", (None, Reason.NO_IDENTIFIER)),
    Vector("ADB-V2", "CTom Maa; CTom E111; CSummer Mdd; CSummer E222; CSummer E111", "CTom Maa; CSummer Mdd E111 E222"),
    Vector("ADB-V4", "CTom LA; CTom LB; LA E111; LC E111", "CTom LA LB LC E111"),
    Vector("ADB-V5", f"{_PEOPLE}; CTom E444 GB", "CTom Maa P123 E111 E222 IA E444 GB; CSummer Mdd P765 E333"),
    Vector("ADB-V6", f"{_PEOPLE}; CSummer E555 IA", "CTom Maa P123 E111 E222; CSummer Mdd P765 E333 E444 GB E555 IA"),
    Vector("ADB-V7", f"{_PEOPLE}; CSummer E222 IA", "CTom Maa P123 E111; CSummer Mdd P765 E333 E444 GB E222 IA"),
    Vector(
        "ADB-V9",
        "CTom Maa P123; CTom LA; CTom LB; LA E111; CSummer Mdd P765; CSummer LC; CSummer LD; LC E222; CSummer LC E111; LA E111",
        "CTom Maa P123 LA LB E111; CSummer Mdd P765 LC LD E222",
    ),
    Vector("ADB-V10", "Mtom E111; Msummer E111", "Msummer E111; Mtom", unique="CM"),
    Vector("ADB-V11", "Mtom E111; Mtom CTom; CTom E111", "CTom Mtom E111", unique="CM"),
    Vector("ADB-V12", "CTom Mtom; CSummer Msummer; CTom E111; CSummer E111", "CTom Mtom; CSummer Msummer E111", unique="CM"),
]

OTHERWISE = [
    Vector("SEG-V3", "Cu1 Ea1; Cu2 Ea2; Ea1 Ea2", "Cu1 Ea1 Ea2; Cu2"),
    Vector("SEG-V4", "Ea1; Cu1 Ea1; Cu2 Ea1", "Cu1; Cu2 Ea1"),
    Vector("ADB-V1", "CTom Maa; CTom E111; CSummer Mdd; CSummer E222; CSummer Maa", "CTom Maa E111; CSummer Mdd E222", (Reason.CONFLICT,)),
    Vector(
        "ADB-V3",
        "CTom LA; CTom LB; LA E111; CSummer LC; CSummer LD; LC E222; CTom LD",
        "CTom LA LB E111; CSummer LC LD E222",
        (Reason.CONFLICT,),
    ),
    Vector("MPI-V1", "V9; Cc1 Me1 V9; V9; Cc1 Me1 V9; Me2; R8; Cc1 Me2 R8", "Cc1 Me1 Me2 V9 R8"),
    Vector("MPI-V2", "V9; Cc1 Me1 V9; V9; Cc1 Me1 V9", "Cc1 Me1 V9"),
    Vector("MPI-V3", "V9; Cc1 Me1 V9; V9; Cc1 Me1 V9", "Cc1 Me1 V9"),
    Vector("MPI-V4", "V9; Me1 V9; Me3 V9; R8; R8 Me3", "Me1 Me3 V9 R8"),
]


@pytest.mark.parametrize("vector", AS_THERE + OTHERWISE, ids=lambda vector: vector.name)
def test_a_vector_ends_in_these_groups(vector: Vector) -> None:
    """Guards 1, 4 and 5; R5, R6, R7, R11."""
    rules = _rules(vector)
    world = World(rules=rules)
    names = [[_named(each) for each in told.split()] for told in vector.story.split(";")]
    outcomes = world.play(*(event(*told, minutes=minutes, assurance=Assurance.ASSERTED, rules=rules) for minutes, told in enumerate(names)))
    assert world.groups() == sorted(sorted(map(_named, group.split())) for group in vector.groups.split(";"))
    if vector.reasons:
        assert tuple(outcome.reason for outcome in outcomes[-len(vector.reasons) :]) == vector.reasons


def test_every_vector_passes_or_stands_on_the_page_of_differences() -> None:
    passing = {vector.name for vector in AS_THERE}
    listed = re.findall(r"^\| ((?:SEG|ADB|MPI)-V\d+) ", PAGE.read_text(), flags=re.MULTILINE)
    assert sorted([*passing, *listed]) == sorted(VECTORS)
    assert {vector.name for vector in OTHERWISE} <= set(listed)


def _named(letter_and_value: str) -> str:
    letter, value = letter_and_value[0], letter_and_value[1:]
    return f"{KINDS[letter]}:{WRITTEN.get(letter, '{}').format(value.lower())}"


def _rules(vector: Vector) -> Rules:
    """A catalog in the order of the letters; cookies and the ids of devices are device-bound."""
    entries = {entry.semantic_type: entry for entry in BUILT_IN}
    for priority, (letter, kind) in enumerate(KINDS.items(), start=1):
        entry = entries.get(kind) or CatalogEntry(kind, device_bound=letter in "GIVR")
        unique = letter in vector.unique
        entries[kind] = replace(entry, priority=priority, unique_per_contact=unique, max_per_contact=None if unique else vector.most)
    return Rules(catalog=Catalog(entries), recency=timedelta(0))
