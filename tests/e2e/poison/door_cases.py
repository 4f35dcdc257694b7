"""Poison as somebody's SDK, or somebody without one, sends it to the collector. Numbers as in A6; rulings R6, R20 to R24.

What a case expects of the call alone is in `status` and `word`; between good neighbours in a batch it is refused by itself, unless nobody
could tell where it ends.
"""

from __future__ import annotations

import gzip
from typing import Any, Final

from tests.e2e.poison.cases import WHO, YESTERDAY, DoorCase, Fate, Person, call, holding
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

HALF = b'"cut \\ud83d"'
DEEP = 100_000
GZIP: Final = {"Content-Encoding": b"gzip"}


def refused(number: int, kind: str, word: str, body: bytes, **more: Any) -> DoorCase:
    """A call that is not taken."""
    return DoorCase(number, kind, "R", word, body, **more)


def taken(number: int, kind: str, body: bytes, *people: Person, fate: Fate = "S", **more: Any) -> DoorCase:
    """A call that is taken, and applied without what is wrong in it."""
    return DoorCase(number, kind, fate, "taken", body, people=people or (Person(),), **more)


def odd(number: int, type_: str, given: str, normalised: str | None) -> DoorCase:
    """A trait that becomes an identifier which resolves in a form of its own, or not at all."""
    kind, body = f"{type_} {ascii(given)[:60]}", call(traits={type_: given})
    return taken(number, kind, body, fate="P") if normalised is None else taken(number, kind, body, holding(f"{type_}:{normalised}"))


def alias(before: str, now: str, **more: Any) -> bytes:
    """An alias call, of a secret key."""
    return call(type="alias", anonymousId=..., previousId=before, userId=now, **more)


def cycled(one: str, other: str) -> Person:
    """What an alias joins: the two directions of a cycle are two contacts, since their user ids differ."""
    return Person((f"anonymous_token:p21-{one}", f"user_id:p21-{other}"))


REFUSED: Final = (
    refused(1, "zero-byte body", "invalid_event", b"", within="alone"),
    refused(1, "zero-byte body of a batch", "malformed_body", b"", path="/v1/batch", within="alone"),
    refused(3, "invalid UTF-8", "invalid_event", call(b'"\xff"', name="?")),
    refused(3, "a surrogate as bytes", "invalid_event", call(b'"\xed\xa0\x80"', name="?")),
    refused(3, "UTF-16", "invalid_event", call().decode().encode("utf-16")),
    refused(4, "truncated JSON", "invalid_event", call()[:-1], within="malformed"),
    refused(4, "truncated JSON, in the middle of a text", "invalid_event", call()[:-9], within="alone"),
    refused(5, "two documents", "invalid_event", call() + call()),
    refused(5, "trailing garbage", "invalid_event", call() + b" x"),
    *(refused(6, f"{raw.decode()} at top level", "invalid_event", raw) for raw in (b"[]", b"3", b"null", b'"text"')),
    refused(7, "lists 100,000 deep", "event_too_large", call(b"[" * DEEP + b"]" * DEEP, traits={"a": "?"}), status=413),
    refused(7, "lists 15,000 deep", "invalid_event", call(b"[" * 15_000 + b"]" * 15_000, traits={"a": "?"})),
    refused(7, "lists 100 deep", "too_deep", call(b"[" * 100 + b"]" * 100, traits={"a": "?"})),
    refused(7, "objects 5,000 deep, never closed", "invalid_event", b'{"a":' * 5_000, within="malformed"),
    refused(8, "integer of 10,000 digits", "invalid_event", call(b"9" * 10_000, traits={"n": "?"})),
    refused(8, "user id of 10,000 digits", "invalid_event", call(b"9" * 10_000, userId="?")),
    *(refused(9, raw.decode(), "invalid_event", call(raw, traits={"n": "?"})) for raw in (b"NaN", b"-Infinity", b"1e400")),
    refused(10, "userId twice", "duplicate_key", call(b'"a","userId":"victim"', userId="?")),
    refused(10, "userId twice, once behind an escape", "duplicate_key", call(b'"a","user\\u0049d":"victim"', userId="?")),
    refused(10, "a trait twice", "duplicate_key", call(b'1,"a":2', traits={"a": "?"})),
    refused(12, "NUL in messageId", "invalid_message_id", call(messageId="a\0b")),
    refused(
        13, "100 MB of zeros in 100 kB", "body_too_large", gzip.compress(b"\0" * 100_000_000, 9), status=413, headers=GZIP, within="alone"
    ),
    refused(
        13, "200 kB of blanks in 200 bytes", "body_inflates", gzip.compress(b" " * 200_000, 9), status=413, headers=GZIP, within="alone"
    ),
    refused(13, "gzip header on a plain body", "damaged_gzip", call(), headers=GZIP, within="alone"),
    refused(13, "half a gzip body", "damaged_gzip", gzip.compress(call())[:-9], headers=GZIP, within="alone"),
    refused(13, "an encoding that is not taken", "unsupported_encoding", call(), headers={"Content-Encoding": b"br"}, within="alone"),
    refused(14, "no `type`, which only a batch must say", "invalid_type", call(type=...), path="/v1/batch", status=200),
    refused(16, "only a userId that is no text", "missing_identifier", call(b"true", userId="?", anonymousId=...)),
    refused(16, "only a userId that is an object", "missing_identifier", call(b'{"a":1}', userId="?", anonymousId=...)),
    refused(18, "an identifier of 1 MB", "body_too_large", call(userId="x" * 1_000_000), status=413, within="alone"),
    refused(18, "an identifier of 40 kB", "event_too_large", call(userId="x" * 40_000), status=413),
    refused(
        19,
        "10,000 identifiers to merge",
        "event_too_large",
        call(type="merge", mergeProperties=[{"type": "email", "value": f"p{n}@example.com"} for n in range(10_000)]),
        path="/v1/merge",
        status=413,
        secret=True,
    ),
    refused(
        19,
        "11 identifiers to merge",
        "invalid_merge",
        call(type="merge", mergeProperties=[{"type": "email", "value": f"p{n}@example.com"} for n in range(11)]),
        path="/v1/merge",
        secret=True,
    ),
    refused(24, "a messageId of 300 bytes", "invalid_message_id", call(messageId="m" * 300)),
    refused(28, "10,000 traits", "event_too_large", call(traits={f"t{n}": n for n in range(10_000)}), status=413),
    refused(28, "1,001 traits", "too_many_keys", call(traits={f"t{n}": n for n in range(1_001)})),
    refused(34, "an event of 40 kB", "event_too_large", call(traits={"a": "x" * 40_000}), status=413),
)

BY_POLICY: Final = (
    DoorCase(20, "alias to self", "P", "alias_to_self", alias(WHO, WHO), path="/v1/alias", status=200, secret=True),
    DoorCase(20, "alias from a public key", "P", "secret_key_required", alias(WHO, "victim"), path="/v1/alias", status=200),
)

TAKEN: Final = (
    taken(11, "half of a surrogate pair, escaped", call(HALF, traits={"a": "?"}), holding(attributes={"a": "cut \ufffd"})),
    taken(12, "NUL in a trait", call(traits={"a\0b": "c\0d"}), holding(attributes={"a\ufffdb": "c\ufffdd"})),
    taken(12, "NUL in an identifier", call(userId="a\0b")),
    taken(14, "a type that nobody knows", call(type="wave"), path="/v1/batch"),
    taken(15, "a version from the future", call(version="9.9.9", schema=2)),
    taken(16, "user id 1e21", call(b"1e21", userId="?"), holding("user_id:1000000000000000000000")),
    taken(16, "user id 72.0", call(b"72.0", userId="?"), holding("user_id:72")),
    *(taken(16, f"user id {raw.decode()}", call(raw, userId="?")) for raw in (b"1.5", b"true", b'{"a":1}', b"[1]")),
    *(taken(17, f"user id {each!r}", call(userId=each), fate="P") for each in PLACEHOLDERS),
    taken(18, "an identifier of 2,700 bytes", call(userId="x" * 2_700)),
    *(
        taken(21, f"{one} to {other}", alias(f"p21-{one}", f"p21-{other}"), cycled(one, other), path="/v1/alias", secret=True)
        for one, other in ("AB", "BA")
    ),
    *(taken(23, f"timestamp {each!r}", call(timestamp=each), Person(received=True)) for each in TIMES),
    taken(23, "sent before it happened", call(timestamp=YESTERDAY, sentAt="2001-01-01T00:00:00Z"), Person(received=True)),
    taken(24, "no messageId", call(messageId=...)),
    taken(24, "a blank messageId", call(messageId=" ")),
    taken(24, "a messageId that is null", call(messageId=None)),
    taken(
        26,
        "1,000 headers, not UTF-8, a broken traceparent",
        call(),
        headers={"Traceparent": b"00-zz", "X-Odd": b"\xff\xfe", **{f"X-{n}": b"x" for n in range(1_000)}},
    ),
    taken(28, "traits with strange names", call(traits=STRANGE_KEYS), holding(attributes=STRANGE_KEYS)),
    *(odd(29, "email", given, found) for given, found in EMAILS.items()),
    *(odd(29, "phone", given, found) for given, found in PHONES.items()),
    taken(30, "numbers beyond what databases hold", call(traits=STRANGE_NUMBERS), holding(attributes=STRANGE_NUMBERS)),
    taken(30, "the largest float", call(traits={"n": LARGEST_FLOAT}), holding(attributes={"n": LARGEST_FLOAT_IN_DIGITS})),
    taken(30, "2^63 as userId", call(userId=2**63 + 1), holding(f"user_id:{2**63 + 1}")),
    *(
        taken(
            36,
            f"names {given!a}, {last!a}",
            call(traits={"firstName": given, "lastName": last}),
            holding(given_name=given, last_name=last),
        )
        for given, last in NAMES
    ),
)

CASES: Final = (*REFUSED, *BY_POLICY, *TAKEN)
