"""Messages put into the mailbox of a development machine instead of being sent: how SMS get there, which no local server takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from onefold.outreach.mail import Writes, written
from onefold.outreach.sending import Attempt, Fate

if TYPE_CHECKING:
    from onefold.local.mailbox import Mailbox
    from onefold.messages.outreach import OutreachRequested
    from onefold.outreach.rendering import Words
    from onefold.outreach.sending import HandOver

_AT: Final = "sms.localhost"


class FolderSender:
    """Keeps texts as mails to `+4366…@sms.localhost`."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def send(self, message: OutreachRequested, words: Words, hand_over: HandOver) -> Attempt:
        """Keep it."""
        if not await hand_over():
            return Attempt(Fate.LAPSED)
        to = f"{message.address}@{_AT}"
        mail = written(message, words, Writes(f"onefold@{_AT}"), to=to)
        await asyncio.to_thread(self._mailbox.keep, mail.as_bytes(), [to])
        return Attempt(Fate.SENT)
