"""`onefold events`: put interactions onto the topic, and watch any topic."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli.output import print_line, run, say
from onefold.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

app = typer.Typer(help="Events on the topics.", no_args_is_help=True)

BATCH = 500


@app.command()
def send(
    file: Annotated[Path, typer.Argument(help="JSON Lines, an interaction a line; - for standard input.", allow_dash=True)],
) -> None:
    """Check interactions and produce them to the topic, as a server of yours would. Stops at the first that is none."""
    run(_send(file))


async def _send(file: Path) -> None:
    from onefold.bootstrap import kafka_connection  # noqa: PLC0415
    from onefold.messages.codec import key_of  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.messages.topics import INTERACTIONS  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415
    from onefold.topics.producer import IdempotentProducer  # noqa: PLC0415

    settings = Settings.load()
    connection = kafka_connection(settings.kafka, "cli")
    sent = 0
    async with IdempotentProducer(connection, linger_ms=5) as producer:
        batch: list[tuple[bytes | None, bytes | None]] = []
        for number, line in _lines(file):
            try:
                batch.append((key_of(line), line))
            except InvalidMessage as error:
                raise InvalidMessage(f"line {number}: {error}. The {sent} before it were sent.", code=error.code) from error
            if len(batch) >= BATCH:
                await producer.send_many(INTERACTIONS, batch)
                sent, batch = sent + len(batch), []
        await producer.send_many(INTERACTIONS, batch)
        sent += len(batch)
    say(f"{sent} interactions sent and acknowledged\nnext: onefold events tail --topic interactions.resolved")


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that hold anything, numbered from 1."""
    if str(file) != "-" and not file.is_file():
        raise InvalidMessage(f"{file} is no file", code="no_such_file")
    stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    with stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line.strip()


@app.command()
def tail(
    topic: Annotated[str, typer.Option(help="Without prefix: interactions, contacts.changed, interactions.resolved, …")] = "interactions",
    since: Annotated[str, typer.Option(help="`end`: only what comes from now on; `start`: all that is kept.")] = "start",
    count: Annotated[int | None, typer.Option("--count", "-n", help="Stop after so many.", show_default=False)] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more instead of ending at the end.")] = False,
) -> None:
    """Print records as JSON Lines: position, key, headers and value. For pipes: `onefold events tail | jq .value`."""
    run(_tail(topic, since, count, follow=follow))


async def _tail(topic: str, since: str, count: int | None, *, follow: bool) -> None:
    from onefold.bootstrap import kafka_connection  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.topics.tail import follow_topic  # noqa: PLC0415

    settings = Settings.load()
    connection = kafka_connection(settings.kafka, "cli")
    printed = 0
    async for record in follow_topic(connection, topic, from_start=since == "start", to_end=not follow):
        print_line(
            {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
                "key": _text(record.key),
                "headers": {name: _text(value) for name, value in record.headers},
                "value": _value(record.value),
            }
        )
        printed += 1
        if count is not None and printed >= count:
            return


def _text(raw: bytes | None) -> str | None:
    return raw.decode(errors="replace") if raw is not None else None


def _value(raw: bytes | None) -> object:
    """The value as JSON where it is JSON, else as text."""
    import msgspec  # noqa: PLC0415

    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return raw.decode(errors="replace")
