"""Mail by SMTP: one connection a message, over TLS that is verified (security.md, S115).

Until the server has accepted the recipient nothing can have been sent, so whatever fails until then is tried again, unless the server
says never (`5xx`). Once the text goes out, only the server's answer tells.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from onefold.errors import ConfigurationError
from onefold.outreach.mail import written
from onefold.outreach.sending import Attempt, Fate

if TYPE_CHECKING:
    from email.message import EmailMessage

    from onefold.messages.outreach import OutreachRequested
    from onefold.outreach.mail import Writes
    from onefold.outreach.rendering import Words
    from onefold.outreach.sending import HandOver

Security = Literal["starttls", "tls", "none"]
_NEVER_FROM: Final = 500
_CLOSING_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed in."""

    host: str
    port: int
    security: Security = "starttls"
    username: str | None = None
    password: str | None = None
    seconds: float = 30.0

    def __post_init__(self) -> None:
        """Raises ConfigurationError for mail without TLS to another machine."""
        if self.security == "none" and not is_this_machine(self.host):
            raise ConfigurationError(
                f"mail would go to {self.host} without TLS, which is for servers on this machine only: use starttls or tls"
            )


def is_this_machine(host: str) -> bool:
    """Whether a host is the loopback interface, by name or number."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class SmtpSender:
    """Sends mails by one server."""

    def __init__(self, server: Server, writes: Writes, *, trusts: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._writes = writes
        self._tls = trusts or ssl.create_default_context()

    async def send(self, message: OutreachRequested, words: Words, hand_over: HandOver) -> Attempt:
        """Try once."""
        mail = written(message, words, self._writes)
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._tls,
            username=server.username,
            password=server.password,
            timeout=server.seconds,
        )
        try:
            refused = await self._introduce(client, mail)
            if refused is not None:
                return refused
            if not await hand_over():
                return Attempt(Fate.LAPSED)
            return await self._hand_in(client, mail)
        finally:
            await _close(client)

    async def _introduce(self, client: SMTP, mail: EmailMessage) -> Attempt | None:
        """Connect, and name sender and recipient; gives why not. Nothing can have been sent by then."""
        to = mail["To"].addresses[0].addr_spec
        options = [] if to.isascii() else ["SMTPUTF8"]
        try:
            async with asyncio.timeout(self._server.seconds):
                await client.connect()
                await client.mail(self._writes.sender, options=options, encoding="utf-8")
                await client.rcpt(to, encoding="utf-8")
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused) as error:
            return _answered(error)
        except SMTPResponseException as error:  # of the connection itself, its greeting, its sign-in: nothing against this message
            return Attempt(Fate.AGAIN, f"smtp_{error.code}")
        except (ssl.SSLError, aiosmtplib.SMTPNotSupported):
            return Attempt(Fate.AGAIN, "tls")
        except TimeoutError:
            return Attempt(Fate.AGAIN, "timeout")
        except (SMTPException, OSError) as error:
            return Attempt(Fate.AGAIN, "tls" if isinstance(error.__cause__ or error.__context__, ssl.SSLError) else "unreachable")
        return None

    async def _hand_in(self, client: SMTP, mail: EmailMessage) -> Attempt:
        """Give the text away. Without an answer nobody knows."""
        try:
            async with asyncio.timeout(self._server.seconds):
                await client.data(mail.as_bytes())
        except SMTPResponseException as error:
            return _answered(error)
        except (SMTPException, OSError, TimeoutError):
            return Attempt(Fate.UNCLEAR, "no_answer")
        return Attempt(Fate.SENT)


def _answered(error: SMTPResponseException) -> Attempt:
    """What a refusal means. The server's text is not kept: it often repeats the address."""
    return Attempt(Fate.FAILED if error.code >= _NEVER_FROM else Fate.AGAIN, f"smtp_{error.code}")


async def _close(client: SMTP) -> None:
    try:
        async with asyncio.timeout(_CLOSING_SECONDS):
            await client.quit()
    except (SMTPException, OSError, TimeoutError):
        client.close()
