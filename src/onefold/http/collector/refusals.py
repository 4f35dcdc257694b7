"""Why the collector does not take one event: stable codes and sentences, of which the documentation's table is made.

A refusal concerns one event. Inside a batch it stands in `rejected` of a 200; alone it is a 400, unless it is a matter of policy
(interfaces.md C1, A6). What concerns the whole request is in `answers`.
"""

from __future__ import annotations

from onefold.errors import InvalidMessage

SENTENCES = {
    "invalid_event": "The event is not a JSON object that can be read.",
    "duplicate_key": "The event names the same key twice, which parsers read differently. Send each key once.",
    "too_deep": "The event nests objects and lists deeper than the limit.",
    "too_many_keys": "The event has more keys than the limit.",
    "event_too_large": "The event is larger than the limit for one event.",
    "invalid_type": "`type` is missing or is not a short text. Use identify, track, page, screen, group or alias.",
    "invalid_message_id": "`messageId` is longer than 256 bytes or has control characters.",
    "invalid_field": "`traits`, `properties` and `context` must be objects.",
    "missing_identifier": "Nothing says whose event this is. Send `userId` or `anonymousId`.",
    "missing_event": "A track call needs `event`, its name.",
    "missing_group": "A group call needs `groupId`.",
    "missing_previous_id": "An alias call needs `previousId` and `userId`.",
    "invalid_merge": "A merge call needs `mergeProperties`, a list of two to ten objects with `type` and `value`.",
    "alias_to_self": "`previousId` and `userId` are the same, so there is nothing to do.",
    "identity_token_required": "This key takes a `userId`, e-mail or phone only as an identity token of the call names it.",
    "secret_key_required": "Alias and merge calls are taken from secret keys only. Send them from your server.",
}
"""Every code, with what it says to the developer who sent the event."""

POLICY = frozenset({"alias_to_self", "identity_token_required", "secret_key_required"})
"""Refusals of a well-formed event: the SDK is not told that the request failed, unless it asks for strictness (S53)."""


class EventRefused(InvalidMessage):
    """One event that the collector does not put on the topic. `message_id` is as the caller sent it, if it did."""

    def __init__(self, code: str, *, message_id: object = None) -> None:
        super().__init__(SENTENCES[code], code=code)
        self.message_id = message_id if isinstance(message_id, str) else None
