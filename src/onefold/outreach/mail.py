"""A message as a mail: headers that nothing can be injected into, plain text and HTML, and one `Message-ID` however often it is tried."""

from __future__ import annotations

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, NamedTuple

from email_validator import validate_email

from onefold.messages.times import parse_time
from onefold.outreach.rendering import one_line

if TYPE_CHECKING:
    from onefold.messages.outreach import OutreachRequested
    from onefold.outreach.rendering import Words


class Writes(NamedTuple):
    """In whose name mails are written."""

    sender: str
    """The address that they come from."""
    reply_to: str | None = None


def recipient(message: OutreachRequested) -> str:
    """The address as servers know it: in ASCII where that is possible."""
    found = validate_email(message.address, check_deliverability=False, test_environment=True)
    return found.ascii_email or found.normalized


def written(message: OutreachRequested, words: Words, writes: Writes, *, to: str | None = None) -> EmailMessage:
    """The mail; to its address, unless it goes elsewhere."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(one_line(message.service), addr_spec=writes.sender)
    mail["To"] = Address(addr_spec=to or recipient(message))
    if writes.reply_to is not None:
        mail["Reply-To"] = Address(addr_spec=writes.reply_to)
    mail["Subject"] = words.subject or one_line(message.service)
    mail["Date"] = format_datetime(parse_time(message.at))
    mail["Message-ID"] = f"<{message.message_id}@{writes.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(words.text, cte="quoted-printable")
    if words.html:
        mail.add_alternative(words.html, subtype="html", cte="quoted-printable")
    mail["Content-Language"] = words.language  # after the content, which takes such headers away
    return mail
