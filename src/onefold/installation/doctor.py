"""One page about an installation: is everything there, is it safe, is it keeping up? Called by `onefold doctor`.

Each finding says what is, whether that is well, and what to do if not. Durability guards are those without which promises fail (F30).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from onefold import bootstrap
from onefold.errors import ConfigurationError, IndexUnavailable, OnefoldError
from onefold.messages.topics import INTERACTIONS, INTERACTIONS_RESOLVED, SPECS, kept_ms
from onefold.ops.dead_letters import count_open as count_open_letters
from onefold.outreach.smtp import is_this_machine
from onefold.records import migrate, store_place, timeline_checks
from onefold.records.parked import count_open
from onefold.records.quarantine import count_held
from onefold.records.store import name_workspaces
from onefold.records.workspaces import list_workspaces
from onefold.topics.admin import list_topics
from onefold.topics.ends import end_offsets

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from onefold.bootstrap import Role
    from onefold.records.store import Store
    from onefold.settings import Settings
    from onefold.topics.admin import TopicReport

GUARDS = {"fsync": ("on",), "full_page_writes": ("on",), "synchronous_commit": ("on", "local", "remote_write", "remote_apply")}
REVISION = "select version_num from alembic_version"
PROGRESS = "select partition, next_offset from progress where consumer = 'resolver' and topic = $1"
OUTBOX = "select count(*) as rows, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as age from outbox"
SECRET = "ONEFOLD_VALIDATION__SECRET, 64 hexadecimal digits, such as from openssl rand -hex 32"  # noqa: S105 -- how to make one
OLD_OUTBOX_SECONDS = 60
MOST_LETTERS = 1_000
MOST_HELD_BACK = 1_000
SHOWN_WORKSPACES = 5
DAY_MS = 86_400_000
COPY = (
    "this store was restored or moved here, and people may be in it who were erased since: run `onefold erasures reapply`, which says what"
    " it would do, and then with --execute (docs/how-to/restore.md)"
)
KEEPING = ("retention.ms", "segment.ms", "max.compaction.lag.ms")
"""Settings that say for how long a topic keeps what it was told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    is_well: bool
    found: str
    advice: str = ""


async def examine(role: Role) -> list[Finding]:
    """Look at everything; a server that is away is a finding, not an error."""
    findings: list[Finding] = []
    for look in (_postgres, _redis, _kafka):
        findings.extend(await _asked(look, role))
    return [*findings, *_settings(role.settings)]


def _settings(settings: Settings) -> list[Finding]:
    """What the settings leave out: well on a machine for development, and not in production."""
    is_dev = settings.profile != "production"
    outreach = settings.outreach
    secret = settings.validation_secret is not None
    mail = outreach.smtp_host is not None
    findings = [
        Finding("codes and links", secret, "set" if secret else "unset", "" if secret else "nobody can prove an address: " + SECRET),
        Finding(
            "mail", mail or is_dev, outreach.smtp_host or "unset", "" if mail or is_dev else "no mail is sent: ONEFOLD_OUTREACH__SMTP_HOST"
        ),
    ]
    for name, url in (
        ("ONEFOLD_OUTREACH__LINKS_URL", outreach.links_url),
        ("ONEFOLD_CONTACT_API__PUBLIC_URL", settings.contact_api.public_url),
    ):
        is_well = is_dev or not is_this_machine(urlsplit(url).hostname or "")
        advice = "" if is_well else f"links in messages lead to the reader's own machine: set {name} to the address that people reach"
        findings.append(Finding(f"links of {name}", is_well, url, advice))
    return findings


async def refuse_unsafe(role: Role, *, uses_index: bool) -> None:
    """Before a role starts: ConfigurationError where a commit could be lost or the index would be silently incomplete (F30, F20).

    Or where the store is a copy, in which people may be who were erased since (S108). In the profile `dev` a Postgres that may lose commits
    is only warned of. An index that is away is no reason not to start.
    """
    async with bootstrap.store(role, pool_size=2) as store, store.connection() as connection:
        values = {name: await connection.fetchval("select current_setting($1)", name) for name in GUARDS}
        is_home = await store_place.is_home(connection)
    if not is_home:
        raise ConfigurationError(COPY)
    unsafe = {name: value for name, value in values.items() if value not in GUARDS[name]}
    if unsafe and role.settings.profile == "production":
        wanted = ", ".join(f"{name} to {GUARDS[name][0]}" for name in unsafe)
        raise ConfigurationError(f"Postgres may lose what it has committed ({unsafe}): set {wanted}, or do not call this production")
    if unsafe:
        role.log.warning("commits_can_be_lost", settings=unsafe)
    if uses_index:
        async with bootstrap.index(role) as index:
            with suppress(IndexUnavailable):
                await index.check()


async def _asked(look: Callable[[Role], Awaitable[list[Finding]]], role: Role) -> list[Finding]:
    try:
        return await look(role)
    except OnefoldError as error:
        return [Finding(look.__name__.strip("_"), False, error.code, str(error))]


async def _postgres(role: Role) -> list[Finding]:
    async with bootstrap.store(role) as store, store.connection() as connection:
        version = await connection.fetchval("show server_version")
        findings = [Finding("postgres", True, f"version {version}")]
        for name, allowed in GUARDS.items():
            value = await connection.fetchval("select current_setting($1)", name)
            findings.append(
                Finding(
                    f"postgres {name}", value in allowed, value, "" if value in allowed else f"set it to {allowed[0]}: commits can be lost"
                )
            )
        present = await connection.fetchval("select to_regclass('alembic_version')::text")
        revision = await connection.fetchval(REVISION) if present else None
        wanted = migrate.head()
        findings.append(
            Finding(
                "tables",
                revision == wanted,
                f"revision {revision}",
                "" if revision == wanted else f"run `onefold setup`, to revision {wanted}",
            )
        )
        if revision == wanted:
            is_home = await store_place.is_home(connection)
            findings.append(Finding("place", is_home, "where it was last used" if is_home else "a copy", "" if is_home else COPY))
            findings.extend(await _state(role, store))
    return findings


async def _state(role: Role, store: Store) -> list[Finding]:
    async with store.connection() as connection:
        (outbox,) = await connection.fetch(OUTBOX)
        progress = {row["partition"]: row["next_offset"] for row in await connection.fetch(PROGRESS, INTERACTIONS)}
    is_young = outbox["age"] < OLD_OUTBOX_SECONDS
    findings = [
        Finding("outbox", is_young, f"{outbox['rows']} rows, oldest {outbox['age']:.0f} s", "" if is_young else "is a relay running?")
    ]
    ends = await end_offsets(role.kafka, INTERACTIONS)
    lag = sum(max(0, end - progress.get(partition, 0)) for partition, end in ends.items())
    ahead = [partition for partition, offset in progress.items() if offset > ends.get(partition, 0)]
    findings.append(Finding("resolver lag", True, f"{lag} records"))
    if ahead:
        findings.append(
            Finding(
                "progress", False, f"ahead of the log in {ahead}", "the topic was made anew or lost records; nothing is skipped by itself"
            )
        )
    told = await end_offsets(role.kafka, INTERACTIONS_RESOLVED)
    stored = await timeline_checks.passed(store)
    findings.append(
        Finding("timeline lag", True, f"{sum(max(0, end - stored.get(partition, 0)) for partition, end in told.items())} lines")
    )
    dead = await count_open_letters(store, role.kafka, most=MOST_LETTERS)
    said = f"{dead} open" if dead < MOST_LETTERS else f"{dead} open or more"
    findings += await _held_back(store)
    findings.append(Finding("dead letters", dead == 0, said, "" if dead == 0 else "onefold dead-letters list"))
    return findings


async def _held_back(store: Store) -> list[Finding]:
    """What limits hold back in any workspace, until a person decides."""
    async with store.begin() as connection:
        workspaces = await list_workspaces(connection)
        await name_workspaces(connection, workspaces)
        events = await count_open(connection, workspaces, most=MOST_HELD_BACK)
        values = await count_held(connection, workspaces, most=MOST_HELD_BACK)
    return [_counted("parked", events, "onefold parked list"), _counted("quarantine", values, "onefold quarantine list")]


def _counted(what: str, counts: dict[str, int], command: str) -> Finding:
    if not counts:
        return Finding(what, True, "0 open")
    said = ", ".join(f"{count} in {workspace}" for workspace, count in sorted(counts.items())[:SHOWN_WORKSPACES])
    more = " or more" if sum(counts.values()) >= MOST_HELD_BACK or len(counts) > SHOWN_WORKSPACES else ""
    return Finding(what, False, said + more, f"{command} --workspace {min(counts)}")


async def _redis(role: Role) -> list[Finding]:
    async with bootstrap.index(role) as index:
        said = await index.check()
    return [Finding("redis", True, ", ".join(f"{name} {value}" for name, value in said.items()))]


async def _kafka(role: Role) -> list[Finding]:
    findings = []
    for each in await list_topics(role.kafka, partitions=role.settings.kafka.partitions):
        is_well = each.state != "missing" and not each.differs
        differs = ", ".join(f"{name} is {is_}, should be {wanted}" for name, (is_, wanted) in each.differs.items())
        findings.append(
            Finding(
                f"topic {each.name}",
                is_well,
                f"{each.partitions} partitions",
                "" if is_well else f"run `onefold topics create` ({differs or 'missing'})",
            )
        )
        if role.settings.profile == "production" and each.replication < 3:  # noqa: PLR2004 -- what survives one broker
            findings.append(
                Finding(f"copies of {each.name}", False, str(each.replication), "three copies, min.insync.replicas 2, in production")
            )
        if each.state != "missing":
            findings += _kept(each)
    return findings


def _kept(topic: TopicReport) -> list[Finding]:
    """Whether a topic keeps personal data for longer than is promised, so that erasing takes longer; tombstones have to outlast readers."""
    declared = next(spec.config for spec in SPECS if spec.name == topic.topic)
    findings = []
    kept, promised = kept_ms(topic.config), kept_ms(declared)
    if promised is not None and (kept is None or kept > promised):
        said = "for good" if kept is None else f"{kept / DAY_MS:g} days"
        settings = ", ".join(f"{name}={declared[name]}" for name in KEEPING if name in declared)
        advice = f"erased people stay there for so long; docs/how-to/privacy.md promises {settings}"
        findings.append(Finding(f"keeping of {topic.name}", False, said, advice))
    tombstones = declared.get("delete.retention.ms")
    if tombstones is not None and int(topic.config.get("delete.retention.ms", DAY_MS)) < int(tombstones):
        advice = f"a reader that was away misses who was erased: delete.retention.ms={tombstones}"
        findings.append(Finding(f"tombstones of {topic.name}", False, f"{topic.config.get('delete.retention.ms')} ms", advice))
    return findings
