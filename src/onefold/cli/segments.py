"""`onefold segments`: saved queries over contacts and who belongs to them."""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import InvalidQuery

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from onefold.records.segments import Segment
    from onefold.records.store import Store

app = typer.Typer(help="Segments: saved queries over contacts, with automatic membership.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Query = Annotated[str, typer.Option(help="The query as JSON, or @FILE to read it from a file.")]
SHOWN = 50


@app.command()
def create(
    slug: str,
    query: Query,
    title: Annotated[str | None, typer.Option(help="The slug where unset.", show_default=False)] = None,
    workspace: Workspace = "acme",
    *,
    json: Json = False,
) -> None:
    """Save a query as a segment and fill it with the contacts that match now."""
    segment, entered, left = run(_change(workspace, slug, _read(query), title, edit=False))
    _tell(segment, entered, left, json=json)


@app.command()
def edit(
    slug: str,
    query: Query,
    title: Annotated[str | None, typer.Option(help="As it is where unset.", show_default=False)] = None,
    workspace: Workspace = "acme",
    *,
    json: Json = False,
) -> None:
    """Give a segment another query: who matches no longer leaves, who matches now enters."""
    segment, entered, left = run(_change(workspace, slug, _read(query), title, edit=True))
    _tell(segment, entered, left, json=json)


@app.command()
def fill(slug: str, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Go on with a fill that was interrupted."""
    segment, entered, left = run(_fill(workspace, slug))
    _tell(segment, entered, left, json=json)


@app.command("list")
def list_(workspace: Workspace = "acme", *, json: Json = False) -> None:
    """List the segments of a workspace with the number of their members."""
    found = run(_list(workspace))
    if json:
        print_json([{**_shown(segment), "members": count} for segment, count in found])
        return
    rows = [(each.slug, each.title, count, each.state, f"v{each.version}", json_.dumps(each.raw)) for each, count in found]
    then = f"onefold segments members {found[0][0].slug}" if found else "onefold segments create leads --query '{\"field\": …}'"
    print_table(["slug", "title", "members", "state", "rule", "query"], rows, then=then)


@app.command()
def members(
    slug: str,
    workspace: Workspace = "acme",
    after: Annotated[UUID | None, typer.Option(help="Go on after this contact.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = SHOWN,
    *,
    json: Json = False,
) -> None:
    """List who belongs to a segment, in the order of their ids."""
    rows = run(_members(workspace, slug, after, limit))
    if json:
        print_json(rows)
        return
    shown = [
        (row["contact_id"], row["type"], " ".join(filter(None, (row["given_name"], row["last_name"]))), row["email"], row["since"])
        for row in rows
    ]
    then = f"onefold contacts show {rows[0]['contact_id']}" if rows else f"onefold segments list --workspace {workspace}"
    if len(rows) == limit:
        then = f"onefold segments members {slug} --after {rows[-1]['contact_id']}"
    print_table(["contact", "type", "name", "email", "since"], shown, then=then)


def _read(query: str) -> object:
    if query.startswith("@"):
        file = Path(query[1:])
        if not file.is_file():
            raise InvalidQuery(f"{file} is no file")
        query = file.read_text(encoding="utf-8")
    try:
        return json_.loads(query)
    except (json_.JSONDecodeError, RecursionError) as error:
        raise InvalidQuery(f"the query is not JSON: {error}") from None


def _store() -> AbstractAsyncContextManager[Store]:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.settings import Settings  # noqa: PLC0415

    return bootstrap.store(bootstrap.begin("cli", Settings.load()))


async def _change(workspace: str, slug: str, raw: object, title: str | None, *, edit: bool) -> tuple[Segment, int, int]:
    from onefold.workspace import segments  # noqa: PLC0415

    async with _store() as store:
        async with store.transaction([workspace]) as connection:
            if edit:
                segment = await segments.edit(connection, workspace, slug, raw, title)
            else:
                segment = await segments.create(connection, workspace, slug, title or slug, raw)
        return await _filled(store, segment)


async def _fill(workspace: str, slug: str) -> tuple[Segment, int, int]:
    from onefold.workspace import segments  # noqa: PLC0415

    async with _store() as store:
        async with store.transaction([workspace]) as connection:
            segment = await segments.find(connection, workspace, slug)
        return await _filled(store, segment)


async def _filled(store: Store, segment: Segment) -> tuple[Segment, int, int]:
    from onefold.workspace import segments  # noqa: PLC0415

    moved = [0, 0]

    def count(entered: int, left: int) -> None:
        moved[0] += entered
        moved[1] += left

    return await segments.fill(store, segment, count), moved[0], moved[1]


async def _list(workspace: str) -> list[tuple[Segment, int]]:
    from onefold.records.segments import list_segments  # noqa: PLC0415

    async with _store() as store, store.transaction([workspace]) as connection:
        return await list_segments(connection, workspace)


async def _members(workspace: str, slug: str, after: UUID | None, limit: int) -> list[dict[str, Any]]:
    from onefold.records import segments as records  # noqa: PLC0415
    from onefold.workspace import segments  # noqa: PLC0415

    async with _store() as store, store.transaction([workspace]) as connection:
        segment = await segments.find(connection, workspace, slug)
        return [dict(row) for row in await records.members(connection, segment, after or records.FIRST, limit)]


def _shown(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.segment_id,
        "slug": segment.slug,
        "title": segment.title,
        "query": segment.raw,
        "version": segment.version,
        "state": segment.state,
        "created_at": segment.created_at,
        "updated_at": segment.updated_at,
    }


def _tell(segment: Segment, entered: int, left: int, *, json: bool) -> None:
    if json:
        print_json({**_shown(segment), "entered": entered, "left": left})
        return
    say(f"segment {segment.slug}: {entered} entered, {left} left; it is {segment.state}\nnext: onefold segments members {segment.slug}")
