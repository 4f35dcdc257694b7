"""What webhooks say, and how it is signed: in the manner of Standard Webhooks 1.0 (https://www.standardwebhooks.com).

The signature covers the message's id, the time at which it was sent, and the body to the byte: HMAC-SHA256 over `id.timestamp.body`. Pure.
Called by the use cases and by the sender of webhooks.
"""

from __future__ import annotations

import base64
import hmac
from typing import TYPE_CHECKING, Final

import msgspec

from onefold.messages.topics import CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTACT_CHANGED: Final = "contact.changed"
SEGMENT_MEMBERSHIP: Final = "segment.membership"
PING: Final = "ping"
KIND_OF_TOPIC: Final[Mapping[str, str]] = {CONTACTS_CHANGED: CONTACT_CHANGED, SEGMENTS_MEMBERSHIP: SEGMENT_MEMBERSHIP}
"""What can be subscribed to, by the topic that it comes from. A ping comes from whoever asks for one."""
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 -- what it begins with


class WebhookBody(msgspec.Struct):
    """The body of a webhook. `data` is the message of the topic, as it lies there."""

    type: str
    timestamp: str
    """When it happened; when it was sent says the header."""
    data: msgspec.Raw


def webhook_body(kind: str, at: str, data: bytes) -> bytes:
    """The body that is sent, and signed. `data` is JSON."""
    return msgspec.json.encode(WebhookBody(kind, at, msgspec.Raw(data)))


def secret_text(secret: bytes) -> str:
    """A signing secret as it is shown to whoever verifies with it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, message_id: str, sent_at: int, body: bytes) -> str:
    """One signature, as the header lists it. `sent_at` counts seconds since 1970."""
    signed = b".".join((message_id.encode(), str(sent_at).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


def signed_headers(secrets: Sequence[bytes], message_id: str, sent_at: int, body: bytes) -> dict[str, str]:
    """What says who sent it, and when: a signature of every secret that counts, so that receivers may change theirs at leisure."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(signature(each, message_id, sent_at, body) for each in secrets),
    }
