"""Instance seeds: many documents of one template at once, some by one call, many by a job (product-facts, 1.7 and 4).

An item is known by its slug: what is there is changed where the item says something else, so the same seed again changes nothing. New ones
go in together; their contacts are held, so no erasure misses one. Nothing here commits.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from onefold.errors import InvalidMessage, OnefoldError, PermanentError, Refused, WorkspaceNotFound
from onefold.identity.adoption import Change, Edit
from onefold.identity.identifiers import resolve_identifiers
from onefold.records import documents as records
from onefold.records import imports, log
from onefold.records.imports import LineReport
from onefold.records.rules_versions import rules_in_force
from onefold.records.store import Moved
from onefold.workspace import documents
from onefold.workspace.document_log import act_of
from onefold.workspace.documents import NOW, Done, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    from onefold.identity.identifiers import IdentifierKey
    from onefold.records.definitions import Definition
    from onefold.records.documents import Document
    from onefold.records.store import Connection
    from onefold.records.workspace_jobs import WorkspaceJob

KIND: Final = "document-seed"
"""The kind of job that loads what was uploaded."""
OUTCOMES: Final = ("created", "updated", "unchanged", "refused")


class Named(BaseModel):
    """A contact by one of its identifiers."""

    model_config = ConfigDict(extra="forbid")

    semantic_type: str = Field(min_length=1, max_length=60)
    identifier: str = Field(min_length=1, max_length=4_096)


class Item(BaseModel):
    """A document of a seed."""

    model_config = ConfigDict(extra="forbid")

    slug: str = Field(min_length=1, max_length=63)
    title: str = Field(min_length=1, max_length=200)
    contact_id: UUID | None = Field(None, description="Whose it is; this, or `contact`.")
    contact: Named | None = Field(None, description="Whose it is, by an identifier, as a seed for another workspace has it.")
    attributes: dict[str, Any] = Field(default={}, description="Values of the template's attributes; null clears.")
    taxonomies: list[str] = Field(default=[], max_length=100)
    tags: list[str] = Field(default=[], max_length=100)
    deleted_at: AwareDatetime | None = Field(None, description="Since when it is archived.")

    @model_validator(mode="after")
    def _names_one_contact(self) -> Self:
        if (self.contact_id is None) == (self.contact is None):
            raise ValueError("say whose it is: contact_id or contact, one of them")
        return self


class Loaded(NamedTuple):
    """What became of an item."""

    slug: str
    outcome: Literal["created", "updated", "unchanged", "refused"]
    done: Done | None = None
    error: OnefoldError | None = None
    """Why it was refused."""


class SeedRefused(PermanentError):
    """Items that cannot be loaded; `facts` says of each which and why. None is."""

    code = "seed_refused"

    def __init__(self, refused: Sequence[tuple[int, OnefoldError]]) -> None:
        number, error = refused[0]
        super().__init__(f"items.{number}: {error}" + (f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""))
        self.facts = {"errors": [{"where": f"items.{index}", "why": str(each), "rule": each.code} for index, each in refused]}


async def load_all(connection: Connection, template: Definition, items: Sequence[Item]) -> list[Loaded]:
    """Make and change the documents of a held template that the items say: all, or none. Raises SeedRefused; Moved."""
    loaded = await load(connection, template, items)
    refused = [(number, each.error) for number, each in enumerate(loaded) if each.error is not None]
    if refused:
        raise SeedRefused(refused)
    return loaded


async def load(connection: Connection, template: Definition, items: Sequence[Item]) -> list[Loaded]:
    """Make and change the documents that items say; those that cannot be are left out, with why. Raises Moved."""
    workspace, at = template.workspace, await connection.fetchval(NOW)
    contacts = await _contacts(connection, workspace, items)
    present = await records.by_slugs(connection, workspace, template.definition_id, [each.slug for each in items])
    changes = [Change(taxonomies=Edit(each.taxonomies), tags=Edit(each.tags)) for each in items]
    catalog = await documents.catalog_of(connection, template, changes)
    loaded: list[Loaded] = []
    made: list[Document] = []
    seen: set[str] = set()
    for item, change, contact in zip(items, changes, contacts, strict=True):
        try:
            if isinstance(contact, OnefoldError):
                raise contact
            if item.slug in seen:
                raise InvalidMessage("its slug is there twice", code="slug_twice")
            seen.add(item.slug)
            if item.slug in present:
                loaded.append(await _change(connection, present[item.slug], item, change, contact))
                continue
            draft = documents.draft(template, item.slug, item.title, contact, at, archived_at=item.deleted_at)
            new, skipped = documents.with_hanging(catalog, draft, item.attributes, documents.at_first(template, change), at)
            made.append(new)
            loaded.append(Loaded(item.slug, "created", Done(None, new, skipped)))
        except (Refused, PermanentError) as error:
            loaded.append(Loaded(item.slug, "refused", None, error))
    await records.insert_many(connection, made)
    return loaded


async def _change(connection: Connection, before: Document, item: Item, change: Change, contact: UUID) -> Loaded:
    """A document that is there, as its item says. What the item does not name stays."""
    if contact != before.contact_id:
        raise InvalidMessage("a document stays with its contact, and this one is another's", code="other_contact")
    done = await documents.edit(connection, before, Wanted(item.title, values=item.attributes, change=change))
    if item.deleted_at is not None and done.after.archived_at is None:
        done = Done(before, (await documents.shelve(connection, done.after, is_archived=True)).after, done.skipped_tags)
    return Loaded(item.slug, "updated" if done.is_change else "unchanged", done)


async def _contacts(connection: Connection, workspace: str, items: Sequence[Item]) -> list[UUID | OnefoldError]:
    """Whose each item is, held until the end; or why that cannot be said."""
    keys = await _keys(connection, workspace, [each.contact for each in items if each.contact is not None])
    holders = await records.holders(connection, workspace, [key for key in keys.values() if key is not None])
    named: list[UUID | None] = [
        each.contact_id if each.contact is None else holders.get(keys[each.contact.semantic_type, each.contact.identifier] or b"")
        for each in items
    ]
    held = await records.hold_contacts(connection, workspace, [each for each in named if each is not None])
    roots = await records.hold_contacts(connection, workspace, [each.root for each in held.values()])
    if any(each.root != each.contact_id for each in roots.values()):
        raise Moved("a contact was absorbed just now")
    found: list[UUID | OnefoldError] = []
    for each in named:
        root = roots.get(held[each].root) if each is not None and each in held else None
        if root is None or root.erased_at is not None:
            found.append(InvalidMessage("there is no such contact", code="unknown_contact"))
        else:
            found.append(root.contact_id)
    return found


async def _keys(connection: Connection, workspace: str, named: Sequence[Named]) -> Mapping[tuple[str, str], IdentifierKey | None]:
    """The keys of identifiers; None of one that never resolves."""
    if not named:
        return {}
    rules = (await rules_in_force(connection, [workspace], recency=timedelta(hours=1))).get(workspace)
    if rules is None:
        raise WorkspaceNotFound(f"no workspace is called {workspace!r}")
    found: dict[tuple[str, str], IdentifierKey | None] = {}
    for each in named:
        resolved, _ = resolve_identifiers([(each.semantic_type, each.identifier, None)], rules)
        found[each.semantic_type, each.identifier] = resolved[0].key if resolved else None
    return found


def acts_of(loaded: Sequence[Loaded], actor: str, reason: str | None = None, origin: log.Origin | None = None) -> list[log.Act]:
    """What the log says of what was loaded."""
    return [act_of(each.done, actor, reason, origin) for each in loaded if each.done is not None and each.done.is_change]


async def step(connection: Connection, job: WorkspaceJob) -> tuple[dict[str, Any], bool]:
    """The next part of what was uploaded: what its lines do, what became of each, and nothing of them left behind."""
    progress = dict(job.progress)
    if "parts" not in progress:
        raise InvalidMessage("the upload broke off; send the file again")
    part = await imports.part(connection, job.workspace, job.job_id, progress["part"])
    if part is None:
        return progress, True
    template = await documents.template_of(connection, job.workspace, job.input["template"])
    if template.archived_at is not None:
        raise documents.archived(template)
    numbers, items, reports = _read(part.lines)
    loaded = await load(connection, template, items)
    await log.append(connection, job.workspace, acts_of(loaded, job.actor, job.reason))
    reports += [_report(number, each) for number, each in zip(numbers, loaded, strict=True)]
    await imports.insert_lines(connection, job.workspace, job.job_id, reports)
    await imports.delete_part(connection, job.workspace, job.job_id, progress["part"])
    for report in reports:
        progress[report.outcome] += 1
    progress["part"] += 1
    return progress, progress["part"] >= progress["parts"]


def _read(lines: Sequence[bytes]) -> tuple[list[int], list[Item], list[LineReport]]:
    """Items with the numbers of their lines, and what is to be said of lines that are none."""
    numbers, items, refused = [], [], []
    for numbered in lines:
        text, _, line = numbered.partition(b"\t")
        try:
            items.append(Item.model_validate_json(line))
            numbers.append(int(text))
        except ValidationError as error:
            found = [
                (".".join(map(str, each["loc"])) or "line", each["msg"]) for each in error.errors(include_input=False, include_url=False)
            ]
            refused.append(LineReport(int(text), "refused", None, "invalid_item", "; ".join(f"{where}: {why}" for where, why in found[:5])))
    return numbers, items, refused


def _report(number: int, loaded: Loaded) -> LineReport:
    """What is said of a line; nothing that the line says itself."""
    if loaded.error is not None:
        return LineReport(number, "refused", None, loaded.error.code, str(loaded.error).replace(loaded.slug, "…"))
    return LineReport(number, loaded.outcome, loaded.done.after.contact_id if loaded.done is not None else None)
