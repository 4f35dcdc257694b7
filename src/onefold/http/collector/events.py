"""From a body's bytes to single calls, within limits: size, depth, number of keys, and no key twice (S37, A6).

One bad event harms no neighbour: a batch is first cut into raw events, each of which is read by itself. Called by `app`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from onefold.errors import InvalidMessage
from onefold.http.collector.refusals import EventRefused

_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
"""One that nothing ends goes to the end of the text: looked for anew from each quote in it, it would take minutes (S39)."""
_KEY_OR_STRING = re.compile(_STRING + rb"[ \t\n\r]*(:?)", re.DOTALL)
_SIGN_OR_STRING = re.compile(_STRING + rb"|[\[\]{},]", re.DOTALL)
_SPACED_COLONS = (b" :", b"\n:", b"\t:", b"\r:")
_ESCAPE = re.compile(rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL)
_REPLACEMENT = rb"\ufffd"

_decode = msgspec.json.Decoder().decode
_decode_root = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large one event may be."""

    event_bytes: int = 32_768
    depth: int = 20
    keys: int = 1_000


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch cut into raw events, and what its root says about all of them."""

    root: dict[str, Any]
    events: list[msgspec.Raw]


def read_event(raw: bytes | msgspec.Raw, bounds: Bounds) -> dict[str, Any]:
    """One event. Raises EventRefused with the reason."""
    data = bytes(raw) if isinstance(raw, msgspec.Raw) else raw
    if len(data) > bounds.event_bytes:
        raise EventRefused("event_too_large")
    call = _read(data)
    if type(call) is not dict:
        raise EventRefused("invalid_event")
    try:
        check(call, data, bounds)
    except EventRefused as refused:
        raise EventRefused(refused.code, message_id=call.get("messageId")) from None
    return call


def read_batch(body: bytes, bounds: Bounds, most_events: int) -> Batch:
    """Cut a batch. Raises InvalidMessage where the body as a whole is wrong; single events are not read yet."""
    try:
        fields = _decode_root(body)
        raw = fields.pop("batch", None)
        events = _decode_items(raw if raw is not None else b"null")
        root = {name: _decode(value) for name, value in fields.items()}
        skeleton = _without(body, bytes(raw)) if raw is not None else body
    except _UNREADABLE:
        skeleton, events = cut_by_brackets(body)
        root = _read_root(without_lone_surrogates(skeleton))
    if len(events) > most_events:
        raise InvalidMessage(f"A batch may hold {most_events} events; this one holds {len(events)}.", code="batch_too_long")
    _check_root(root, skeleton, bounds)
    return Batch(root, events)


def cut_by_brackets(body: bytes) -> tuple[bytes, list[msgspec.Raw]]:
    """The body with its batch emptied, and the batch cut where brackets and commas say, whatever stands between them.

    For bodies that the decoder does not read: one event with a NaN, as Python's SDKs write it, or nested too deep, harms no neighbour.
    """
    events: list[msgspec.Raw] = []
    level, key, first, begin, last = 0, b"", 0, 0, 0
    for found in _SIGN_OR_STRING.finditer(body):
        sign = found[0]
        if sign == b"[" and level == 1 and key == b'"batch"' and not first:
            first = begin = found.end()
        if sign in {b"[", b"{"}:
            level += 1
        elif sign in {b"]", b"}"}:
            level -= 1
        elif level == 1:
            key = sign
        if first and not last and (level == 1 or (level == 2 and sign == b",")):  # noqa: PLR2004 - within the batch
            events.append(msgspec.Raw(body[begin : found.start()]))
            begin = found.end()
            last = found.start() if level == 1 else 0
    if level or not last:
        raise _malformed()
    whole = body[first:last]
    return body[:first] + body[last:], events if whole.strip() else []


def check(value: dict[str, Any], data: bytes, bounds: Bounds, *, known_keys: int = 0) -> None:
    """Raise EventRefused unless `value`, decoded from `data`, keeps the bounds and no object in it names a key twice.

    The decoder keeps the last of two equal keys; so the text then holds more keys than the value. `known_keys` are in the text only.
    """
    keys, depth = measure(value, bounds.depth)
    if depth > bounds.depth:
        raise EventRefused("too_deep")
    if keys > bounds.keys:
        raise EventRefused("too_many_keys")
    if keys_in_text(data, keys + known_keys) != keys + known_keys:
        raise EventRefused("duplicate_key")


def measure(value: dict[str, Any], limit: int) -> tuple[int, int]:
    """How many keys all objects in `value` have together, and how deep they lie; stops below `limit` levels."""
    keys, depth = 0, 0
    level: list[Any] = [value]
    while level and depth <= limit:
        depth += 1
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                keys += len(item)
                below += [inner for inner in item.values() if type(inner) is dict or type(inner) is list]
            else:
                below += [inner for inner in item if type(inner) is dict or type(inner) is list]
        level = below
    return keys, depth


def keys_in_text(data: bytes, expected: int) -> int:
    """How many keys valid JSON text holds, those that repeat included.

    Each key ends in a quote and a colon, with blanks between them or not. Where no colon in the text follows a blank, the
    number of `":` is at least that of the keys; if it is also no more than `expected`, the least that there can be, it is exact.
    """
    if not any(spaced in data for spaced in _SPACED_COLONS) and data.count(b'":') == expected:
        return expected
    return _KEY_OR_STRING.findall(data).count(b":")


def without_lone_surrogates(data: bytes) -> bytes:
    """The text with escaped halves of surrogate pairs replaced: browsers cut strings in the middle of an emoji (A6 row 11)."""
    return _ESCAPE.sub(lambda found: _REPLACEMENT if found.group(2) else found.group(0), data)


def _read(data: bytes) -> Any:
    try:
        return _decode(data)
    except _UNREADABLE:
        pass
    try:
        return _decode(without_lone_surrogates(data))
    except _UNREADABLE:
        raise EventRefused("invalid_event") from None


def _read_root(skeleton: bytes) -> dict[str, Any]:
    try:
        root = _decode(skeleton)
    except _UNREADABLE:
        raise _malformed() from None
    if type(root) is not dict or root.pop("batch", None) != []:
        raise _malformed()
    return root


def _malformed() -> InvalidMessage:
    return InvalidMessage("The body is not a JSON object with `batch`, a list of events.", code="malformed_body")


def _check_root(root: dict[str, Any], skeleton: bytes, bounds: Bounds) -> None:
    try:
        check(root, skeleton, bounds, known_keys=1)
    except EventRefused as refused:
        raise InvalidMessage(f"Outside of its events the body is refused: {refused}", code=refused.code) from None


def _without(body: bytes, raw: bytes) -> bytes:
    """The body without the raw list: `find` would prepare for a long needle, a comparison at each bracket is cheaper."""
    at = body.find(b"[")
    while not body.startswith(raw, at):
        at = body.find(b"[", at + 1)
    return body[:at] + body[at + len(raw) :]
