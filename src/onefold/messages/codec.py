"""Bytes to messages and back. What cannot be read raises InvalidMessage or UnsupportedVersion, with a stable code, and nothing else.

The good case is one typed decode; which fault a bad one has is found out afterwards, at leisure. Called by every consumer; the three
fates of what it raises are decided by the streams.
"""

from __future__ import annotations

from functools import lru_cache
from re import compile as pattern
from typing import Final, TypeVar

import msgspec

from onefold.errors import InvalidMessage
from onefold.messages import faults
from onefold.messages.interactions import WORKSPACE_PATTERN, SkimmedInteraction, WireIdentifier, record_key
from onefold.messages.topics import MAX_MESSAGE_BYTES

SUPPORTED_VERSION: Final = 1
MAX_IDENTIFIERS: Final = 100
MAX_TRAITS: Final = 1_000
MAX_WORD_BYTES: Final = 1_024
"""Of an event id, a type, a channel: Postgres could index no more than about 2,700 bytes, and nobody means that."""

AnyMessage = TypeVar("AnyMessage", bound=msgspec.Struct)

_WORKSPACE: Final = pattern(WORKSPACE_PATTERN.rstrip("$"))
_CONTROL: Final = pattern(r"[\x00-\x1f\x7f]")
_skimmed: Final = msgspec.json.Decoder(SkimmedInteraction)
_identifiers: Final = msgspec.json.Decoder(list[WireIdentifier])
_encoder: Final = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """The message as JSON."""
    return _encoder.encode(message)


def skim(value: bytes | None, *, max_bytes: int = MAX_MESSAGE_BYTES) -> SkimmedInteraction:
    """The interaction in a record's value, with identifiers left as they came. Raises InvalidMessage or UnsupportedVersion.

    Visitors come in visits, and name themselves by the same bytes each time: who has read those once, with `decode_identifiers`, need not
    read them again. Unknown fields are skipped after a check of their syntax and encoding; they stay in the original bytes.
    """
    readable = faults.check_bytes(value, max_bytes)
    try:
        message = _skimmed.decode(readable)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise faults.explain(readable, error, SUPPORTED_VERSION) from error
    if message.schema != SUPPORTED_VERSION:
        raise faults.wrong_version(message.schema, SUPPORTED_VERSION)
    _check(message)
    faults.check_single_keys(readable)
    return message


def decode_identifiers(raw: msgspec.Raw | bytes) -> list[WireIdentifier]:
    """The identifiers in the bytes that a skimmed interaction has of them. Raises InvalidMessage."""
    text = bytes(raw)
    try:
        identifiers = _identifiers.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise faults.explain(text, error, SUPPORTED_VERSION) from error
    if len(identifiers) > MAX_IDENTIFIERS:
        raise InvalidMessage(f"{len(identifiers)} identifiers; {MAX_IDENTIFIERS} at most", code="too_many_identifiers")
    faults.check_single_names(text, len(identifiers))
    return identifiers


def key_of(value: bytes | None) -> bytes:
    """The key that a record of `interactions` with this value must have. Raises InvalidMessage or UnsupportedVersion."""
    message = skim(value)
    return record_key(message.workspace, decode_identifiers(message.identifiers))


def decode(value: bytes | None, kind: type[AnyMessage], *, max_bytes: int = MAX_MESSAGE_BYTES) -> AnyMessage:
    """A message of any kind, as who trusts its writer reads it. Raises InvalidMessage or UnsupportedVersion."""
    readable = faults.check_bytes(value, max_bytes)
    try:
        message: AnyMessage = _decoder(kind).decode(readable)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise faults.explain(readable, error, SUPPORTED_VERSION) from error
    version = getattr(message, "schema", SUPPORTED_VERSION)
    if version != SUPPORTED_VERSION:
        raise faults.wrong_version(version, SUPPORTED_VERSION)
    return message


@lru_cache(maxsize=64)
def _decoder(kind: type[AnyMessage]) -> msgspec.json.Decoder[AnyMessage]:
    return msgspec.json.Decoder(kind)


def _check(message: SkimmedInteraction) -> None:
    """What the types cannot say. The workspace names what a transaction may see, so its form is checked here, at the door."""
    if not _is_workspace(message.workspace):
        raise _missing_or("workspace", message.workspace)
    if not _is_word(message.event_id):
        raise _missing_or("event_id", message.event_id)
    if not _is_known_word(message.type):
        raise _missing_or("type", message.type)
    if not _is_known_word(message.channel):
        raise _missing_or("channel", message.channel)
    if message.asserts is not None and len(message.asserts) > MAX_IDENTIFIERS:
        raise InvalidMessage(f"{len(message.asserts)} identifiers asserted; {MAX_IDENTIFIERS} at most", code="too_many_identifiers")
    if message.traits is not None and len(message.traits) > MAX_TRAITS:
        raise InvalidMessage(f"{len(message.traits)} traits; {MAX_TRAITS} at most", code="too_many_traits")


def _missing_or(field: str, text: str) -> InvalidMessage:
    if not text or text.isspace():
        return InvalidMessage(f"`{field}` is blank", code=f"missing_{field}")
    return InvalidMessage(
        f"`{field}` is not of the form it must have: without control characters, at most {MAX_WORD_BYTES} bytes,"
        " a workspace of lower-case letters, digits, _ and -",
        code=f"invalid_{field}",
    )


@lru_cache(maxsize=10_000)
def _is_workspace(text: str) -> bool:
    return _WORKSPACE.fullmatch(text) is not None


def _is_word(text: str) -> bool:
    if not text or text.isspace() or (not text.isprintable() and _CONTROL.search(text)):
        return False
    return len(text) <= MAX_WORD_BYTES // 4 or len(text.encode()) <= MAX_WORD_BYTES


_is_known_word = lru_cache(maxsize=1_000)(_is_word)
