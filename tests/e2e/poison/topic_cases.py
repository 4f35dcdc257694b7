"""Poison straight on the topic, produced by somebody who may (product.md, section 5). Numbers as in A6; rulings R6, R20 to R24.

What an event says is never a reason for a dead letter if it can be kept without it: only what cannot be read, or what two readers
would read differently, is one.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from tests.e2e.poison.cases import KEY, WHO, Fate, Person, TopicCase, holding, record
from tests.e2e.poison.zoo import (
    EMAILS,
    LARGEST_FLOAT,
    LARGEST_FLOAT_IN_DIGITS,
    NAMES,
    PHONES,
    PLACEHOLDERS,
    STRANGE_KEYS,
    STRANGE_NUMBERS,
    TIMES,
)

DEEP = 100_000
HALF = b'"\\ud83d and more"'
STRANGE_HEADERS: Final = (
    *(("trace", b"\xff\xfe"), ("none", None), ("", b""), *(("traceparent", b"00-zz-\x00"),) * 3),
    *((f"h{n}", b"x" * 50) for n in range(1_000)),
)
FORGED_HEADERS: Final = (("dead_letter_reason", None), ("dead_letter_attempts", b"9" * 5_000), ("dead_letter_colour", b"blue"))
PROVED: dict[str, Any] = {"assurance": "proved", "proof": {"semantic_type": "email", "identifier": "proved@example.com", "method": "o\0tp"}}


def dead(number: int, kind: str, code: str, value: bytes | None, *, key: bytes | None = KEY, **more: Any) -> TopicCase:
    """A record that must end in the dead letters."""
    return TopicCase(number, kind, "D", code, ((key, value),), **more)


def kept(number: int, kind: str, value: bytes, *people: Person, fate: Fate = "S", word: str = "created", **more: Any) -> TopicCase:
    """A record that is applied, without what is wrong in it."""
    return TopicCase(number, kind, fate, word, ((KEY, value),), people=people or (Person(),), **more)


def several(number: int, kind: str, word: str, *records: bytes | tuple[bytes, bytes], people: tuple[Person, ...]) -> TopicCase:
    """Records in a row, those of another key as pairs of key and value."""
    return TopicCase(number, kind, "S", word, tuple(each if isinstance(each, tuple) else (KEY, each) for each in records), people=people)


def odd(number: int, type_: str, given: str, normalised: str | None) -> TopicCase:
    """An identifier that resolves in a form of its own, or not at all."""
    value = record(b"", (type_, given))
    if normalised is None:
        return kept(number, f"{type_} {ascii(given)[:60]}", value, fate="P")
    return kept(number, f"{type_} {ascii(given)[:60]}", value, holding(f"{type_}:{normalised}"))


DEAD: Final = (
    dead(1, "zero-byte value", "empty_value", b""),
    dead(2, "null value", "null_value", None),
    dead(3, "invalid UTF-8", "invalid_utf8", record(b'"\xff"', name="?")),
    dead(3, "invalid UTF-8 in a field that nobody knows", "invalid_utf8", record(b'"\xff"', unknown="?")),
    dead(3, "a surrogate as bytes", "invalid_utf8", record(b'"\xed\xa0\x80"', name="?")),
    dead(4, "truncated JSON", "truncated", record()[:-9]),
    dead(5, "two documents", "trailing_garbage", record() + record()),
    dead(5, "trailing garbage", "trailing_garbage", record() + b" x"),
    dead(6, "an array at top level", "not_an_object", b"[]"),
    dead(6, "a number at top level", "not_an_object", b"3"),
    dead(6, "null at top level", "not_an_object", b"null"),
    dead(7, "lists 100,000 deep", "nesting_too_deep", record(b"[" * DEEP + b"]" * DEEP, traits={"a": "?"})),
    dead(7, "objects 100,000 deep, never closed", "nesting_too_deep", b'{"a":' * DEEP),
    dead(7, "lists 100,000 deep in a field that nobody knows", "nesting_too_deep", record(b"[" * DEEP + b"]" * DEEP, unknown="?")),
    dead(8, "integer of 10,000 digits", "number_out_of_range", record(b"9" * 10_000, traits={"n": "?"})),
    dead(8, "integer of 10,000 digits as identifier", "number_out_of_range", record(b"9" * 10_000, ("user_id", "?"))),
    dead(9, "NaN", "malformed_json", record(b"NaN", traits={"n": "?"})),
    dead(9, "-Infinity", "malformed_json", record(b"-Infinity", traits={"n": "?"})),
    dead(9, "1e400", "number_out_of_range", record(b"1e400", traits={"n": "?"})),
    dead(10, "`identifier` twice in one object", "duplicate_key", record().replace(b'"WHO"}', b'"WHO","identifier":"victim"}')),
    dead(10, "`workspace` twice", "duplicate_key", record(b'"acme","workspace":"beta"', workspace="?")),
    dead(
        10, "`identifiers` twice", "duplicate_key", record()[:-1] + b',"identifiers":[{"semantic_type":"user_id","identifier":"victim"}]}'
    ),
    dead(11, "half of a surrogate pair, escaped", "lone_surrogate", record(HALF, traits={"a": "?"})),
    dead(12, "NUL in the event id", "invalid_event_id", record(event_id="a\0b")),
    dead(14, "no `type`", "missing_type", record(type=...)),
    dead(15, "schema version 2", "unsupported_version", record(schema=2)),
    dead(15, "schema version 3, of another shape", "unsupported_version", record(schema=3, identifiers={"by": "type"})),
    dead(19, "10,000 identifiers", "too_many_identifiers", record(b"", *(("email", f"p{n}@example.com") for n in range(10_000)))),
    dead(24, "no event id", "missing_event_id", record(event_id=...)),
    dead(24, "a blank event id", "missing_event_id", record(event_id=" ")),
    dead(25, "the key of another visitor", "key_mismatch", record(), key=b"acme:victim"),
    dead(25, "a null key", "key_mismatch", record(), key=None),
    dead(26, "strange headers on garbage", "malformed_json", b"garbage", headers=STRANGE_HEADERS),
    dead(26, "headers like a dead letter's own on garbage", "malformed_json", b"garbage", headers=FORGED_HEADERS),
    dead(28, "10,000 traits", "too_many_traits", record(traits={f"t{n}": n for n in range(10_000)})),
    dead(34, "5 MB, more than the consumer fetches at once", "too_large", record(traits={"a": Random(34).randbytes(2_500_000).hex()})),
    dead(34, "3 MB, compressed to less than the topic's limit", "too_large", record(traits={"a": "x" * 3_000_000}), compressed=True),
    dead(30, "a text that Postgres refuses", "rejected_by_store", record(b"", ("email", "proved@example.com"), **PROVED)),
)

KILLER: Final = "a" * 1_000 + "!"

KEPT: Final = (
    kept(10, "a trait twice: the last one counts", record(b'1,"a":2', traits={"a": "?"}), holding(attributes={"a": 2})),
    kept(
        12,
        "NUL in traits and their names",
        record(traits={"a\0b": {"c\0": ["d\0"]}, "given_name": "An\0n"}),
        holding(given_name="An\ufffdn", attributes={"a\ufffdb": {"c\ufffd": ["d\ufffd"]}}),
    ),
    kept(12, "NUL in an identifier", record(b"", ("user_id", "a\0b"))),
    kept(14, "a `type` that nobody knows", record(type="wave")),
    kept(16, "user id 1e21", record(b"1e21", ("user_id", "?")), holding("user_id:1000000000000000000000")),
    several(
        16,
        'user ids 71, 71.0 and "71" are one',
        "created, seen, seen",
        *(record(raw, ("user_id", "?"), event_id=f"{WHO}-{raw.decode().strip(chr(34))}-{len(raw)}") for raw in (b"71", b"71.0", b'"71"')),
        people=(holding("user_id:71"),),
    ),
    *(kept(16, f"user id {raw.decode()}", record(raw, ("user_id", "?"))) for raw in (b"1.5", b"true", b'{"a":1}', b"[1]")),
    kept(17, "every placeholder beside a token", record(b"", *(("user_id", each) for each in PLACEHOLDERS)), fate="P"),
    TopicCase(
        17,
        "nothing but placeholders",
        "P",
        "unresolved (no_identifier)",
        ((b"acme:undefined", record(b"", ("user_id", "null"), token="undefined")),),
    ),
    kept(18, "an identifier of 1 MB", record(b"", ("user_id", "x" * 1_000_000))),
    kept(18, "an identifier of 2,700 bytes", record(b"", ("user_id", "x" * 2_700))),
    kept(18, "an identifier of 1,024 bytes", record(b"", ("user_id", "y" * 1_024)), holding("user_id:" + "y" * 1_024)),
    kept(20, "alias to self", record(b"", ("anonymous_token", WHO), type="alias"), fate="P"),
    several(
        21,
        "A to B, then B to A, then both again",
        "created, created, merged, seen, seen",
        (b"acme:WHO-A", record(token=f"{WHO}-A", event_id="1")),
        (b"acme:WHO-B", record(token=f"{WHO}-B", event_id="2")),
        (b"acme:WHO-A", record(b"", ("anonymous_token", f"{WHO}-B"), token=f"{WHO}-A", event_id="3", type="alias")),
        (b"acme:WHO-B", record(b"", ("anonymous_token", f"{WHO}-A"), token=f"{WHO}-B", event_id="4", type="alias")),
        (b"acme:WHO-A", record(b"", ("anonymous_token", f"{WHO}-B"), token=f"{WHO}-A", event_id="5", type="alias")),
        people=(Person((f"anonymous_token:{WHO}-A", f"anonymous_token:{WHO}-B")),),
    ),
    several(
        22,
        "alias to a contact that was merged away",
        "created, created, merged, attached",
        (b"acme:WHO-A", record(token=f"{WHO}-A", event_id="1")),
        (b"acme:WHO-B", record(token=f"{WHO}-B", event_id="2")),
        (b"acme:WHO-A", record(b"", ("anonymous_token", f"{WHO}-B"), token=f"{WHO}-A", event_id="3", type="alias")),
        (b"acme:WHO-C", record(b"", ("anonymous_token", f"{WHO}-B"), token=f"{WHO}-C", event_id="4", type="alias")),
        people=(Person((f"anonymous_token:{WHO}-A", f"anonymous_token:{WHO}-B", f"anonymous_token:{WHO}-C")),),
    ),
    several(
        22,
        "alias to what another workspace holds",
        "created, created",
        (b"beta:WHO-B", record(b"", ("user_id", "of-beta"), token=f"{WHO}-B", workspace="beta")),
        record(b"", ("user_id", "of-beta"), type="alias"),
        people=(holding("user_id:of-beta"),),
    ),
    *(kept(23, f"occurred_at {each!r}", record(occurred_at=each), Person(received=True)) for each in TIMES),
    several(
        24,
        "the same event twice",
        "created, seen",
        record(traits={"a": 1}),
        record(traits={"a": 1}),
        people=(holding(attributes={"a": 1}),),
    ),
    several(
        24,
        "one event id, two bodies: both are applied",
        "created, updated",
        record(traits={"a": 1}),
        record(traits={"b": 2}),
        people=(holding(attributes={"a": 1, "b": 2}),),
    ),
    kept(26, "1,000 headers, not UTF-8, null, empty, repeated, a broken traceparent", record(), headers=STRANGE_HEADERS),
    kept(26, "headers like a dead letter's own", record(), headers=FORGED_HEADERS),
    TopicCase(27, "a workspace that nobody knows", "P", "unresolved (unknown_workspace)", ((b"nobody:WHO", record(workspace="nobody")),)),
    kept(28, "traits with strange names", record(traits=STRANGE_KEYS), holding(attributes=STRANGE_KEYS)),
    several(
        28,
        "traits that pile up: what is over 128 KiB a contact is left out",
        "created, updated, parked (limit), updated",
        *(record(traits={f"t{n}": str(n) * 60_000}, event_id=f"{n}") for n in range(3)),
        record(traits={"t3": 3}, event_id="3"),
        people=(holding(attributes={"t0": "0" * 60_000, "t1": "1" * 60_000, "t3": 3}),),
    ),
    kept(
        28,
        "a trait of 900 kB beside a good one",
        record(traits={"a": "x" * 900_000, "b": 1, "given_name": "Ann"}),
        holding(given_name="Ann", attributes={"b": 1}),
        word="parked (limit)",
    ),
    *(odd(29, "email", given, found) for given, found in EMAILS.items()),
    *(odd(29, "phone", given, found) for given, found in PHONES.items()),
    kept(30, "numbers beyond what databases hold", record(traits=STRANGE_NUMBERS), holding(attributes=STRANGE_NUMBERS)),
    several(
        30,
        "the largest float, told twice",
        "created, seen",
        record(traits={"n": [LARGEST_FLOAT]}, event_id="1"),
        record(traits={"n": [LARGEST_FLOAT]}, event_id="2"),
        people=(holding(attributes={"n": [LARGEST_FLOAT_IN_DIGITS]}),),
    ),
    kept(30, "2^63 as identifier", record(b"", ("user_id", 2**63)), holding(f"user_id:{2**63}")),
    kept(31, "a text that makes the pattern `(a+)+$` explode", record(b"", ("user_id", KILLER)), holding(f"user_id:{KILLER}")),
    kept(31, "the same text in traits", record(traits={"a": KILLER * 100}), holding(attributes={"a": KILLER * 100})),
    kept(31, "a text that the pattern blocks", record(b"", ("user_id", "a" * 1_000)), fate="P"),
    *(
        kept(
            36,
            f"names {given!a}, {last!a}",
            record(traits={"given_name": given, "last_name": last}),
            holding(given_name=given, last_name=last),
        )
        for given, last in NAMES
    ),
)

KILLER_PATTERNS: Final = ("^(a+)+$", "^(a|aa)+$", "^(.*a){25}$")
"""Blocked values of user ids while the cases run: a backtracking engine takes longer over the texts of poison 31 than a universe lasts."""

CASES: Final = (*DEAD, *KEPT)
