"""Messages to send, for tests of what sends them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from onefold.messages.outreach import OutreachRequested
from onefold.messages.times import time_text
from onefold.outreach.templates import TEMPLATES

GIVEN = {"code": "048213", "link": "https://app.example.com/confirm#acme.Zm9sZA"}


def letter(template: str, channel: str = "email", language: str = "en", **other: Any) -> OutreachRequested:
    """A message that is good for ten minutes from now on."""
    now = datetime.now(UTC)
    made = OutreachRequested(
        message_id=UUID(int=7),
        workspace="acme",
        at=time_text(now),
        expires_at=time_text(now + timedelta(minutes=10)),
        channel=channel,  # type: ignore[arg-type]  # one of the two
        address="ann.lee@example.com" if channel == "email" else "+436601234567",
        template=template,
        language=language,
        service="Rivers & Mills",
        reason="asked_by_owner",
        parameters={name: GIVEN[name] for name in TEMPLATES[template].parameters},
        user_id=UUID(int=8),
    )
    return msgspec.structs.replace(made, **other)
