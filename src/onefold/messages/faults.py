"""What is wrong with bytes that are no message: one stable code for each kind of fault (reference/reliability.md, A6).

Depth and repeated keys are judged on the text: the decoder's own limit of depth depends on who calls it, and of two equal keys it
keeps the last one while other readers keep the first, which would let one message be two people's.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from onefold.errors import InvalidMessage, OnefoldError, UnsupportedVersion

MAX_DEPTH: Final = 64

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
"""One that nothing ends goes to the end of the text: looked for anew from each quote in it, it would take minutes (S39)."""
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_PAIR_OR_LONE: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.", re.DOTALL
)
_PAIR_BYTES: Final = 12
_LONE_BYTES: Final = 6
_ESCAPED_ASCII: Final = b"\\u00"

_WORDS: Final = (
    # fragment of msgspec's text, our code
    ("trailing characters", "trailing_garbage"),
    ("out of range", "number_out_of_range"),
    ("Expected `object`, got", "not_an_object"),
    ("truncated", "truncated"),
)


class _Version(msgspec.Struct):
    schema: int = 1


_version: Final = msgspec.json.Decoder(_Version)


def check_bytes(value: bytes | None, max_bytes: int) -> bytes:
    """The value, if it may be decoded at all. Raises InvalidMessage."""
    if value is None:
        raise InvalidMessage("the value is null, which deletes nothing on this topic", code="null_value")
    if not value:
        raise InvalidMessage("the value is empty", code="empty_value")
    if len(value) > max_bytes:
        raise InvalidMessage(f"{len(value)} bytes; {max_bytes} at most", code="too_large")
    if not value.isascii():
        try:
            # The decoder leaves what it skips unchecked.
            value.decode()
        except UnicodeDecodeError as error:
            raise InvalidMessage(f"not UTF-8: {error.reason} at byte {error.start}", code="invalid_utf8") from error
    if value.count(b"{") + value.count(b"[") > MAX_DEPTH and depth(value) > MAX_DEPTH:
        raise InvalidMessage(f"nested deeper than {MAX_DEPTH} levels", code="nesting_too_deep")
    return value


def depth(text: bytes) -> int:
    """How deep brackets nest in JSON text, those in strings left out."""
    level = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", text)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest


def explain(value: bytes, error: Exception, supported: int) -> OnefoldError:
    """The error to raise for bytes that did not decode."""
    if isinstance(error, RecursionError):
        return InvalidMessage("nested too deep", code="nesting_too_deep")
    if _has_lone_surrogate(value):
        return InvalidMessage("half of a surrogate pair is escaped, which no UTF-8 can say", code="lone_surrogate")
    if not isinstance(error, msgspec.ValidationError):
        text = str(error)
        code = next((word for fragment, word in _WORDS if fragment in text), "malformed_json")
        return InvalidMessage(text, code=code)
    return _wrong_content(value, str(error), supported)


def _wrong_content(value: bytes, text: str, supported: int) -> OnefoldError:
    """JSON it is, but not the message. A newer version may look different: what it says of itself comes first."""
    try:
        version = _version.decode(value).schema
    except (msgspec.MsgspecError, RecursionError, ValueError):
        version = supported
    if version != supported:
        return wrong_version(version, supported)
    missing = re.search(r"missing required field `(\w+)`$", text)
    if missing is not None:
        return InvalidMessage(f"`{missing[1]}` is missing", code=f"missing_{missing[1]}")
    at_top = " - at `$" not in text
    for fragment, code in _WORDS:
        if fragment in text and (at_top or code != "not_an_object"):
            return InvalidMessage(text, code=code)
    return InvalidMessage(text, code="wrong_type")


def wrong_version(found: int, supported: int) -> OnefoldError:
    """The error for a schema version that this build does not read."""
    if found > supported:
        return UnsupportedVersion(found, supported)
    return InvalidMessage(f"schema version {found} never was", code="invalid_schema")


def _has_lone_surrogate(value: bytes) -> bool:
    return any(len(found) == _LONE_BYTES for found in _PAIR_OR_LONE.findall(value))


def check_single_keys(value: bytes) -> None:
    """Raise InvalidMessage where a key that decides who is who is named twice in one object (poison 10).

    Counting is enough for nearly every message (half a microsecond); what counts wrong, has a proof or a token's list, or hides letters
    behind escapes, is looked at closely.
    """
    if (
        value.count(b'"workspace"') != 1
        or value.count(b'"identifiers"') > 1
        or value.count(b'"assurance"') > 1
        or value.count(b'"proof"') != value.count(b'"proof":null')
        or value.count(b'"asserts"') != value.count(b'"asserts":null')
        or (b"\\" in value and _ESCAPED_ASCII in value)
    ):
        json.loads(value, object_pairs_hook=_single)


def check_single_names(raw: bytes, expected: int) -> None:
    """The same for the keys of identifiers, of which `raw` should hold so many."""
    if raw.count(b'"semantic_type"') != expected or raw.count(b'"identifier"') != expected or (b"\\" in raw and _ESCAPED_ASCII in raw):
        json.loads(raw, object_pairs_hook=_single)


def _single(pairs: list[tuple[str, object]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise InvalidMessage("an object names a key twice, and readers disagree on which one counts", code="duplicate_key")
