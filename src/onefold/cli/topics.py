"""`onefold topics`: the topics on the broker, and what they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import DIFFERENT, print_json, print_table, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.settings import Settings
    from onefold.topics.client import KafkaConnection

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


def _connection() -> tuple[KafkaConnection, Settings]:
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.topics.client import KafkaConnection  # noqa: PLC0415 -- a command loads only what it needs

    settings = Settings.load()
    return KafkaConnection(settings.kafka.servers, settings.kafka.topic_prefix, client_id="onefold-cli"), settings


def _text(pairs: Mapping[str, tuple[str | None, str]]) -> str:
    return ", ".join(f"{name}: {before} → {after}" for name, (before, after) in pairs.items())
