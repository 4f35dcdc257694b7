"""Ways to send, against real servers on this machine: what each answer means, and that nothing else than a mail can come of a mail."""

from __future__ import annotations

import asyncio
import json
import ssl
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any

import pytest

from onefold.errors import ConfigurationError
from onefold.local.mailbox import Mailbox, listening
from onefold.local.ports import pick
from onefold.messages.webhooks import secret_text
from onefold.outbound.addresses import anywhere
from onefold.outbound.client import Outbound
from onefold.outreach.mail import Writes, written
from onefold.outreach.mail_folder import FolderSender
from onefold.outreach.rendering import render
from onefold.outreach.sending import Attempt, Fate
from onefold.outreach.sms_gateway import GatewaySender
from onefold.outreach.smtp import Server, SmtpSender
from tests.support.letters import letter
from tests.support.mail_servers import mail_server
from tests.support.providers import certificate_for
from tests.support.receivers import receiver, shown_verify, status

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.outreach.sending import Sender

pytestmark = pytest.mark.asyncio

WRITES = Writes("no-reply@rivers.example", "help@rivers.example")
CODE = letter("verification_code", language="de")


async def tried(sender: Sender, message: Any = CODE, *, may: bool = True) -> tuple[Attempt, int]:
    """One attempt, and how often it was marked as handed over."""
    asked = 0

    async def hand_over() -> bool:
        nonlocal asked
        asked += 1
        return may

    return await sender.send(message, render(message), hand_over), asked


def plainly(port: int, **other: Any) -> SmtpSender:
    return SmtpSender(Server("127.0.0.1", port, "none", **{"seconds": 2.0, **other}), WRITES)


async def test_a_mail_arrives_in_the_mailbox_as_it_was_written(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "box")
    async with listening(mailbox) as port:
        assert await tried(plainly(port)) == (Attempt(Fate.SENT), 1)
    (mail,) = mailbox.mails()
    assert (mail.to, mail.subject, mail.language) == (["ann.lee@example.com"], "Ihr Code für Rivers & Mills", "de")
    assert mail.sender == "Rivers & Mills <no-reply@rivers.example>"
    assert mail.message_id == f"<{CODE.message_id}@rivers.example>"
    assert "    048213\n" in mail.text.replace("\r", "")
    assert "Rivers &amp; Mills" in mail.html
    assert mailbox.find(mail.id) == mail
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "box").iterdir()} == {0}, "codes lie there: nobody else reads them"


@pytest.mark.parametrize(
    ("rcpt", "data", "attempt", "marked", "given"),
    [
        ([], [], Attempt(Fate.SENT), 1, 1),
        (["450 4.2.0 greylisted"], [], Attempt(Fate.AGAIN, "smtp_450"), 0, 0),
        (["550 5.1.1 nobody here"], [], Attempt(Fate.FAILED, "smtp_550"), 0, 0),
        ([], ["451 4.3.0 later"], Attempt(Fate.AGAIN, "smtp_451"), 1, 1),
        ([], ["554 5.7.1 spam"], Attempt(Fate.FAILED, "smtp_554"), 1, 1),
        ([], ["drop"], Attempt(Fate.UNCLEAR, "no_answer"), 1, 1),
    ],
    ids=["taken", "recipient_later", "recipient_never", "text_later", "text_never", "no_answer"],
)
async def test_an_answer_says_whether_to_try_again_and_no_answer_says_nothing(
    rcpt: list[str], data: list[str], attempt: Attempt, marked: int, given: int
) -> None:
    async with mail_server() as server:
        server.rcpt, server.data = rcpt, data
        assert await tried(plainly(server.port)) == (attempt, marked)
        assert len(server.got) == given


async def test_a_server_that_is_away_or_silent_is_tried_again_since_nothing_was_handed_over() -> None:
    assert await tried(plainly(pick(set()))) == (Attempt(Fate.AGAIN, "unreachable"), 0)
    silent = await asyncio.start_server(listen_only, "127.0.0.1", 0)
    assert await tried(plainly(silent.sockets[0].getsockname()[1], seconds=0.3)) == (Attempt(Fate.AGAIN, "timeout"), 0)
    silent.close()
    await asyncio.sleep(0.05)


async def listen_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def test_what_may_not_be_handed_over_is_not() -> None:
    async with mail_server() as server:
        assert await tried(plainly(server.port), may=False) == (Attempt(Fate.LAPSED), 1)
        assert server.got == []


async def test_tls_is_verified_and_mail_without_it_goes_nowhere_else(tmp_path: Path) -> None:
    """A server whose certificate nobody vouches for gets nothing, by STARTTLS or from the first byte."""
    certificate, key = certificate_for("localhost", tmp_path)
    ours, trusting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context(cafile=certificate)
    ours.load_cert_chain(certificate, key)
    for implicit in (False, True):
        async with mail_server(tls=ours, implicit=implicit) as server:
            where = Server("localhost", server.port, "tls" if implicit else "starttls", seconds=5.0)
            assert await tried(SmtpSender(where, WRITES)) == (Attempt(Fate.AGAIN, "tls"), 0)
            assert server.got == []
            assert await tried(SmtpSender(where, WRITES, trusts=trusting)) == (Attempt(Fate.SENT), 1)
    async with mail_server() as server:
        attempt, marked = await tried(SmtpSender(Server("localhost", server.port), WRITES))
        assert (attempt.fate, marked) == (Fate.AGAIN, 0)
        assert server.got == [], "a server that takes no TLS gets nothing"
    with pytest.raises(ConfigurationError):
        Server("mail.example.com", 25, "none")


async def test_nothing_can_be_put_into_a_header() -> None:
    hostile = letter("password_reset", service='Mill\r\nBcc: all@example.com\r\n\r\n"<x@y.example>, (')
    mail = message_from_bytes(written(hostile, render(hostile), WRITES).as_bytes(), policy=policy.default)
    assert mail["Bcc"] is None
    assert [each.addr_spec for each in mail["From"].addresses] == [WRITES.sender]
    assert [each.addr_spec for each in mail["To"].addresses] == ["ann.lee@example.com"]
    assert mail["Reply-To"].addresses[0].addr_spec == WRITES.reply_to
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_a_text_goes_to_the_gateway_signed_and_under_one_id() -> None:
    """S87: as webhooks are signed; the same id at every attempt, so that the gateway sends once."""
    text, secret = letter("verification_code", "sms"), b"g" * 32
    verify, key = shown_verify(), secret_text(secret)
    async with receiver() as gateway:
        gateway.answers += [status(503), status(202), status(422)]
        sender = GatewaySender(Outbound(anywhere), gateway.url, secret, seconds=2.0)
        attempts = [await tried(sender, text) for _ in range(3)]
        gateway.is_dead = True
        attempts.append(await tried(GatewaySender(Outbound(anywhere), gateway.url, secret, seconds=0.3), text))
    assert [each.fate for each, _ in attempts] == [Fate.AGAIN, Fate.SENT, Fate.FAILED, Fate.UNCLEAR]
    assert {each.id for each in gateway.got} == {str(text.message_id)}
    assert all(verify(key, each.headers, each.body) for each in gateway.got)
    said = json.loads(gateway.got[0].body)
    assert (said["type"], said["data"]["to"]) == ("sms.requested", "+436601234567")
    assert "048213" in said["data"]["text"]
    away = GatewaySender(Outbound(anywhere), f"http://127.0.0.1:{pick(set())}", secret, seconds=2.0)
    assert (await tried(away, text))[0] == Attempt(Fate.AGAIN, "unreachable")


async def test_a_text_of_a_development_machine_lies_in_its_mailbox(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path)
    assert await tried(FolderSender(mailbox), letter("verification_code", "sms")) == (Attempt(Fate.SENT), 1)
    (mail,) = mailbox.mails()
    assert mail.to == ["+436601234567@sms.localhost"]
    assert "048213" in mail.text


async def test_a_mailbox_for_development_listens_on_this_machine_only(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "localhost.example.com", ""):  # noqa: S104 -- refused
        with pytest.raises(ConfigurationError):
            async with listening(Mailbox(tmp_path), host):
                pass
