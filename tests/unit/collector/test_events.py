"""Cutting bodies into events within limits (S37; A6 rows 3 to 13, 28)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.errors import InvalidMessage
from onefold.http.collector.events import Bounds, keys_in_text, measure, read_batch, read_event, without_lone_surrogates
from onefold.http.collector.refusals import EventRefused

BOUNDS = Bounds()

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=8) | st.sampled_from(['":', '" :', '\\":', "\\"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5) | st.sampled_from(['":', '\\" :', ":"]), inner, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=5)


def refusal(raw: bytes, bounds: Bounds = BOUNDS) -> str:
    with pytest.raises(EventRefused) as caught:
        read_event(raw, bounds)
    return caught.value.code


@given(OBJECTS, st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]), st.booleans())
def test_valid_text_holds_as_many_keys_as_its_value(value: dict[str, Any], separators: tuple[str, str], ascii_only: bool) -> None:
    """However it is written, and whatever colons and quotes its strings hold."""
    text = json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "replace")
    keys, _ = measure(json.loads(text), 100)
    assert keys_in_text(text, keys) == keys


@given(OBJECTS, st.text(max_size=5), st.sampled_from(['":', '" :', '"\n:', '"\t :']), st.integers(0, 3))
def test_a_key_that_repeats_is_found_wherever_it_hides(value: dict[str, Any], key: str, colon: str, depth: int) -> None:
    """A6 row 10: parsers disagree about it, an identity bypass; the count of `":` in other strings must not make up for it."""
    quoted = json.dumps(key)[:-1] + colon
    text = "{" + quoted + '"a",' + quoted + '"\\":"' + "".join(f",{json.dumps(k)}:{json.dumps(v)}" for k, v in value.items()) + "}"
    for _ in range(depth):
        text = '{"in":[' + text + ', "x: \\" :"]}'
    assert refusal(text.encode("utf-8", "replace")) == "duplicate_key"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff",
        b'{"a":"\xff"}',
        b'{"a":1',
        b'{"a":1} {"b":2}',
        b'{"a":1},',
        b"[]",
        b"7",
        b'"text"',
        b"null",
        b"[" * 30_000,
        b'{"a":' * 4_000 + b"1" + b"}" * 4_000,
        b'{"n":' + b"9" * 10_000 + b"}",
        b'{"n":NaN}',
        b'{"n":-Infinity}',
        b'{"n":1e400}',
        "{}".encode("utf-16"),
    ],
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    """A6 rows 3 to 9: invalid UTF-8, truncated, trailing, scalar, deep, huge and non-numbers; none of them harms the process."""
    assert refusal(raw) == "invalid_event"


def test_nesting_beyond_the_limit_is_refused_and_at_the_limit_is_not() -> None:
    """S37: depth ≤ 20, lists count."""
    nested: Any = {}
    for _ in range(19):
        nested = {"in": nested}
    assert read_event(json.dumps(nested).encode(), BOUNDS)
    assert refusal(json.dumps({"in": nested}).encode()) == "too_deep"
    assert refusal(json.dumps({"in": [[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}).encode()) == "too_deep"


def test_more_keys_than_the_limit_are_refused() -> None:
    """S37: keys ≤ 1,000, those of inner objects and of objects in lists included."""
    assert read_event(json.dumps({str(n): n for n in range(1_000)}).encode(), BOUNDS)
    assert refusal(json.dumps({"traits": {str(n): n for n in range(1_000)}}).encode()) == "too_many_keys"
    assert refusal(json.dumps({"items": [{"a": n} for n in range(1_000)]}).encode()) == "too_many_keys"


def test_an_event_of_more_than_the_limit_is_refused() -> None:
    """32 KB, counted as sent."""
    assert read_event(b'{"a":"' + b"x" * 32_760 + b'"}', BOUNDS)
    assert refusal(b'{"a":"' + b"x" * 32_761 + b'"}') == "event_too_large"


def test_halves_of_surrogate_pairs_are_replaced_and_whole_ones_kept() -> None:
    """A6 row 11: a browser cut a string in the middle of an emoji; that is no reason to lose the event."""
    assert read_event(rb'{"a":"x\ud83d","b":"\ud83d\ude00","c":"\\ud83d","d":"\ude00y"}', BOUNDS) == {
        "a": "x\ufffd",
        "b": "😀",
        "c": "\\ud83d",
        "d": "\ufffdy",
    }


@given(st.text())
def test_text_without_lone_surrogates_is_left_alone(text: str) -> None:
    """Sanitising touches nothing else."""
    data = json.dumps(text.encode("utf-8", "replace").decode()).encode()
    assert without_lone_surrogates(data) == data


def test_a_batch_is_cut_and_its_bad_events_are_left_for_later() -> None:
    """One bad event harms no neighbour: cutting does not look into events."""
    batch = read_batch(b'{"batch": [{"a":1} , {"a":1,"a":2}, 7], "sentAt":"x", "context":{"ip":"1"}}', BOUNDS, 10)
    assert [bytes(event) for event in batch.events] == [b'{"a":1}', b'{"a":1,"a":2}', b"7"]
    assert batch.root == {"sentAt": "x", "context": {"ip": "1"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_body"),
        (b"[]", "malformed_body"),
        (b"{}", "malformed_body"),
        (b'{"batch":null}', "malformed_body"),
        (b'{"batch":{}}', "malformed_body"),
        (b'{"batch":[{}', "malformed_body"),
        (b'{"batch":[]}x', "malformed_body"),
        (b'{"batch":' + b"[" * 100_000, "malformed_body"),
        (b'{"batch":[1],"batch":[2]}', "duplicate_key"),
        (b'{"batch":[1],"batch":[1]}', "duplicate_key"),
        (b'{"writeKey":"a","batch":[],"writeKey":"b"}', "duplicate_key"),
        (b'{"writeKey" :"[]","batch":[],"context":{"a":1,"a" : 2}}', "duplicate_key"),
        (b'{"batch":[1,2,3,4]}', "batch_too_long"),
        (b'{"batch":[1,2,3,NaN]}', "batch_too_long"),
        (b'{"batch":[NaN],"batch":[2]}', "malformed_body"),
        (b'{"batch":[NaN],"context":{"a":NaN}}', "malformed_body"),
        (b'{"batch":[NaN]]}', "malformed_body"),
        (b'{"batch":[NaN]} x', "malformed_body"),
        (b'[{"batch":[NaN]}]', "malformed_body"),
    ],
)
def test_a_body_that_is_wrong_as_a_whole_is_refused_as_a_whole(body: bytes, code: str) -> None:
    """Also where the root names a key twice: which write key would it be, which batch."""
    with pytest.raises(InvalidMessage) as caught:
        read_batch(body, BOUNDS, 3)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "bad",
    [
        b'{"n":NaN}',
        b'{"n":[-Infinity, "],{"]}',
        b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":1}{"a":2}',
        b'{"a":1} x',
        b"'a'",
        b"",
    ],
)
def test_an_event_that_no_decoder_reads_harms_no_neighbour(bad: bytes) -> None:
    """A6 rows 5, 7 and 9: Python's SDKs write NaN where a number is none, and the other 99 events of their batch are good."""
    batch = read_batch(b'{"a":"\\",[","batch" : [{"x":1}, %s ,{"x":[2,3]}], "context":{"b":[1,2]}}' % bad, BOUNDS, 3)
    assert batch.root == {"a": '",[', "context": {"b": [1, 2]}}
    assert [read_event(batch.events[number], BOUNDS) for number in (0, 2)] == [{"x": 1}, {"x": [2, 3]}]
    assert refusal(bytes(batch.events[1])) in {"invalid_event", "too_deep"}
    assert len(batch.events) == 3


def test_a_batch_with_a_cut_emoji_is_read() -> None:
    """A6 row 11, where the decoder of the whole body would refuse it."""
    batch = read_batch(rb'{"batch":[{"a":"\ud83d"},{"b":1}]}', BOUNDS, 10)
    assert read_event(bytes(batch.events[0]), BOUNDS) == {"a": "\ufffd"}
