"""Messages end to end: from a call of the User API, through outbox, Kafka and the role, to a real mail server's mailbox."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold.local.mailbox import Mailbox, listening
from onefold.local.ports import pick
from tests.support.apis import cookie_of
from tests.support.installations import installation

if TYPE_CHECKING:
    from pathlib import Path

    from onefold.local.mailbox import Mail
    from tests.support.servers import Database, Services

PASSWORD = "purple mill under seven rivers"


@pytest.mark.asyncio
async def test_s23_a_password_is_changed_and_reset_by_link_and_its_user_is_told_by_mail(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S23, S24, S17: what is sent is asked for in the transaction that has the reason, and sent once by a role of its own."""
    mailbox, port = Mailbox(tmp_path / "mailbox"), pick(set())
    async with (
        installation(services, database, topic_prefix, redis_url, partitions=1) as mine,
        listening(mailbox) as smtp,
        mine.running("user-api", ONEFOLD_USER_API__PORT=str(port)),
        mine.running("relay"),
        mine.running(
            "outreach-worker",
            ONEFOLD_OUTREACH__SMTP_HOST="127.0.0.1",
            ONEFOLD_OUTREACH__SMTP_PORT=str(smtp),
            ONEFOLD_OUTREACH__SMTP_SECURITY="none",
            ONEFOLD_OUTREACH__SENDER="no-reply@onefold.example",
        ),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as client,
    ):
        assert (await mine.command("outreach", "language", "de-AT"))[0] == 0
        assert (await mine.command("validation", "set", "otp_sms.per_day=50", 'otp_sms.countries=["at"]', "--reason", "texts"))[0] == 0
        shown = json.loads((await mine.command("validation", "show", "--json"))[1])
        assert (shown["version"], shown["settings"]["otp_sms"]["countries"], shown["settings"]["otp_sms"]["per_day"]) == (1, ["AT"], 50)
        first = json.loads((await mine.command("users", "add", "--email", "ann@example.com", "--role", "super_admin", "--json"))[1])
        begun = await client.post("/session", json={"workspace": "acme", "email": "ann@example.com", "password": first["password"]})
        client.headers["cookie"] = f"__Host-onefold={cookie_of(begun)}"
        assert (await client.put("/me/password", json={"present": first["password"], "wanted": PASSWORD})).status_code == 204
        (notice,) = await arrived(mailbox, 1)
        assert (notice.to, notice.subject) == (["ann@example.com"], "Ihr Passwort für acme wurde geändert")
        assert PASSWORD not in notice.text
        async with asyncio.timeout(10):
            while (rows := json.loads((await mine.command("outreach", "list", "--json"))[1]))[0]["state"] != "sent":
                await asyncio.sleep(0.1)
        assert [(row["template"], row["attempts"]) for row in rows] == [("password_changed", 1)]
        ben = (await client.post("/users", json={"email": "ben@example.com", "roles": ["coach"]})).json()
        assert (await client.post(f"/users/{ben['user_id']}/reset")).status_code == 202
        link = next(line for line in (await arrived(mailbox, 2))[1].text.splitlines() if line.startswith("http"))
        chosen = {"token": link.partition("#")[2], "wanted": f"{PASSWORD} twice"}
        client.headers["cookie"] = ""
        assert (await client.get("/password-resets/confirm", params={"token": chosen["token"]})).status_code == 405
        assert [(await client.post("/password-resets/confirm", json=chosen)).status_code for _ in range(2)] == [204, 409]
        signed_in = await client.post("/session", json={"workspace": "acme", "email": "ben@example.com", "password": chosen["wanted"]})
        assert signed_in.status_code == 201
        told = (await arrived(mailbox, 3))[2]
        assert (told.to, told.subject) == (["ben@example.com"], "Ihr Passwort für acme wurde geändert")
        code, said = await mine.command("mailbox", "list", "--folder", str(tmp_path / "mailbox"), "--json")
        assert (code, [each["id"] for each in json.loads(said)]) == (0, [each.id for each in mailbox.mails()])
        assert (await mine.command("mailbox", "show", notice.id, "--folder", str(tmp_path / "mailbox")))[1].count("acme") > 1
        assert (await mine.command("mailbox", "show", "../x", "--folder", str(tmp_path / "mailbox")))[0] == 4


async def arrived(mailbox: Mailbox, count: int) -> list[Mail]:
    """Wait until so many mails have come."""
    async with asyncio.timeout(30):
        while len(mails := mailbox.mails()) < count:
            await asyncio.sleep(0.05)
    return mails
