"""`onefold simulate`: what some interactions would do, under these rules or others, without writing anything."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from onefold.cli.output import PARTIAL, counted, print_document, print_table, run, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from onefold.identity.rules_document import Document
    from onefold.ops.simulate.shapes import ContactShown, Difference, Report, Somebody

SHOWN = 20
SHOWN_IDENTIFIERS = 5


class Beginning(StrEnum):
    """What the first interaction meets."""

    EMPTY = "empty"
    CONTACTS = "contacts"


def simulate(
    events: Annotated[Path, typer.Argument(help="JSON Lines, an interaction a line; - for standard input.", allow_dash=True)],
    rules: Annotated[
        Path | None, typer.Option("--rules", metavar="RULES.json", help="Decide under this document instead.", show_default=False)
    ] = None,
    beginning: Annotated[
        Beginning, typer.Option("--from", help="empty: nobody is known, no server is needed. contacts: as stored now.")
    ] = Beginning.EMPTY,
    *,
    diff: Annotated[bool, typer.Option("--diff", help="Say what the document changes against the present rules.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON; docs/reference/simulate.schema.json says the shape.")] = False,
) -> None:
    """Show what interactions would do: contacts, outcomes, and with --diff what other rules would change. Nothing is written.

    Lines that are no interactions are named and left out; the exit code is 5 then.
    """
    gc.disable()  # what a run makes lasts to its end and holds no cycles; looking for them takes half as long again
    document = _document(rules)
    with _opened(events) as stream:
        report = (
            _from_empty(stream, document, diff=diff) if beginning is Beginning.EMPTY else run(_from_stored(stream, document, diff=diff))
        )
    if json:
        print_document(_text(report))
    else:
        _print(report)
    if report.bad_lines:
        for bad in report.bad_lines[:SHOWN]:
            say(f"line {bad.line}: {bad.code}: {bad.reason}")
        say(f"lines that are no interactions, and were left out: {len(report.bad_lines)}")
        raise typer.Exit(PARTIAL)


def _document(file: Path | None) -> Document | None:
    from onefold.identity.rules_reading import read  # noqa: PLC0415 -- a command loads only what it needs

    if file is None:
        return None
    if not file.is_file():
        raise typer.BadParameter(f"{file} is no file", param_hint="--rules")
    return read(file.read_bytes())


@contextmanager
def _opened(events: Path) -> Iterator[BinaryIO]:
    if str(events) == "-":
        yield sys.stdin.buffer
        return
    if not events.is_file():
        raise typer.BadParameter(f"{events} is no file", param_hint="EVENTS")
    with events.open("rb") as stream:
        yield stream


def _from_empty(stream: BinaryIO, document: Document | None, *, diff: bool) -> Report:
    from onefold.ops.simulate.lines import numbered  # noqa: PLC0415
    from onefold.ops.simulate.report import report  # noqa: PLC0415
    from onefold.ops.simulate.run import Run, from_empty, same_everywhere  # noqa: PLC0415

    tried = Run(same_everywhere(document))
    present = Run(same_everywhere(None)) if diff else None
    bad = from_empty(numbered(stream), [tried] if present is None else [present, tried])
    return report(tried, bad, present=present)


async def _from_stored(stream: BinaryIO, document: Document | None, *, diff: bool) -> Report:
    from onefold import bootstrap  # noqa: PLC0415
    from onefold.ops.simulate.report import report  # noqa: PLC0415
    from onefold.ops.simulate.stored import StoredRun, from_stored  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    settings = Settings.load()
    recency = timedelta(seconds=settings.resolver.recency_seconds)
    tried = StoredRun(document, recency)
    present = StoredRun(None, recency) if diff else None
    async with bootstrap.store(bootstrap.begin("cli", settings), pool_size=1) as store:
        bad = await from_stored(stream, store, [tried] if present is None else [present, tried], recency)
    return report(tried, bad, present=present)


def _text(said: Report) -> Iterator[bytes]:
    from onefold.ops.simulate.report import text  # noqa: PLC0415

    return text(said)


def _print(said: Report) -> None:
    types = Counter(each.type for each in said.contacts)
    rows = [(each.id, each.type, _name(each), _listed(each), len(each.merged) or None) for each in said.contacts[:SHOWN]]
    print_table(["contact", "type", "name", "identifiers", "absorbed"], rows, title=_told(counted("contact", len(said.contacts)), types))
    outcomes = Counter((each.outcome, each.reason) for each in said.outcomes)
    print_table(
        ["outcome", "reason", "interactions"],
        [(outcome, reason, count) for (outcome, reason), count in outcomes.most_common()],
        title="\n" + counted("interaction", len(said.outcomes)),
    )
    causes = Counter((each.cause, each.semantic_type) for each in said.proposals)
    if causes:
        title = f"\n{counted('proposal', len(said.proposals))}, open when the lines end"
        print_table(["cause", "through", "proposals"], [(*key, count) for key, count in causes.most_common()], title=title)
    if said.diff:
        print_difference(said.diff)
    say("\nnothing was written; --json prints everything")


def print_difference(diff: Difference) -> None:
    """What one run made otherwise than the other, for people."""
    rows: list[tuple[object, ...]] = []
    rows += [("merged", _short(each.contact), " + ".join(map(_who, each.before))) for each in diff.merged[:SHOWN]]
    rows += [("split", _short(each.contact), " | ".join(map(_who, each.after))) for each in diff.split[:SHOWN]]
    rows += [("type", _short(each.after), f"{each.before.type} -> {each.after.type}") for each in diff.types[:SHOWN]]
    counts = {"merged": len(diff.merged), "split": len(diff.split), "of another type": len(diff.types)}
    print_table(["what", "contact", "how"], rows, title="\n" + _told("against the present rules, contacts", counts))
    changed = Counter((each.before.outcome, each.before.reason, each.after.outcome, each.after.reason) for each in diff.outcomes)
    print_table(
        ["before", "reason", "after", "reason", "interactions"],
        [(*key, count) for key, count in changed.most_common(SHOWN)],
        title=f"\nother outcomes: {len(diff.outcomes)}; identifiers: {len(diff.gone)} gone, {len(diff.new)} new;"
        f" proposals: {len(diff.proposals.gone)} gone, {len(diff.proposals.new)} new",
    )


def _told(what: str, counts: Mapping[str, int]) -> str:
    return f"{what}: " + (", ".join(f"{count} {name}" for name, count in counts.items()) or "none")


def _name(contact: ContactShown) -> str:
    return " ".join(filter(None, (contact.given_name, contact.last_name)))


def _listed(contact: ContactShown) -> str:
    return _first([f"{each.semantic_type}:{each.identifier}" for each in contact.identifiers], len(contact.identifiers))


def _short(who: Somebody) -> str:
    return _first(who.identifiers, who.identifiers_total)


def _who(who: Somebody) -> str:
    return f"({_short(who)})"


def _first(identifiers: Sequence[str], total: int) -> str:
    more = f" and {total - SHOWN_IDENTIFIERS} more" if total > SHOWN_IDENTIFIERS else ""
    return " ".join(identifiers[:SHOWN_IDENTIFIERS]) + more
