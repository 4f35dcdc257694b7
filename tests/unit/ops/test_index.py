"""What is amiss with an entry, and sums that find it: without servers."""

from __future__ import annotations

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.index.entries import Entry
from onefold.ops.index.differences import Kind, compare
from onefold.ops.index.extras import Sums, bucket_of
from onefold.ops.index.walk import CHUNK, Pace

ONE, TWO, THREE, NOBODY = (UUID(int=number) for number in range(1, 5))
ROOTS = {("acme", ONE): ONE, ("acme", TWO): ONE, ("acme", THREE): THREE}
KNOWN = Entry(ONE.bytes, 7, 2, 1_000, 5_120, True, 90)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (KNOWN, None),
        (KNOWN._replace(contact_id=TWO.bytes), Kind.STALE),
        (KNOWN._replace(contact_id=THREE.bytes), Kind.WRONG),
        (KNOWN._replace(contact_id=NOBODY.bytes), Kind.GONE),
        (KNOWN._replace(tenure_id=8), Kind.WRONG),
        (KNOWN._replace(contact_id=TWO.bytes, tenure_id=8), Kind.WRONG),
        (KNOWN._replace(assurance=1), Kind.STALE),
        (KNOWN._replace(assurance=3), Kind.WRONG),
        (KNOWN._replace(start_s=1_001), Kind.STALE),
        (KNOWN._replace(start_s=999), Kind.WRONG),
        (KNOWN._replace(seen_s=4_864), Kind.STALE),
        (KNOWN._replace(seen_s=5_376), Kind.WRONG),
        (KNOWN._replace(used=False), Kind.STALE),
    ],
)
def test_an_entry_is_old_where_it_knows_less_and_false_where_it_claims_more(found: Entry, kind: Kind | None) -> None:
    """I6: stale or missing may be, wrong must not."""
    assert compare(found, KNOWN, "acme", ROOTS) is kind


def test_use_at_an_earlier_time_is_no_claim_about_a_later_one() -> None:
    """A device was used with its owner's email, and later without it: the older entry is old, not false."""
    assert compare(KNOWN._replace(seen_s=4_864), KNOWN._replace(used=False), "acme", ROOTS) is Kind.STALE
    assert compare(KNOWN, KNOWN._replace(used=False), "acme", ROOTS) is Kind.WRONG


def test_a_redirect_within_another_workspace_leads_nowhere() -> None:
    """S92: contacts of the same id in two workspaces are two contacts."""
    assert compare(KNOWN._replace(contact_id=TWO.bytes), KNOWN, "beta", ROOTS) is Kind.GONE


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40), st.sets(st.binary(min_size=16, max_size=16), max_size=5), st.randoms())
def test_sums_differ_in_the_buckets_of_what_only_one_side_has(both: set[bytes], one: set[bytes], dice: object) -> None:
    """Whatever the order, and whatever was added and taken away again."""
    left, right = Sums(), Sums()
    shuffled = sorted(both - one)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' random
    for key in both - one:
        left.add(key)
    for key in [*one, *shuffled]:
        right.add(key)
    assert left.differ(right) == sorted({bucket_of(key) for key in one})
    for key in one:
        right.add(key, -1)
    assert left.differ(right) == []


@pytest.mark.asyncio
async def test_a_pass_is_held_back_to_its_rate_in_chunks_that_take_no_longer_than_five_seconds() -> None:
    """A job saves its progress more often than it could fall silent; without a rate nothing waits."""
    assert (Pace().chunk, Pace(1).chunk, Pace(100).chunk, Pace(1_000_000).chunk) == (CHUNK, 5, 500, CHUNK)
    pace, began = Pace(1_000), time.monotonic()
    for _ in range(4):
        await pace.took(10)
    assert 0.039 <= time.monotonic() - began < 5
    await Pace().took(10_000_000)
