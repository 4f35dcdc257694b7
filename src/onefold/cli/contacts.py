"""`onefold contacts`: what is known of a contact, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from onefold.cli.output import print_json, print_table, run, say
from onefold.errors import ContactNotFound, InvalidMessage
from onefold.identity.assurance import Assurance

if TYPE_CHECKING:
    from onefold.identity.contact import Tenure
    from onefold.identity.identifiers import Identifier
    from onefold.records.reads import ContactRecord, EvidenceRow, MergeRow
    from onefold.records.store import Connection
    from onefold.records.timeline_pages import TimelineEntry, TimelinePage

app = typer.Typer(help="Contacts: who they are, and why we think so.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Workspace = Annotated[str, typer.Option(help="Slug of the workspace.")]
Who = Annotated[str, typer.Argument(metavar="ID|TYPE:VALUE", help="A contact's id, or an identifier such as email:ann@example.com.")]


@app.command()
def show(who: Who, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Show a contact, its identifiers, the evidence of each, and its merges. Ids of absorbed contacts lead to the survivor."""
    record = run(_show(who, workspace))
    if json:
        print_json(_as_json(record))
    else:
        _print(record, who)


@app.command()
def find(identifier: Who, workspace: Workspace = "acme", *, json: Json = False) -> None:
    """Print the id of the contact that holds an identifier."""
    record = run(_show(identifier, workspace))
    if json:
        print_json({"contact_id": record.contact.contact_id, "type": record.contact.type, "workspace": record.contact.workspace})
    else:
        print(record.contact.contact_id)
        say(f"next: onefold contacts show {record.contact.contact_id}")


@app.command()
def timeline(
    who: Who,
    workspace: Workspace = "acme",
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Entries of a page.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before said that the next one begins.")] = None,
    *,
    json: Json = False,
) -> None:
    """Show what a contact did, newest first: interactions through any of its identifiers, merges, unmerges, what moved."""
    page = run(_timeline(who, workspace, limit, cursor))
    if json:
        print_json(page)
        return
    again = f"onefold contacts timeline {page.contact_id} --workspace {workspace} --limit {limit} --cursor {page.next_cursor}"
    then = again if page.next_cursor is not None else None
    print_table(["at", "what", "name", "outcome", "detail"], [_timeline_row(each) for each in page.entries], then=then)


async def _timeline(who: str, workspace: str, limit: int, cursor: str | None) -> TimelinePage:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records.timeline_pages import timeline_page  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        contact_id = await resolve(connection, who, workspace)
        found = await timeline_page(connection, workspace, contact_id, limit=limit, cursor=cursor) if contact_id is not None else None
    if found is None:
        raise ContactNotFound(f"workspace {workspace} has no contact for {who}. Is the workspace right (--workspace)?")
    return found


def _timeline_row(entry: TimelineEntry) -> tuple[object, ...]:
    what = entry.what
    if entry.kind == "interaction":
        return entry.at, what["type"], what["name"], what["outcome"], what["reason"]
    if entry.kind in {"merge", "unmerge"}:
        way = "into" if entry.kind == "merge" else "out of"
        return entry.at, entry.kind, None, None, f"{what['absorbed']} {way} {what['survivor']}"
    return entry.at, entry.kind.replace("_", " "), None, None, what["semantic_type"]


async def _show(who: str, workspace: str) -> ContactRecord:
    from onefold import bootstrap  # noqa: PLC0415 -- a command loads only what it needs
    from onefold.records.reads import load_record  # noqa: PLC0415
    from onefold.settings import Settings  # noqa: PLC0415

    async with bootstrap.store(bootstrap.begin("cli", Settings.load())) as store, store.transaction([workspace]) as connection:
        contact_id = await resolve(connection, who, workspace)
        record = await load_record(connection, [workspace], contact_id) if contact_id is not None else None
    if record is None:
        raise ContactNotFound(f"workspace {workspace} has no contact for {who}. Is the workspace right (--workspace)?")
    return record


async def meant(connection: Connection, who: str, workspace: str) -> UUID | Identifier:
    """The id or the identifier that somebody wrote, as the rules of the workspace compare it."""
    from onefold.identity.identifiers import resolve_identifiers  # noqa: PLC0415
    from onefold.workspace.rules import rules_to_find  # noqa: PLC0415

    kind, colon, value = who.partition(":")
    if not colon:
        try:
            return UUID(who)
        except ValueError:
            raise InvalidMessage(f"{who!r} is neither a contact's id nor type:value, such as email:ann@example.com", code="usage") from None
    resolved, dropped = resolve_identifiers([(kind, value, None)], await rules_to_find(connection, workspace))
    if dropped:
        raise InvalidMessage(f"{kind}:{value} never resolves: {dropped[0].reason}", code="invalid_identifier")
    return resolved[0]


async def resolve(connection: Connection, who: str, workspace: str) -> UUID | None:
    """The id that is meant, of whatever contact, or None where nobody holds the identifier."""
    from onefold.records.reads import find_holder  # noqa: PLC0415

    named = await meant(connection, who, workspace)
    if isinstance(named, UUID):
        return named
    found = await find_holder(connection, [workspace], named.semantic_type, named.normalised)
    return found[1] if found is not None else None


def _print(record: ContactRecord, who: str) -> None:
    contact = record.contact
    if who != str(contact.contact_id) and ":" not in who:
        say(f"{who} was absorbed; its id leads to {contact.contact_id}\n")
    name = " ".join(filter(None, (contact.given_name, contact.last_name)))
    rows: list[tuple[str, object]] = [
        ("id", contact.contact_id),
        ("type", contact.type),
        ("name", name),
        ("email", contact.email),
        ("phone", contact.phone),
        ("version", contact.version),
        ("first seen", contact.first_seen_at),
        ("last seen", contact.last_seen_at),
    ]
    for slug, value in sorted(contact.attributes.get("unbound", {}).items()):
        rows.append((f"attribute {slug}", value))
    for purpose, word in sorted(contact.consent.items()):
        rows.append((f"consent {purpose}", f"{word.state}, {word.at:%Y-%m-%d %H:%M}, {word.source}"))
    print_table(["contact", ""], [row for row in rows if row[1] not in (None, "")])
    print_table(
        ["identifier", "label", "assurance", "held", "since event", "rule", "topic/partition/offset, or by whom"],
        [_identifier_row(tenure, record) for tenure in record.tenures],
        title="\nidentifiers",
    )
    if record.merges:
        print_table(
            ["at", "absorbed", "into", "by", "event", "identifiers", "undone"],
            [
                (each.at, each.absorbed, each.survivor, _by(each), each.cause.get("event_id"), each.tenures_moved, each.undone_at)
                for each in record.merges
            ],
            title="\nmerges",
        )
    say(f"\nnext: onefold contacts show {contact.contact_id} --json")


def _by(merge: MergeRow) -> str:
    return f"shared {merge.cause['semantic_type']}" if merge.cause["kind"] == "interaction" else str(merge.cause["actor"])


def _identifier_row(tenure: Tenure, record: ContactRecord) -> tuple[object, ...]:
    first = next(iter(record.evidence.get(tenure.tenure_id, ())), None)
    held = "now" if tenure.held_until is None else f"{tenure.held_until:%Y-%m-%d %H:%M}"
    if tenure.held_from is not None:
        held = f"{tenure.held_from.at:%Y-%m-%d %H:%M} to {held}"
    elif not tenure.is_open:
        held = f"until {held}"
    assurance = tenure.assurance.word + (f", {tenure.validated_by}" if tenure.is_validated else "")
    why = (first.event_id, first.rule, _where(first)) if first is not None else ("", "", "")
    return (f"{tenure.semantic_type}:{tenure.identifier}", tenure.slug, assurance, held, *why)


def _where(evidence: EvidenceRow) -> str:
    return evidence.actor or f"{evidence.topic}/{evidence.partition}/{evidence.offset}"


def _as_json(record: ContactRecord) -> dict[str, Any]:
    contact = record.contact
    return {
        "contact": {
            "id": contact.contact_id,
            "workspace": contact.workspace,
            "version": contact.version,
            "type": contact.type,
            "given_name": contact.given_name,
            "last_name": contact.last_name,
            "email": contact.email,
            "phone": contact.phone,
            "is_vendor": contact.is_vendor,
            "attributes": contact.attributes,
            "first_seen_at": contact.first_seen_at,
            "last_seen_at": contact.last_seen_at,
            "created_at": contact.created_at,
            "updated_at": contact.updated_at,
            "archived_at": contact.archived_at,
            "consent": contact.consent,
        },
        "tenures": [_tenure(tenure, record) for tenure in record.tenures],
        "merges": record.merges,
    }


def _tenure(tenure: Tenure, record: ContactRecord) -> dict[str, Any]:
    return {
        "tenure_id": tenure.tenure_id,
        "semantic_type": tenure.semantic_type,
        "identifier": tenure.identifier,
        "normalised": tenure.normalised,
        "slug": tenure.slug,
        "assurance": tenure.assurance.word,
        "is_validated": tenure.is_validated,
        "validated_by": tenure.validated_by,
        "first_seen_at": tenure.first_seen_at,
        "last_seen_at": tenure.last_seen_at,
        "held_from": tenure.held_from.at if tenure.held_from is not None else None,
        "held_until": tenure.held_until,
        "evidence": [
            {
                "kind": each.kind,
                "event_id": each.event_id,
                "topic": each.topic,
                "partition": each.partition,
                "offset": each.offset,
                "at": each.at,
                "rule": each.rule,
                "guard": each.guard,
                "assurance": Assurance(each.assurance).word,
                "actor": each.actor,
            }
            for each in record.evidence.get(tenure.tenure_id, ())
        ],
    }
