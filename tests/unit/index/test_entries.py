"""Entries: exact round trips, and a miss for whatever is damaged, swapped, forged or of another life (architecture, section 3)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId, Tenure, TenureId
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.interaction import Moment
from onefold.index.entries import LENGTH, SEEN_EPOCH, SEEN_UNIT_SECONDS, Entry, EntryCodec
from onefold.index.keys import IndexKeys
from onefold.index.life import entry_of
from tests.support.worlds import START

SECRET = bytes(range(32))
CODEC = EntryCodec(SECRET, "life-1:1")
KEYS = IndexKeys(SECRET, "life-1:1")

ENTRIES = st.builds(
    Entry,
    contact_id=st.binary(min_size=16, max_size=16),
    tenure_id=st.integers(0, 2**38 - 1),
    assurance=st.integers(0, 3),
    start_s=st.integers(0, 2**32 - 1),
    seen_s=st.integers(0, 2**24 - 1).map(lambda units: SEEN_EPOCH + units * SEEN_UNIT_SECONDS),
    used=st.booleans(),
    xmin=st.integers(0, 2**46 - 1),
)
REDIS_KEYS = st.binary(min_size=16, max_size=16)


@given(key=REDIS_KEYS, entry=ENTRIES)
def test_an_entry_survives_the_round_trip_in_forty_bytes(key: bytes, entry: Entry) -> None:
    value = CODEC.encode(key, entry)
    assert value is not None
    assert len(value) == LENGTH
    assert CODEC.decode(key, value) == entry


@given(key=REDIS_KEYS, entry=ENTRIES, bit=st.integers(0, LENGTH * 8 - 1))
def test_any_flipped_bit_is_a_miss(key: bytes, entry: Entry, bit: int) -> None:
    """F18: corruption reads as a miss, never as another contact."""
    value = bytearray(CODEC.encode(key, entry) or b"")
    value[bit // 8] ^= 1 << bit % 8
    assert CODEC.decode(key, bytes(value)) is None


@given(keys=st.lists(REDIS_KEYS, min_size=2, max_size=2, unique=True), entry=ENTRIES)
def test_a_value_under_another_key_is_a_miss(keys: list[bytes], entry: Entry) -> None:
    """F18: values swapped between contacts."""
    assert CODEC.decode(keys[1], CODEC.encode(keys[0], entry)) is None


@given(key=REDIS_KEYS, entry=ENTRIES)
def test_an_entry_of_another_incarnation_or_secret_is_a_miss(key: bytes, entry: Entry) -> None:
    value = CODEC.encode(key, entry)
    assert EntryCodec(SECRET, "life-2:1").decode(key, value) is None
    assert EntryCodec(bytes(32), "life-1:1").decode(key, value) is None


@pytest.mark.parametrize("value", [None, b"", b"x" * 39, b"x" * 41, b"\0" * 40])
def test_what_is_no_entry_is_a_miss(value: bytes | None) -> None:
    assert CODEC.decode(b"k" * 16, value) is None


@pytest.mark.parametrize("change", [{"tenure_id": 2**38}, {"xmin": 2**46}, {"start_s": 2**32}, {"seen_s": SEEN_EPOCH - 1}])
def test_what_does_not_fit_has_no_entry(change: dict[str, int]) -> None:
    entry = Entry(b"c" * 16, 1, 1, 1, SEEN_EPOCH, True, 1)._replace(**change)  # type: ignore[arg-type]
    assert CODEC.encode(b"k" * 16, entry) is None


def test_keys_tell_incarnations_workspaces_and_identifiers_apart() -> None:
    """S93: the workspace is in every key."""
    one, other = IdentifierKey(b"a" * 16), IdentifierKey(b"b" * 16)
    made = {
        KEYS.key("acme", one),
        KEYS.key("acme", other),
        KEYS.key("beta", one),
        IndexKeys(SECRET, "life-2:1").key("acme", one),
        IndexKeys(bytes(32), "life-1:1").key("acme", one),
    }
    assert len(made) == 5
    assert {len(key) for key in made} == {16}


def tenure(**more: object) -> Tenure:
    return Tenure(
        tenure_id=TenureId(7),
        workspace="acme",
        contact_id=ContactId(UUID(int=5)),
        key=IdentifierKey(b"k" * 16),
        semantic_type="anonymous_token",
        identifier="t",
        normalised="t",
        slug="main",
        assurance=Assurance.ASSERTED,
        source="event",
        outreach=False,
        first_seen_at=START,
        last_seen_at=START,
        **more,  # type: ignore[arg-type]
    )


@given(first=st.integers(0, 10**9), last=st.integers(0, 10**9))
def test_rounding_never_flatters_an_entry(first: int, last: int) -> None:
    """An entry never claims to be older than its tenure, nor fresher than its last use."""
    mine = tenure()
    mine.first_seen_at, mine.last_seen_at = START + timedelta(microseconds=first), START + timedelta(microseconds=last)
    entry = entry_of(mine, 1)
    assert entry.start_s >= mine.first_seen_at.timestamp()
    assert entry.start_s - mine.first_seen_at.timestamp() < 1
    assert entry.seen_s <= mine.last_seen_at.timestamp()


def test_use_with_a_person_counts_only_if_it_is_as_recent_as_the_entry_says() -> None:
    """R7 rests on it: the hot path must not hide a use together with a personal identifier."""
    assert not entry_of(tenure(), 1).used
    assert entry_of(tenure(used=Moment(START, "e")), 1).used
    assert not entry_of(tenure(used=Moment(START - timedelta(hours=1), "e")), 1).used
