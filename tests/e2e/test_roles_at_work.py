"""Every role at its work, at a broker that asks for names, with its log kept at debug level: rights suffice, and no log holds a value."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold import bootstrap
from onefold.access.keys import create_key
from onefold.local.mailbox import Mailbox, listening
from onefold.local.ports import pick
from onefold.messages.topics import (
    CONTACTS_CHANGED,
    DEAD_LETTER,
    INTERACTIONS,
    INTERACTIONS_RESOLVED,
    OUTREACH_GROUP,
    OUTREACH_REQUESTED,
    SEGMENTS_GROUP,
    SEGMENTS_MEMBERSHIP,
    TIMELINE_GROUP,
    WEBHOOKS_GROUP,
)
from onefold.ops.horizon import decided_until
from onefold.topics.admin import committed
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from onefold.workspace import webhooks
from tests.support.apis import cookie_of
from tests.support.collectors import WORKSPACE
from tests.support.guarded_kafka import guarded_kafka
from tests.support.installations import Installation, installation

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.guarded_kafka import GuardedKafka
    from tests.support.servers import Database, Services

FOLLOWED = [
    ("onefold-resolver", INTERACTIONS),
    (TIMELINE_GROUP, INTERACTIONS_RESOLVED),
    (SEGMENTS_GROUP, CONTACTS_CHANGED),
    (WEBHOOKS_GROUP, CONTACTS_CHANGED),
    (WEBHOOKS_GROUP, SEGMENTS_MEMBERSHIP),
    (OUTREACH_GROUP, OUTREACH_REQUESTED),
]
AT_THE_BROKER = ("collector", "resolver", "relay", "segments-worker", "timeline", "jobs-worker", "webhooks-worker", "outreach-worker")
DOORS = ("collector", "user-api", "contact-api")
ROLES = (*AT_THE_BROKER, "user-api", "contact-api")
CANARY = "canary"
"""Everything that is somebody's holds it: identifiers, traits, passwords, keys, tokens, addresses of webhooks."""
PEOPLE = [
    ["anonymous_token:canary-a", "email:ann.canary@private.example", "phone:+4915199887766", "user_id:canary-u"],
    ["anonymous_token:canary-b", "email:bea.canary@private.example", "phone:+4915199887755"],
]
PASSWORD = "canary mill under seven rivers"


@pytest.mark.slow  # a broker of its own and ten roles
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_roles_work_with_the_rights_that_the_command_gives_and_no_log_holds_a_value(
    services: Services, database: Database, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    """S64, S115: an event is followed from the collector to its end. S95, S97, I14: at debug level, when calls are refused and things fail, too."""
    with guarded_kafka(tmp_path) as broker:
        mine_alone = replace(services, kafka_servers=broker.open_servers)
        async with installation(mine_alone, database, topic_prefix, redis_url, partitions=1) as mine, AsyncExitStack() as stack:
            code, said = await mine.command("topics", "grant")
            assert code == 0, said
            mailbox = Mailbox(tmp_path / "mailbox")
            smtp = await stack.enter_async_context(listening(mailbox))
            secrets = [*broker.passwords.values(), await _webhook(mine)]
            ports = await _begin(mine, broker, stack, tmp_path, smtp)
            secrets += await _collect(mine, ports["collector"])
            secrets += await _visit(mine, ports["contact-api"])
            secrets += await _sign_in(mine, ports["user-api"], mailbox)
            await _garble(mine, [INTERACTIONS, CONTACTS_CHANGED, SEGMENTS_MEMBERSHIP, OUTREACH_REQUESTED])
            async with asyncio.timeout(60):
                await asyncio.gather(*(_reaches_the_end(mine, group, topic) for group, topic in FOLLOWED))
                await _has(mine, DEAD_LETTER, 3)  # written by the resolver, and buried by two workers for the relay
                while len(groups := await mine.groups()) < len(PEOPLE):
                    await asyncio.sleep(0.1)
            assert groups == PEOPLE
            await decided_until(broker.connection("onefold-jobs-worker", topic_prefix), mine.store)
        _no_log_holds(
            tmp_path,
            [
                CANARY,
                "15199887",
                *secrets,
                *mine.environment["ONEFOLD_POSTGRES__URL"].split("@")[:1],
                mine.environment["ONEFOLD_INDEX__SECRET"],
            ],
        )


async def _begin(mine: Installation, broker: GuardedKafka, stack: AsyncExitStack, folder: Path, smtp: int) -> dict[str, int]:
    """Every role, as itself; gives the ports of those that listen."""
    ports: dict[str, int] = {}
    for door in DOORS:
        ports[door] = pick(set(ports.values()))
    more = {
        "ONEFOLD_LOGS__LEVEL": "debug",
        **{f"ONEFOLD_{door.replace('-', '_').upper()}__PORT": str(port) for door, port in ports.items()},
        "ONEFOLD_WEBHOOKS__ALLOWED_NETWORKS": '["127.0.0.1/32"]',
        "ONEFOLD_OUTREACH__SMTP_HOST": "127.0.0.1",
        "ONEFOLD_OUTREACH__SMTP_PORT": str(smtp),
        "ONEFOLD_OUTREACH__SMTP_SECURITY": "none",
        "ONEFOLD_OUTREACH__SENDER": "no-reply@onefold.example",
    }
    named = {role: broker.environment(role) if role in AT_THE_BROKER else {} for role in ROLES}
    begun = [stack.enter_async_context(mine.running(role, log=str(folder / f"{role}.log"), **{**more, **named[role]})) for role in ROLES]
    await asyncio.gather(*begun)
    return ports


async def _collect(mine: Installation, port: int) -> list[str]:
    """Calls that are taken and calls that are not; gives the keys."""
    async with mine.store.transaction([WORKSPACE]) as connection:
        secret = await create_key(connection, WORKSPACE, "secret", "server")
    traits = {"email": "ann.canary@private.example", "phone": "+49 151 99887766", "name": "Ann Canary", "password": PASSWORD}
    call = {"userId": "canary-u", "anonymousId": "canary-a", "traits": traits, "context": {"identityToken": "eyJ.canary.x"}}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.post("/v1/identify", json=call, auth=(secret.text, ""))).json() == {"success": True}
        refused = [
            await client.post("/v1/identify", json=call, auth=("of_pub_canary", "")),
            await client.post("/v1/identify", content=b'{"userId": "canary', auth=(secret.text, "")),
            await client.post(
                "/v1/identify?email=canary", json={"userId": ["canary"]}, auth=(secret.text, ""), headers={"X-Strict-Mode": "1"}
            ),
        ]
        assert [each.status_code for each in refused] == [401, 400, 400]
    return [secret.text]


async def _visit(mine: Installation, port: int) -> list[str]:
    """A visitor leaves what a form asks for, and calls that are refused; gives the key."""
    async with mine.store.transaction([WORKSPACE]) as connection:
        public = await create_key(connection, WORKSPACE, "public", "site")
    told = {"api-key": public.text, "origin": "https://canary.example"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/contact/v1", headers=told) as client:
        lead = {"anonymous_token": "canary-b", "email": "bea.canary@private.example", "name": "Bea Canary", "phone": "+49 151 99887755"}
        assert (await client.post("/leads", json=lead)).status_code == 202
        assert (await client.post("/leads?email=canary", json={"email": ["canary"]})).status_code == 422
        assert (await client.post("/leads", json=lead, headers={"api-key": "of_pub_canary"})).status_code == 401
    return [public.text]


async def _sign_in(mine: Installation, port: int, mailbox: Mailbox) -> list[str]:
    """A person signs in, badly and well, and has a mail sent with a link; gives what opens things."""
    made = json.loads((await mine.command("users", "add", "--email", "boss.canary@private.example", "--role", "super_admin", "--json"))[1])
    whoever = {"workspace": WORKSPACE, "email": "boss.canary@private.example"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as client:
        assert (await client.post("/session", json={**whoever, "password": PASSWORD})).status_code == 401
        begun = await client.post("/session", json={**whoever, "password": made["password"]})
        cookie = cookie_of(begun)
        client.headers["cookie"] = f"__Host-onefold={cookie}"
        assert (await client.put("/me/password", json={"present": made["password"], "wanted": PASSWORD})).status_code == 204
        user = (await client.post("/users", json={"email": "ben.canary@private.example", "roles": ["coach"]})).json()
        assert (await client.post(f"/users/{user['user_id']}/reset")).status_code == 202
        assert (await client.get("/contacts?email=canary&nonsense=canary")).status_code >= 200
    async with asyncio.timeout(60):
        while len(mails := mailbox.mails()) < 2:  # that the password was changed, and the link
            await asyncio.sleep(0.1)
    link = next(line for mail in mails for line in mail.text.splitlines() if line.startswith("http") and "#" in line)
    return [made["password"], cookie, link.partition("#")[2]]


async def _webhook(mine: Installation) -> str:
    """One that nobody answers; gives its secret."""
    rules = bootstrap.webhook_rules(mine.role)._replace(allows_http=True)
    async with mine.store.transaction([WORKSPACE]) as connection:
        _, secret = await webhooks.create_webhook(
            connection, WORKSPACE, webhooks.Wish("CRM", "http://127.0.0.1:9/canary?token=canary"), rules
        )
    return secret


def _no_log_holds(folder: Path, values: list[str]) -> None:
    for role in ROLES:
        text = (folder / f"{role}.log").read_text()
        lines = [json.loads(line) for line in text.splitlines()]
        assert "role_stopped" in {line["event"] for line in lines}, f"{role} wrote no log"
        held = [(value, line) for value in values for line in text.splitlines() if value in line or value in line.casefold()]
        assert not held, f"{role}: {held[0]}"
    assert any(line["event"] == "delivery_not_taken" for line in map(json.loads, (folder / "webhooks-worker.log").read_text().splitlines()))


async def _garble(mine: Installation, topics: list[str]) -> None:
    """Something on each topic that nobody can read, for those who follow it."""
    async with IdempotentProducer(mine.role.kafka) as producer:
        for topic in topics:
            await producer.send(topic, b"canary", b'{"canary": "canary@private.example"}')


async def _reaches_the_end(mine: Installation, group: str, topic: str) -> None:
    while (await committed(mine.role.kafka, mine.role.kafka.topic(group), topic)).get(0, 0) < 1:
        await asyncio.sleep(0.3)


async def _has(mine: Installation, topic: str, count: int) -> None:
    while len([each async for each in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]) < count:
        await asyncio.sleep(0.3)
