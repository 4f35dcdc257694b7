"""CloudEvents 1.0 headers in Kafka's binary mode, for what scales with changes: `contacts.changed` and its like.

The value stays plain JSON. `interactions` and `interactions.resolved`, which scale with traffic, carry none.
"""

from __future__ import annotations

from typing import Final

from onefold.messages.topics import CONTACTS_CHANGED, OUTREACH_REQUESTED, SEGMENTS_MEMBERSHIP

TYPES: Final = {
    CONTACTS_CHANGED: "onefold.contact.changed.v1",
    SEGMENTS_MEMBERSHIP: "onefold.segment.membership.v1",
    OUTREACH_REQUESTED: "onefold.outreach.requested.v1",
}
"""The type by topic. It ends in the major version of the schema."""

HEADER_TITLES: Final = {
    "ce_specversion": "`1.0`",
    "ce_id": "The message's `event_id`, or `message_id`.",
    "ce_source": "`/workspaces/` and the workspace.",
    "ce_type": "What it is, with the major version of the schema.",
    "ce_time": "When it happened.",
    "ce_subject": "The contact's id, or the user's.",
    "ce_dataschema": "The `$id` of the schema.",
    "content-type": "`application/json`",
    "traceparent": "W3C trace context, where a trace led here.",
}


def schema_id(topic: str) -> str:
    """The stable `$id` of the schema of a topic's messages. Names, not places: nothing has to be fetched."""
    return f"urn:onefold:message:{topic}:1"


def headers(topic: str, *, event_id: str, workspace: str, subject: str, at: str, traceparent: str | None = None) -> dict[str, str]:
    """The headers of one message. `topic` is without prefix, `subject` the key, `at` the time on the wire."""
    found = {
        "ce_specversion": "1.0",
        "ce_id": event_id,
        "ce_source": f"/workspaces/{workspace}",
        "ce_type": TYPES[topic],
        "ce_time": at,
        "ce_subject": subject,
        "ce_dataschema": schema_id(topic),
        "content-type": "application/json",
    }
    if traceparent is not None:
        found["traceparent"] = traceparent
    return found
