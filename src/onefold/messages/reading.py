"""From a record of `interactions` to the interaction that the heart decides on: decode, check the key, settle time, sort values.

Raises InvalidMessage or UnsupportedVersion for what belongs into the dead letters. What merely does not resolve (an identifier
that is a placeholder, a bad time) is sanitised and kept on the event. Called by the resolver, by what-if and by replay.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from onefold.errors import InvalidMessage
from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.interaction import Interaction, Position, Proof
from onefold.messages.interactions import interaction_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.identifiers import Identifier
    from onefold.identity.rules import Rules
    from onefold.messages.interactions import InteractionMessage

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES = {"given_name": "given_name", "firstName": "given_name", "last_name": "last_name", "lastName": "last_name"}
_IDENTIFIER_TRAITS = ("email", "phone")


class Arrival(NamedTuple):
    """Where and when a record was appended."""

    position: Position
    appended_at: datetime
    key: bytes | None


def check_key(message: InteractionMessage, key: bytes | None) -> None:
    """A record under a foreign key breaks the order per visitor silently, so it is refused (poison 25)."""
    expected = interaction_key(message)
    if key != expected:
        raise InvalidMessage(
            f"the record's key is not the {expected!r} that its workspace and first identifier give; order per visitor would break",
            code="key_mismatch",
        )


def read(message: InteractionMessage, arrival: Arrival, rules: Rules) -> Interaction:
    """The interaction in a decoded message, under the rules of its workspace."""
    identifiers, dropped = resolve_identifiers([(each.semantic_type, each.identifier, each.slug) for each in message.identifiers], rules)
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
        proof=_proof(message, identifiers, rules) if assurance is Assurance.PROVED else None,
        fields=fields,
        attributes=attributes,
    )


def event_time(message: InteractionMessage, appended_at: datetime) -> datetime:
    """When it happened: as told, else when it was received, else appended; never after the append (R12, R27)."""
    told = _time(message.occurred_at) or _time(message.received_at)
    return told if told is not None and told < appended_at else appended_at


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


def _proof(message: InteractionMessage, identifiers: tuple[Identifier, ...], rules: Rules) -> Proof | None:
    """What a proved interaction proves (R8): the named identifier, else its only email or phone."""
    if message.proof is None:
        candidates = [each for each in identifiers if each.semantic_type in _IDENTIFIER_TRAITS]
        return Proof(candidates[0].key, "channel") if len(candidates) == 1 else None
    named, _ = resolve_identifiers([(message.proof.semantic_type, message.proof.identifier, None)], rules)
    present = {each.key for each in identifiers}
    return Proof(named[0].key, message.proof.method) if named and named[0].key in present else None


def _values(traits: Mapping[str, object]) -> tuple[dict[str, str], dict[str, object]]:
    """Fields of the contact, and unbound attributes. R22: NUL becomes U+FFFD. R23: `name` gives way. R24: no identifiers here."""
    fields: dict[str, str] = {}
    attributes: dict[str, object] = {}
    for key, value in traits.items():
        clean = without_nul(value)
        if key in _NAMES:
            if isinstance(clean, str) and clean.strip():
                fields.setdefault(_NAMES[key], clean.strip())
        elif key not in _IDENTIFIER_TRAITS and key != "name":
            attributes[key.replace("\x00", "\ufffd")] = clean
    name = without_nul(traits.get("name"))
    if isinstance(name, str) and name.strip():
        given, _, last = name.strip().rpartition(" ")
        fields.setdefault("given_name", (given or last).strip())
        if given:
            fields.setdefault("last_name", last)
    return fields, attributes


def without_nul(value: object) -> object:
    """The value with every NUL replaced by U+FFFD, which Postgres can store."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if isinstance(value, dict):
        return {str(without_nul(key)): without_nul(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nul(each) for each in value]
    return value
