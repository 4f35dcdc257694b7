"""From an SDK's call to the interaction that lies on the topic: pure, but for the id of a call that has neither id nor time.

It renames and sorts; it does not normalise: identifiers stay as given, numbers too, and the resolver makes text of them by its one
rule (R21). Workspace and assurance come from the key alone (S88); write keys never get here (S60). Called by `app` for each event.

Decisions (docs/reference/collector.md says them to users):
- `context.traits` give identifiers in every call, but values in `identify` only: browsers repeat there what they once stored, and a
  stale copy with a newer event time would win over what a server knows (R12).
- The traits of a `group` call describe the organization, not the person: they travel as `properties`.
- `context.ip` and `user_agent` are the caller's where the caller is the visitor's own device (a public key), or says so (`direct`).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from onefold.http.collector import clock
from onefold.http.collector.refusals import EventRefused
from onefold.messages.interactions import InteractionMessage, WireIdentifier
from onefold.messages.times import time_text

if TYPE_CHECKING:
    from datetime import datetime

    from onefold.access.keys import WriteKey

_TYPE: Final = re.compile(r"[^\x00-\x20\x7f]{1,64}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_MESSAGE_ID: Final = 256
_SECRET_KEY_TYPES: Final = frozenset({"alias", "merge"})
_CHANNELS: Final = frozenset({"web", "chat_widget", "funnel", "mobile", "sms", "whatsapp", "server"})
_SERVER_LIBRARIES: Final = re.compile(r"python|node|ruby|java$|golang|-go$|php|\.net|csharp|rust|clojure|elixir", re.IGNORECASE)
_MOBILE_LIBRARIES: Final = re.compile(r"android|ios|swift|kotlin|flutter|react.?native|unity|xamarin", re.IGNORECASE)
_FIELDS: Final = (("firstName", "given_name"), ("first_name", "given_name"), ("lastName", "last_name"))
_MERGE_TYPES: Final = {"userId": "user_id", "anonymousId": "anonymous_token", "anonymous_id": "anonymous_token", "deviceId": "device_id"}
_MOST_MERGED: Final = 10


@dataclass(slots=True)
class RequestFacts:
    """What the events of one request have in common. `sent_at` is the root's, which an event's own overrides."""

    received_at: datetime
    received_text: str
    ip: str | None = None
    user_agent: str | None = None
    sent_at: object = None
    context: dict[str, Any] | None = None
    integrations: dict[str, Any] | None = None


def translate(
    call: dict[str, Any], raw: bytes, *, key: WriteKey, request: RequestFacts, forced_type: str | None = None
) -> InteractionMessage:
    """The interaction that `call` is. Takes `call` over and changes it. Raises EventRefused.

    `raw` is the text of the call; `forced_type` is the one that the path named, which wins over the call's own.
    """
    type_ = forced_type or call.get("type")
    if type(type_) is not str or not _TYPE.fullmatch(type_):
        raise EventRefused("invalid_type", message_id=call.get("messageId"))
    try:
        return _translate(call, type_, raw, key, request)
    except EventRefused as refused:
        raise EventRefused(refused.code, message_id=call.get("messageId")) from None


def _translate(call: dict[str, Any], type_: str, raw: bytes, key: WriteKey, request: RequestFacts) -> InteractionMessage:
    if type_ in _SECRET_KEY_TYPES and not key.secret:
        raise EventRefused("secret_key_required")
    context = _context(call, key, request)
    traits = _object(call, "traits")
    properties = _object(call, "properties")
    identifiers = _identifiers(call, type_, traits, context)
    if all(as_text(each.identifier) is None for each in identifiers):
        raise EventRefused("missing_identifier")
    group = None
    if type_ == "group":
        group = _required(call, "groupId", "missing_group")
        if traits:
            properties = {**(properties or {}), "traits": traits}
        traits = None
    original = call.get("originalTimestamp") or call.get("timestamp")
    sent = call.get("sentAt") or request.sent_at
    at = clock.occurred_at(original, sent, request.received_at)
    _keep_raw_times(context, original, sent)
    if (category := call.get("category")) is not None:
        properties = {"category": category, **(properties or {})}
    return InteractionMessage(
        event_id=_event_id(call, raw, key, dated=original is not None),
        workspace=key.workspace,
        type=type_,
        channel=_channel(call, type_, context, key),
        name=_name(call, type_),
        assurance=key.assurance,
        occurred_at=request.received_text if at is request.received_at else time_text(at),
        received_at=request.received_text,
        identifiers=identifiers,
        traits=_traits(traits, context, type_),
        properties=properties,
        context=context or None,
        group=group,
    )


def _object(call: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The object that the call names, or None where it names none or an empty one."""
    value = call.get(name)
    if value is not None and type(value) is not dict:
        raise EventRefused("invalid_field")
    return value or None


def _context(call: dict[str, Any], key: WriteKey, request: RequestFacts) -> dict[str, Any]:
    """The event's context over the batch's, with the caller's address and browser where the caller is the visitor."""
    context = _object(call, "context") or {}
    if request.context:
        context = {**request.context, **context}
    integrations = {**(request.integrations or {}), **(_object(call, "integrations") or {})}
    if integrations:
        context["integrations"] = integrations
    user_agent = context.pop("userAgent", None)
    direct = context.get("direct") is True
    if request.ip is not None and (direct or (not key.secret and context.get("ip") is None)):
        context["ip"] = request.ip
    if user_agent is None and (direct or not key.secret):
        user_agent = request.user_agent
    if user_agent is not None:
        context.setdefault("user_agent", user_agent)
    return context


def _identifiers(call: dict[str, Any], type_: str, traits: dict[str, Any] | None, context: dict[str, Any]) -> list[WireIdentifier]:
    """Every identifier that the call carries, as given; null and blank ones are none (C1: Python sends explicit nulls)."""
    if type_ == "merge":
        return _merged(call)
    found: list[WireIdentifier] = []
    _add(found, "anonymous_token", call.get("anonymousId"))
    if type_ == "alias":
        _add_alias(found, call)
    else:
        _add(found, "user_id", call.get("userId"))
    if traits and type_ != "group":
        _add(found, "email", traits.pop("email", None))
        _add(found, "phone", traits.pop("phone", None))
    known = context.get("traits")
    if type(known) is dict:
        _add(found, "email", known.get("email"))
        _add(found, "phone", known.get("phone"))
    device = context.get("device")
    if type(device) is dict:
        _add(found, "device_id", device.get("id"))
    return found


def _add(found: list[WireIdentifier], semantic_type: str, value: object) -> None:
    if value is None or (type(value) is str and not value.strip()):
        return
    identifier = WireIdentifier(semantic_type=semantic_type, identifier=value)
    if identifier not in found:
        found.append(identifier)


def _add_alias(found: list[WireIdentifier], call: dict[str, Any]) -> None:
    """`previousId` and `userId`, which old browsers called `from` and `to`."""
    before, now = call.get("previousId", call.get("from")), call.get("userId", call.get("to"))
    if as_text(before) is None or as_text(now) is None:
        raise EventRefused("missing_previous_id")
    if as_text(before) == as_text(now):
        raise EventRefused("alias_to_self")
    _add(found, "anonymous_token", before)
    _add(found, "user_id", now)


def _merged(call: dict[str, Any]) -> list[WireIdentifier]:
    """The identifiers that a merge call names by type."""
    named = call.get("mergeProperties")
    if type(named) is not list or not 2 <= len(named) <= _MOST_MERGED:  # noqa: PLR2004 - a merge joins two or more
        raise EventRefused("invalid_merge")
    found: list[WireIdentifier] = []
    for each in named:
        semantic_type = as_text(each.get("type")) if type(each) is dict else None
        if semantic_type is None or as_text(each.get("value")) is None:
            raise EventRefused("invalid_merge")
        _add(found, _MERGE_TYPES.get(semantic_type, semantic_type), each["value"])
    _add(found, "user_id", call.get("userId"))
    return found


def _traits(traits: dict[str, Any] | None, context: dict[str, Any], type_: str) -> dict[str, Any] | None:
    """What the call says about the person, under our names; e-mail and phone have become identifiers (R24)."""
    if type_ == "identify":
        known = context.pop("traits", None)
        if type(known) is dict:
            traits = {**known, **(traits or {})}
            traits.pop("email", None)
            traits.pop("phone", None)
    if not traits:
        return None
    for theirs, ours in _FIELDS:
        if theirs in traits:
            traits.setdefault(ours, traits.pop(theirs))
    return traits


def _event_id(call: dict[str, Any], raw: bytes, key: WriteKey, *, dated: bool) -> str:
    """The call's own `messageId`, or an id that we make.

    That of a dated call is a hash, so that the same call sent again is the same event. Two equal calls that say neither when nor
    which are two events, and get random ids.
    """
    message_id = call.get("messageId")
    if message_id is None or message_id == "" or (type(message_id) is str and message_id.isspace()):
        return "hash-" + blake2b(raw, digest_size=16, key=key.workspace.encode()).hexdigest() if dated else str(uuid.uuid4())
    text = as_text(message_id)
    if text is None or len(text.encode()) > _LONGEST_MESSAGE_ID or _CONTROL.search(text):
        raise EventRefused("invalid_message_id")
    return text


def _channel(call: dict[str, Any], type_: str, context: dict[str, Any], key: WriteKey) -> str:
    """RudderStack says it; else a screen is a mobile's, a secret key a server's, and the library tells the rest apart."""
    said = call.get("channel")
    if type(said) is str and said in _CHANNELS:
        return said
    if type_ == "screen":
        return "mobile"
    library = context.get("library")
    name = library.get("name") if type(library) is dict else None
    if key.secret or said == "sources":
        return "server"
    if type(name) is str:
        if _MOBILE_LIBRARIES.search(name):
            return "mobile"
        if _SERVER_LIBRARIES.search(name):
            return "server"
    return "web"


def _name(call: dict[str, Any], type_: str) -> str | None:
    if type_ == "track":
        return _required(call, "event", "missing_event")
    return as_text(call.get("name"))


def _required(call: dict[str, Any], field: str, code: str) -> str:
    text = as_text(call.get(field))
    if text is None:
        raise EventRefused(code)
    return text


def as_text(value: object) -> str | None:
    """A text as given, or a whole number in digits; None for what is blank or neither."""
    if type(value) is str:
        return value if value.strip() else None
    if type(value) is float and value.is_integer():
        value = int(value)
    return str(value) if type(value) is int else None


def _keep_raw_times(context: dict[str, Any], original: object, sent: object) -> None:
    if original is not None:
        context["originalTimestamp"] = original
    if sent is not None:
        context["sentAt"] = sent
