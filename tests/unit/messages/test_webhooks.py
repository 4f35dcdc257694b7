"""What webhooks say, and their signature (S87)."""

from __future__ import annotations

import base64
import json
import time

import pytest

from onefold.messages.webhooks import secret_text, signature, signed_headers, webhook_body
from tests.support.receivers import shown_verify

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
BODY = b'{"test": 2432232314}'


def test_s87_the_signature_is_that_of_standard_webhooks() -> None:
    """S87: the vector that its own libraries are tested with."""
    assert signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert secret_text(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_s87_the_sample_of_the_page_verifies_what_is_signed_with_either_secret_and_nothing_else() -> None:
    """S87: docs are run."""
    verify, now = shown_verify(), int(time.time())
    headers = signed_headers([b"new" * 10, SECRET], "one", now, BODY)
    assert headers["webhook-signature"].count(" ") == 1
    for secret in (SECRET, b"new" * 10):
        assert verify(secret_text(secret), headers, BODY)
    assert not verify(secret_text(b"other" * 6), headers, BODY)
    assert not verify(secret_text(SECRET), headers, BODY + b" ")
    assert not verify(secret_text(SECRET), {**headers, "webhook-id": "two"}, BODY)
    assert not verify(secret_text(SECRET), {**headers, "webhook-timestamp": str(now + 1)}, BODY)
    assert not verify(secret_text(SECRET), signed_headers([SECRET], "one", now - 400, BODY), BODY), "recorded, and sent again"


@pytest.mark.parametrize("data", [b'{"a":1,"of the future":[true]}', b"null"])
def test_a_body_holds_the_message_as_it_lay_on_its_topic(data: bytes) -> None:
    body = webhook_body("contact.changed", "2026-11-01T09:30:00.120Z", data)
    assert data in body
    assert json.loads(body) == {"type": "contact.changed", "timestamp": "2026-11-01T09:30:00.120Z", "data": json.loads(data)}
