"""What a way to send must be able to do, and what may become of an attempt. `smtp`, `sms_gateway` and `mail_folder` are the ways.

A sender is told to hand over, and asks first, with its last breath before the other side may act: whoever dies later leaves a message that
is not sent again (decision 0041). Called by `streams.outreach`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeAlias

    from onefold.messages.outreach import OutreachRequested
    from onefold.outreach.rendering import Words

    HandOver: TypeAlias = Callable[[], Awaitable[bool]]
    """Marks that the other side may act from now on; False: it must not, since the message has expired or is somebody else's by now."""


class Fate(StrEnum):
    """What became of an attempt."""

    SENT = "sent"
    AGAIN = "again"
    """It was not taken, and may be later."""
    FAILED = "failed"
    """It was not taken, and never will be."""
    UNCLEAR = "unclear"
    """It may have been taken; it is not sent again."""
    LAPSED = "lapsed"
    """It was not handed over: too late."""


class Attempt(NamedTuple):
    """What became of an attempt, and why in one word: never what was sent, or where to."""

    fate: Fate
    why: str | None = None


class Sender(Protocol):
    """A way to send."""

    async def send(self, message: OutreachRequested, words: Words, hand_over: HandOver) -> Attempt:
        """Try once. Raises nothing but what is not foreseen, and what `hand_over` raises."""
