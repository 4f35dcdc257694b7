"""A mailbox for development: a real SMTP server on this machine only, which keeps what it is given as files in one folder.

It takes mail for everybody, without TLS and without asking who sends, so it listens nowhere but on the loopback interface. `onefold up` and
the demo run it; `onefold mailbox` reads it; the tests, too.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.errors import ConfigurationError, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from email.message import EmailMessage
    from pathlib import Path

    from aiosmtpd.smtp import SMTP, Envelope, Session

_SUFFIX: Final = ".eml"
_TO: Final = "X-Mailbox-To"


class MailNotFound(Refused):
    """The mailbox holds no such mail."""

    code = "mail_not_found"


class Mail(NamedTuple):
    """A mail that was kept."""

    id: str
    to: list[str]
    """Whom it was delivered to, whatever its headers say."""
    sender: str
    subject: str
    message_id: str
    language: str
    text: str
    html: str


class Mailbox:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, content: bytes, to: Sequence[str]) -> str:
        """Keep a mail; gives its id. Whole or not at all, and for this user only: codes and links lie in it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020}-{secrets.token_hex(3)}"
        unfinished = self._folder / f".{name}"
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write("".join(f"{_TO}: {each}\r\n" for each in to).encode() + content)
        unfinished.rename(self._folder / f"{name}{_SUFFIX}")
        return name

    def mails(self) -> list[Mail]:
        """What was kept, the oldest first."""
        return [_read(path) for path in sorted(self._folder.glob(f"*{_SUFFIX}"))]

    def find(self, mail_id: str) -> Mail:
        """One mail. Raises MailNotFound."""
        path = self._folder / f"{mail_id}{_SUFFIX}"
        if path.parent != self._folder or not path.is_file():
            raise MailNotFound(f"there is no mail {mail_id!r} in {self._folder}; `onefold mailbox list` shows those that there are")
        return _read(path)


class _Keeper:
    """What aiosmtpd calls."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 -- as aiosmtpd names it
        content = envelope.original_content or b""
        await asyncio.to_thread(self._mailbox.keep, content, [str(each) for each in envelope.rcpt_tos])
        return "250 2.0.0 kept"


@asynccontextmanager
async def listening(mailbox: Mailbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Take mail for as long as the block runs; gives the port. Raises ConfigurationError where others could reach it."""
    if not _is_loopback(host):
        raise ConfigurationError(f"a mailbox for development listens on 127.0.0.1 or ::1, not on {host}: it would take mail from anybody")
    from aiosmtpd.smtp import SMTP  # noqa: PLC0415 -- of the extra `local`; who only reads does without

    loop = asyncio.get_running_loop()
    keeper = _Keeper(mailbox)
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="localhost", enable_SMTPUTF8=True, loop=loop), host, port, start_serving=True
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _read(path: Path) -> Mail:
    mail: EmailMessage = message_from_bytes(path.read_bytes(), policy=policy.default)
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    return Mail(
        id=path.name.removesuffix(_SUFFIX),
        to=[str(each) for each in mail.get_all(_TO, [])],
        sender=str(mail["From"] or ""),
        subject=str(mail["Subject"] or ""),
        message_id=str(mail["Message-ID"] or ""),
        language=str(mail["Content-Language"] or ""),
        text=text.get_content() if text is not None else "",
        html=html.get_content() if html is not None else "",
    )
