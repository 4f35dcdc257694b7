"""Mail servers on this machine that behave as they are told to: real SMTP, for tests."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


@dataclass
class MailServer:
    """Says what it is told to, one answer after the other, then 250. An answer `drop` ends the connection without a word."""

    port: int = 0
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    got: list[bytes] = field(default_factory=list)
    """The texts that it was given, those that it refused among them."""

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        """Take a recipient, or not."""
        said = self.rcpt.pop(0) if self.rcpt else "250 OK"
        if said.startswith("250"):
            envelope.rcpt_tos.append(address)
        return said

    async def handle_DATA(self, server: SMTP, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a text, or not, or never say."""
        self.got.append(envelope.original_content)
        said = self.data.pop(0) if self.data else "250 OK"
        if said == "drop" and server.transport is not None:
            server.transport.close()
        return said


@asynccontextmanager
async def mail_server(*, tls: ssl.SSLContext | None = None, implicit: bool = False, port: int = 0) -> AsyncIterator[MailServer]:
    """A server on the loopback interface; with a certificate by STARTTLS, or from the first byte."""
    found = MailServer()
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if tls is not None and not implicit else {}
    server = await loop.create_server(
        lambda: SMTP(found, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options),
        "127.0.0.1",
        port,
        ssl=tls if implicit else None,
    )
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
