"""From a record of `interactions` to the interaction that the heart decides on: decode, check the key, settle time, sort values.

Raises InvalidMessage or UnsupportedVersion for what belongs into the dead letters. What merely does not resolve (an identifier
that is a placeholder, a bad time) is sanitised and kept on the event. Called by the resolver, by what-if and by replay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from onefold.errors import InvalidMessage
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.interaction import Interaction, Position, Proof
from onefold.messages.codec import skim
from onefold.messages.times import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from onefold.identity.identifiers import Dropped, Identifier, IdentifierKey
    from onefold.identity.rules import Rules
    from onefold.messages.interactions import InteractionMessage, SkimmedInteraction, WireIdentifier

    Message = InteractionMessage | SkimmedInteraction

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = {"given_name": "given_name", "firstName": "given_name", "last_name": "last_name", "lastName": "last_name"}
GROUP = "group"
"""The type of interactions that say whom their contact belongs to."""
_EXPONENTS_FROM = 1e16
_IDENTIFIER_TRAITS = ("email", "phone")


class Arrival(NamedTuple):
    """Where and when a record was appended."""

    position: Position
    appended_at: datetime
    key: bytes | None
    value: bytes = b""
    is_released: bool = False
    """Whether an operator put it back from where a limit had parked it."""


def check_key(expected: bytes, key: bytes | None) -> None:
    """A record under a foreign key breaks the order per visitor silently, so it is refused (poison 25)."""
    if key != expected:
        raise InvalidMessage(
            f"the record's key is not the {expected!r} that its workspace and first identifier give; order per visitor would break",
            code="key_mismatch",
        )


def identify(wire: Iterable[WireIdentifier], rules: Rules) -> tuple[tuple[Identifier, ...], tuple[Dropped, ...]]:
    """The identifiers of a message that resolve under the rules of its workspace, and what was dropped."""
    return resolve_identifiers([(each.semantic_type, each.identifier, each.slug) for each in wire], rules)


def read(
    message: Message, identifiers: tuple[Identifier, ...], arrival: Arrival, rules: Rules, dropped: tuple[Dropped, ...] = ()
) -> Interaction:
    """The interaction in a decoded message. `identifiers` and `dropped` are what `identify` gave for it under the same rules."""
    assurance = Assurance.of(message.assurance)
    fields: dict[str, str] = {}
    attributes: dict[str, object] = {}
    if message.traits:
        fields, attributes = _values(message.traits)
    return Interaction(
        position=arrival.position,
        event_id=message.event_id,
        workspace=message.workspace,
        type=message.type,
        channel=message.channel,
        assurance=assurance,
        at=event_time(message, arrival.appended_at),
        appended_at=arrival.appended_at,
        identifiers=identifiers,
        dropped=dropped,
        proof=_proof(message, identifiers, dropped, rules) if assurance is Assurance.PROVED else None,
        asserts=_asserts(message, rules) if assurance is Assurance.ASSERTED else None,
        fields=fields,
        attributes=attributes,
        group=message.group if message.type == GROUP and message.group else None,
        raw=arrival.value,
        is_released=arrival.is_released,
    )


def event_time(message: Message, appended_at: datetime) -> datetime:
    """When it happened: as told, else when it was received, else appended; never after the append (R12, R27)."""
    told = _told(message)
    return told if told is not None and told < appended_at else appended_at


def with_event_time(value: bytes, appended_at: datetime) -> bytes:
    """The message as it is appended again at another time, so that the event stays when it was: with `occurred_at` where it would move.

    All else stays byte by byte. Raises InvalidMessage or UnsupportedVersion.
    """
    message = skim(value)
    at = event_time(message, appended_at)
    if _told(message) == at:
        return value
    content = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    content["occurred_at"] = msgspec.Raw(msgspec.json.encode(time_text(at)))
    return msgspec.json.encode(content)


def event_seconds(message: Message, appended_ms: int) -> float:
    """The same, in seconds since 1970."""
    told = _told(message)
    appended = appended_ms / 1000
    return appended if told is None else min(told.timestamp(), appended)


def arrival_time(message: Message) -> datetime | None:
    """When it arrived, of a message that lies in no log: as received, else as it happened; None where it says neither (R27)."""
    return _time(message.received_at) or _time(message.occurred_at)


def _told(message: Message) -> datetime | None:
    return _time(message.occurred_at) or _time(message.received_at)


def carries_values(message: Message) -> bool:
    """Whether it may change a field or an attribute of its contact, or whom it belongs to."""
    return (message.type == GROUP and bool(message.group)) or (message.traits is not None and any(_values(message.traits)))


def _time(value: object) -> datetime | None:
    """An RFC 3339 time with a zone after 1970, else None (poison 23)."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is None or found < _EARLIEST:
            return None
        return found if found.tzinfo is UTC else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _proof(message: Message, identifiers: tuple[Identifier, ...], dropped: tuple[Dropped, ...], rules: Rules) -> Proof | None:
    """What a proved interaction proves (R8): the named identifier, else its only email or phone. One in quarantine is one, too."""
    if message.proof is None:
        candidates = [each for each in identifiers if each.semantic_type in _IDENTIFIER_TRAITS]
        is_only = not any(each.reason == "quarantined" and each.semantic_type in _IDENTIFIER_TRAITS for each in dropped)
        return Proof(candidates[0].key, "channel") if len(candidates) == 1 and is_only else None
    named, _ = resolve_identifiers([(message.proof.semantic_type, message.proof.identifier, None)], rules)
    present = {each.key for each in identifiers}
    return Proof(named[0].key, message.proof.method) if named and named[0].key in present else None


def _asserts(message: Message, rules: Rules) -> frozenset[IdentifierKey] | None:
    """What a token asserts of the interaction; what does not resolve asserts nothing, and no list at all asserts the whole of it."""
    if message.asserts is None:
        return None
    named, _ = identify(message.asserts, rules)
    return frozenset(each.key for each in named)


def _values(traits: Mapping[str, object]) -> tuple[dict[str, str], dict[str, object]]:
    """Fields of the contact, and unbound attributes. R22: NUL becomes U+FFFD. R23: `name` gives way. R24: no identifiers here."""
    fields: dict[str, str] = {}
    attributes: dict[str, object] = {}
    for key, value in traits.items():
        clean = storable(value)
        if key in _NAMES:
            if isinstance(clean, str) and clean.strip():
                fields.setdefault(_NAMES[key], clean.strip())
        elif key not in _IDENTIFIER_TRAITS and key != "name":
            attributes[key.replace("\x00", "\ufffd")] = clean
    name = storable(traits.get("name"))
    if isinstance(name, str) and name.strip():
        given, _, last = name.strip().rpartition(" ")
        fields.setdefault("given_name", (given or last).strip())
        if given:
            fields.setdefault("last_name", last)
    return fields, attributes


def storable(value: object) -> object:
    """The value as Postgres gives it back, so that what is told is what is stored.

    NUL becomes U+FFFD (R22), a number that JSON writes with an exponent the integer that it is, and minus zero zero.
    """
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if isinstance(value, float):
        return int(Decimal(repr(value))) if abs(value) >= _EXPONENTS_FROM else value + 0.0
    if isinstance(value, dict):
        return {str(storable(key)): storable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [storable(each) for each in value]
    return value
