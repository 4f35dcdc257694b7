"""`onefold topics`: the topics on the broker, and what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.settings import Kafka, Settings
    from onefold.topics.client import KafkaConnection
    from onefold.topics.rights import Right

app = typer.Typer(help="Topics on the broker.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@app.command()
def create(*, json: Json = False) -> None:
    """Make missing topics, raise what is too small, mend what correctness rests on. Safe to repeat; never deletes, never lowers."""
    from onefold.topics.admin import ensure_topics  # noqa: PLC0415

    connection, settings = _connection()
    done = run(ensure_topics(connection, partitions=settings.kafka.partitions, replication=settings.kafka.replication))
    if json:
        print_json(done)
    else:
        rows = [(each.name, each.partitions, each.state, _text(each.changes)) for each in done]
        print_table(["topic", "partitions", "done", "changed"], rows, then="onefold topics list")


@app.command("list")
def list_(*, json: Json = False) -> None:
    """List the topics as they are, and what `create` would change. Exit code 3 if it would change something."""
    from onefold.topics.admin import list_topics  # noqa: PLC0415

    connection, settings = _connection()
    found = run(list_topics(connection, partitions=settings.kafka.partitions))
    if json:
        print_json(found)
    else:
        rows = [(each.name, each.state, each.partitions, each.replication, _text(each.differs)) for each in found]
        then = "onefold topics create" if any(each.differs for each in found) else "onefold events tail --topic interactions.resolved"
        print_table(["topic", "state", "partitions", "copies", "differs"], rows, then=then)
    if any(each.state == "missing" or each.differs for each in found):
        raise typer.Exit(DIFFERENT)


Role = Annotated[list[str] | None, typer.Option(help="Of this role alone; may be repeated. Unset, of all.", show_default=False)]


@app.command()
def rights(role: Role = None, *, json: Json = False) -> None:
    """Print what each role may do on topics, as commands of Kafka's own `kafka-acls.sh`. Speaks to no broker."""
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.topics.rights import as_command  # noqa: PLC0415

    kafka = Settings.load().kafka
    found = _rights(kafka, role)
    if json:
        print_json([{"principal": to, **right._asdict()} for to, right in found])
        return
    for to, right in found:
        print(as_command(to, right, servers=kafka.servers))
    say("next: run them as Kafka's administrator, or let `onefold topics grant` give the same rights with an administrator's credentials")


@app.command()
def grant(role: Role = None) -> None:
    """Give each role its rights on topics. Safe to repeat; takes nothing away. Needs credentials that may alter the cluster."""
    from onefold.topics.admin import grant as give  # noqa: PLC0415

    connection, settings = _connection()
    found = _rights(settings.kafka, role)
    run(give(connection, found))
    say(f"{len(found)} rights given to {len({to for to, _ in found})} principals")


def _rights(kafka: Kafka, roles: Sequence[str] | None) -> list[tuple[str, Right]]:
    from onefold.topics.rights import ROLES, principal, rights  # noqa: PLC0415

    if unknown := sorted(set(roles or ()) - set(ROLES)):
        raise typer.BadParameter(f"{', '.join(unknown)}: no role that speaks to Kafka; these do: {', '.join(ROLES)}")
    wanted = [each for each in ROLES if not roles or each in roles]
    return [(principal(each), right) for each in wanted for right in rights(each, prefix=kafka.topic_prefix, resolvers=kafka.group)]


def _connection() -> tuple[KafkaConnection, Settings]:
    from onefold.bootstrap import kafka_connection  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    return kafka_connection(settings.kafka, "cli"), settings


def _text(pairs: Mapping[str, tuple[str | None, str]]) -> str:
    return ", ".join(f"{name}: {before} → {after}" for name, (before, after) in pairs.items())
