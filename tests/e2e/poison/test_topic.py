"""Every poison straight on the topic, through the real resolver in one run, with good neighbours between (I1, I12, I13)."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from onefold.messages.dead_letters import HEADER_TITLES, split
from onefold.messages.times import from_milliseconds
from onefold.messages.topics import DEAD_LETTER, INTERACTIONS, INTERACTIONS_RESOLVED, SPECS
from onefold.topics.producer import IdempotentProducer
from onefold.topics.tail import follow_topic
from onefold.workspace import rules
from tests.e2e.check.stories import check, following, quiet
from tests.e2e.poison.cases import Person, named, record
from tests.e2e.poison.store import Stored, differences, expected, people
from tests.e2e.poison.topic_cases import CASES, KILLER_PATTERNS
from tests.support.installations import Installation, installation
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onefold.topics.consumer import Record
    from tests.e2e.poison.cases import TopicCase
    from tests.support.servers import Database, Services

RAISED = 8 * 1024 * 1024


class Sent(NamedTuple):
    """One record, and of which case it is; None for a good neighbour."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    who: str
    case: TopicCase | None


def everything() -> list[Sent]:
    """All cases in a row, a good neighbour after each record, and one before the first."""
    found = [neighbour(0)]
    for number, case in enumerate(CASES):
        who = f"p{case.number}.{number}"
        for key, value in case.records:
            raw = named(value, who) if value is not None else None
            found.append(Sent(named(key, who) if key is not None else None, raw, case.headers, who, case))
            found.append(neighbour(len(found)))
    return found


def neighbour(number: int) -> Sent:
    who = f"good-{number}"
    return Sent(named(b"acme:WHO", who), named(record(traits={"n": number}), who), (), who, None)


@pytest.mark.asyncio
async def test_every_poison_on_the_topic_ends_where_the_table_says(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """I1, I12, I13, A6: what lives is stored exactly, what is dead is kept byte for byte, and all neighbours resolve.

    Relay and segments follow: a change that they could not take would hold up everything behind it (poison 28).
    """
    sent = everything()
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        await add_workspace(mine.store, "beta")
        await block(mine, KILLER_PATTERNS)
        await raise_limit(mine)
        await produce(mine, sent)
        async with mine.resolvers(1, batch_size=25), following(mine):
            await mine.settled()
            await quiet(mine)
        log = [each async for each in follow_topic(mine.role.kafka, INTERACTIONS, from_start=True, to_end=True)]
        assert [(each.key, each.value, each.headers) for each in log] == [each[:3] for each in sent], "the log is not what was sent"
        assert differences(await outcomes(mine), dict(fates(sent))) == ""
        assert differences(await people(mine.store), dict(stored(sent))) == ""
        await check_conserved(mine, log, sent)
        report = await check(mine.environment)
        assert {name: report.what(name) for name in report.differing} == {}
        for each in [each for each in sent if each.case is not None and each.case.number == 36][:2]:
            await check_shown(mine, each.who)


async def check_shown(mine: Installation, who: str) -> None:
    """Poison 36, S98: what a name holds is shown and not obeyed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "onefold", "contacts", "show", f"anonymous_token:{who}"),
        env={**os.environ, **mine.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    assert rf"anonymous_token:{who}" in out.decode()
    assert re.search(r"name +\\x(1b|9b)", out.decode())
    assert {each for each in (out + err).decode() if not each.isprintable()} <= {"\n"}


def fates(sent: Sequence[Sent]) -> Iterable[tuple[str, str]]:
    """What must become of each offset: the words of its lines, and the codes of dead letters."""
    words: dict[str, list[str]] = {each.who: each.case.word.split(", ") for each in sent if each.case is not None}
    for offset, each in enumerate(sent):
        word = words[each.who].pop(0) if each.case is not None else "created"
        dead = each.case is not None and each.case.fate == "D"
        yield f"{offset} {each.who}", f"dead: {word}" if dead else word


async def outcomes(mine: Installation) -> dict[str, str]:
    sent = everything()
    found: dict[str, str] = {}
    for line in [msgspec.json.decode(each.value or b"") for each in await read(mine, INTERACTIONS_RESOLVED)]:
        reason = f" ({line['reason']})" if line["reason"] else ""
        name = f"{line['offset']} {sent[line['offset']].who}"
        found[name] = found.get(name, "") + line["outcome"] + reason
    for letter in await read(mine, DEAD_LETTER):
        death, _ = split(letter.headers)
        assert death is not None
        name = f"{death.origin_offset} {sent[death.origin_offset].who}"
        found[name] = found.get(name, "") + f"dead: {death.error_code}"
    return found


def stored(sent: Sequence[Sent]) -> Iterable[tuple[frozenset[str], Stored]]:
    """Who must be there: the neighbours, and whom the cases say."""
    for number, each in enumerate(sent):
        if each.case is None:
            yield expected(Person(attributes={"n": number}), each.who)
        else:
            yield from (expected(person, each.who) for person in each.case.people)


async def check_conserved(mine: Installation, log: Sequence[Record], sent: Sequence[Sent]) -> None:
    """I13: key, value, headers, position and time of the original, one letter for each."""
    letters = {}
    for letter in await read(mine, DEAD_LETTER):
        death, headers = split(letter.headers)
        assert death is not None
        assert death.origin_topic == INTERACTIONS
        origin = (death.origin_partition, death.origin_offset, death.origin_timestamp)
        assert origin not in letters, "two letters of one record"
        letters[origin] = (letter.key, letter.value, headers)
        assert (death.attempts, death.error_class != "", death.code_version != "") == (1, True, True)
    dead = [each for each, what in zip(log, sent, strict=True) if what.case is not None and what.case.fate == "D"]
    assert letters == {
        (each.partition, each.offset, from_milliseconds(each.timestamp_ms)): (each.key, each.value, without_ours(each)) for each in dead
    }


def without_ours(record: Record) -> tuple[tuple[str, bytes | None], ...]:
    """Its headers; those with the names of our own give way to ours."""
    return tuple((name, value) for name, value in record.headers if name not in HEADER_TITLES)


async def read(mine: Installation, topic: str) -> list[Record]:
    return [each async for each in follow_topic(mine.role.kafka, topic, from_start=True, to_end=True)]


async def produce(mine: Installation, sent: Sequence[Sent]) -> None:
    """Append everything in its order."""
    async with (
        IdempotentProducer(mine.role.kafka, max_message_bytes=RAISED) as plain,
        IdempotentProducer(mine.role.kafka, max_message_bytes=RAISED, compression="gzip") as compressing,
    ):
        for compressed, group in groupby(sent, key=lambda each: each.case is not None and each.case.compressed):
            await (compressing if compressed else plain).send_batches(INTERACTIONS, {0: [each[:3] for each in group]})


async def block(mine: Installation, patterns: Sequence[str]) -> None:
    """A workspace has blocked user ids by patterns (poison 31)."""
    async with mine.store.transaction(["acme"]) as connection:
        planned = await rules.plan(connection, "acme", rules.Edits(keys=[("blocked.user_id.patterns", list(patterns))]))
        await rules.carry_out(connection, planned, actor="test", reason=None)


async def raise_limit(mine: Installation) -> None:
    """An operator let larger records onto the topic: our own limit decides all the same (poison 34)."""
    admin = AIOKafkaAdminClient(bootstrap_servers=mine.role.kafka.servers)
    await admin.start()
    try:
        name = mine.role.kafka.topic(INTERACTIONS)
        (spec,) = [each for each in SPECS if each.name == INTERACTIONS]
        config = {**spec.config, "max.message.bytes": str(RAISED)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs=config)])
    finally:
        await admin.close()
