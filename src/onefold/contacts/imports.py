"""Import contacts from CSV and JSONL: streamed into parts of whole lines, then a job that imports part after part (product.md, section 6).

Each line is an asserted interaction of source `import`, decided by the same rules as any other: identifiers resolve and merge, values
compete as of when the import began, and whoever imports the same file again changes nothing. A line without an identifier makes a contact
without one, named by the import and its line. What a part does, its report and the import's progress are one transaction, and the part's
lines go with it: nothing of a person is left but what the contact holds. Called by the User API, the command line and `streams.jobs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from msgspec.structs import replace

from onefold.contacts import acting
from onefold.contacts.import_lines import Columns, json_line
from onefold.contacts.tools import Advance
from onefold.errors import InvalidMessage, JobEnded
from onefold.identity import bare
from onefold.identity.assurance import Assurance
from onefold.identity.contact import ContactId
from onefold.identity.identifiers import resolve_identifiers
from onefold.identity.interaction import Interaction, Position
from onefold.identity.plan import OutcomeKind, Reason
from onefold.messages.codec import encode
from onefold.messages.interactions import InteractionMessage, WireIdentifier
from onefold.messages.reading import GROUP, storable
from onefold.messages.times import time_text
from onefold.records import imports as records
from onefold.records import incarnations, organizations, workspace_jobs
from onefold.records.apply import apply
from onefold.records.imports import LineReport, Part
from onefold.records.rows import to_json

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from onefold.contacts.acting import User
    from onefold.contacts.import_lines import Line
    from onefold.contacts.tools import Tools
    from onefold.identity.membership import Membership
    from onefold.identity.plan import Outcome
    from onefold.identity.rules import Rules
    from onefold.records.resolution import Foreseen
    from onefold.records.store import Connection, Store
    from onefold.records.workspace_jobs import WorkspaceJob

KIND: Final = "import"
Format = Literal["csv", "jsonl"]

LINES_A_PART: Final = 500
"""Imported in one transaction."""
BYTES_A_PART: Final = 1_000_000
MOST_LINE_BYTES: Final = 262_144
BEGINS_WITH: Final = b"\xef\xbb\xbf"
"""What spreadsheets put before UTF-8."""
OUTCOMES: Final = ("created", "updated", "merged", "unchanged", "refused")
_BARRED: Final = "what it names was separated from somebody, or erased, after this import began; import it again"
_NAMESPACE = uuid5(NAMESPACE_URL, "onefold:import")
_OUTCOME_OF = {OutcomeKind.CREATED: "created", OutcomeKind.MERGED: "merged", OutcomeKind.SEEN: "unchanged"}


class Splitter:
    """From a stream of bytes to whole lines with their numbers. A CSV row goes on while a quote is open."""

    def __init__(self, form: Format) -> None:
        self._is_csv = form == "csv"
        self._rest = b""
        self._open: list[bytes] = []
        self._size = 0
        self._is_quoted = False
        self._number = 1
        self._is_first = True

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """The lines that end in this chunk. Raises InvalidMessage for one that is too long."""
        if self._is_first and len(self._rest) + len(chunk) >= len(BEGINS_WITH):
            chunk, self._rest, self._is_first = (self._rest + chunk).removeprefix(BEGINS_WITH), b"", False
        *ended, self._rest = (self._rest + chunk).split(b"\n")
        for line in ended:
            yield from self._line(line)
        if len(self._rest) + self._size > MOST_LINE_BYTES:
            raise self._too_long()

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """The last line, where nothing ends it."""
        rest, self._rest = self._rest, b""
        if rest:
            yield from self._line(rest)
        if self._open:
            raise InvalidMessage(f"line {self._number}: a quote is opened and never closed", code="invalid_csv")

    def _line(self, line: bytes) -> Iterator[tuple[int, bytes]]:
        self._open.append(line)
        self._size += len(line) + 1
        if self._size > MOST_LINE_BYTES:
            raise self._too_long()
        self._is_quoted ^= self._is_csv and line.count(b'"') % 2 == 1
        if self._is_quoted:
            return
        whole, number = b"\n".join(self._open).removesuffix(b"\r"), self._number
        self._number += len(self._open)
        self._open, self._size = [], 0
        if whole.strip():
            yield number, whole

    def _too_long(self) -> InvalidMessage:
        return InvalidMessage(
            f"line {self._number} is longer than {MOST_LINE_BYTES:,} bytes; in a CSV file, a quote may be opened there and not closed",
            code="line_too_long",
        )


@dataclass(slots=True)
class _Upload:
    """How much of a file is stored."""

    parts: int = 0
    lines: int = 0
    header: str | None = None


async def upload(
    store: Store,
    workspace: str,
    form: Format,
    chunks: AsyncIterator[bytes],
    user: User,
    *,
    name: str | None = None,
    kind: str = KIND,
    more: Mapping[str, str] | None = None,
) -> WorkspaceJob:
    """Store a file as it comes, and let workers import it once all of it is there. What breaks off leaves nothing to import.

    A job of another kind may take the lines, too, told `more` of what they are. Works in transactions of its own.
    Raises InvalidMessage for a file that is none of this form; of single lines the report tells.
    """
    job_id, splitter, stored = uuid4(), Splitter(form), _Upload()
    async with store.transaction([workspace]) as connection:
        await acting.rules_of(connection, workspace)
        await workspace_jobs.create(
            connection,
            workspace,
            kind,
            {"format": form, "name": storable(name), **(more or {})},
            actor=user.actor,
            reason=user.reason,
            job_id=job_id,
        )
        await records.hold_back(connection, workspace, job_id)
    try:
        waiting: list[tuple[int, bytes]] = []
        size = 0
        async for number, line in _lines(splitter, chunks):
            if form == "csv" and stored.header is None:
                stored.header = _header(line)
                continue
            waiting.append((number, line))
            size += len(line)
            if len(waiting) >= LINES_A_PART or size >= BYTES_A_PART:
                await _store(store, workspace, job_id, stored, waiting)
                waiting, size = [], 0
        await _store(store, workspace, job_id, stored, waiting)
        return await _complete(store, workspace, job_id, stored)
    except BaseException:
        async with store.transaction([workspace]) as connection:
            await _give_up(connection, workspace, job_id)
        raise


async def _lines(splitter: Splitter, chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[int, bytes]]:
    async for chunk in chunks:
        for each in splitter.feed(chunk):
            yield each
    for each in splitter.finish():
        yield each


def _header(line: bytes) -> str:
    try:
        header = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidMessage("the first row is no UTF-8 text; save the file as CSV UTF-8", code="invalid_encoding") from error
    Columns(header)
    return header


async def _store(store: Store, workspace: str, job_id: UUID, stored: _Upload, waiting: Sequence[tuple[int, bytes]]) -> None:
    """One part. Line numbers of a part are those of its lines, which are not consecutive where rows go over several lines."""
    if not waiting:
        return
    lines = [b"%d\t%b" % each for each in waiting]
    async with store.transaction([workspace]) as connection:
        await records.insert_part(connection, workspace, job_id, stored.parts, Part(waiting[0][0], lines))
    stored.parts += 1
    stored.lines += len(waiting)


async def _complete(store: Store, workspace: str, job_id: UUID, stored: _Upload) -> WorkspaceJob:
    progress = {"parts": stored.parts, "lines": stored.lines, "part": 0, "header": stored.header, **dict.fromkeys(OUTCOMES, 0)}
    async with store.transaction([workspace]) as connection:
        if not await records.complete(connection, workspace, job_id, to_json(progress)):
            raise JobEnded(f"import {job_id} was cancelled while it was uploaded")
        return await workspace_jobs.find(connection, workspace, job_id)


async def _give_up(connection: Connection, workspace: str, job_id: UUID) -> None:
    job = await workspace_jobs.find(connection, workspace, job_id)
    if job.state == "waiting":
        await workspace_jobs.cancel(connection, workspace, job_id)
    await records.delete_parts(connection, workspace, job_id)


class _Foreseen(NamedTuple):
    """What a part would do, by what was there when it was looked at."""

    part: int
    rules: Rules
    slugs: set[str]
    """Of the organizations that its lines name."""
    named: Mapping[tuple[str, str], Membership]
    """Those of them that there are."""
    refused: list[LineReport]
    alone: list[Interaction]
    """Lines without an identifier."""
    resolved: Foreseen | None
    """What becomes of the others; None where there are none."""


async def step(connection: Connection, job: WorkspaceJob, tools: Tools) -> Advance:
    """The next part: what its lines do, what became of each, and nothing of them left behind."""
    progress = dict(job.progress)
    if "parts" not in progress:
        raise InvalidMessage("the upload broke off; send the file again")
    rules, incarnation = await acting.rules_of(connection, job.workspace), (await incarnations.present(connection)).name
    seen = await _still_so(connection, job, rules, tools.ahead)
    if seen is None:
        seen = await _foresee(connection, job, progress["part"], rules, tools, incarnation)
    if seen is None:
        return Advance(progress, is_done=True)
    reports = [*seen.refused, *await _import(connection, job, seen, tools, incarnation)]
    await records.insert_lines(connection, job.workspace, job.job_id, reports)
    await records.delete_part(connection, job.workspace, job.job_id, progress["part"])
    for each in reports:
        progress[each.outcome] += 1
    progress["part"] += 1
    return Advance(progress, is_done=progress["part"] >= progress["parts"])


async def _still_so(connection: Connection, job: WorkspaceJob, rules: Rules, ahead: object) -> _Foreseen | None:
    """What was found ahead, where it is about the next part, and its lines still mean the same."""
    if not isinstance(ahead, _Foreseen) or ahead.part != job.progress["part"]:
        return None
    if (ahead.rules.version, ahead.rules.quarantined) != (rules.version, rules.quarantined):
        return None
    return ahead if await _organizations(connection, job, ahead.slugs) == ahead.named else None


async def look_ahead(connection: Connection, job: WorkspaceJob, tools: Tools) -> object:
    """What the part after the next one would do: read and decided while the next one is written."""
    if "part" not in job.progress:
        return None
    rules, incarnation = await acting.rules_of(connection, job.workspace), (await incarnations.present(connection)).name
    return await _foresee(connection, job, job.progress["part"] + 1, rules, tools, incarnation)


async def _foresee(
    connection: Connection, job: WorkspaceJob, number: int, rules: Rules, tools: Tools, incarnation: str
) -> _Foreseen | None:
    """What a part would do now; None where there is no such part. Writes nothing."""
    part = await records.part(connection, job.workspace, job.job_id, number)
    if part is None:
        return None
    read, refused = _read(job, part, rules)
    slugs = {each.group for each in read if each.group is not None}
    named = await _organizations(connection, job, slugs)
    known, unknown = _sort_by_organization(read, named)
    interactions = [each for each in known if each.identifiers]
    resolved = await tools.resolution.foresee(connection, interactions, {job.workspace: rules}, incarnation) if interactions else None
    return _Foreseen(number, rules, slugs, named, [*refused, *unknown], [each for each in known if not each.identifiers], resolved)


async def _organizations(connection: Connection, job: WorkspaceJob, slugs: set[str]) -> Mapping[tuple[str, str], Membership]:
    """Those of these organizations that take contacts, held."""
    if not slugs:
        return {}
    return await organizations.memberships(connection, {(job.workspace, slug) for slug in slugs}, will_write=True)


def _read(job: WorkspaceJob, part: Part, rules: Rules) -> tuple[list[Interaction], list[LineReport]]:
    read_line, topic = reader(job), f"import:{job.job_id}"
    read, refused = [], []
    for numbered in part.lines:
        text, _, record = numbered.partition(b"\t")
        number = int(text)
        if not record:  # of somebody who was erased since (`waiting_lines`)
            refused.append(LineReport(number, "refused", None, Reason.BARRED, _BARRED))
            continue
        try:
            read.append(_interaction(job, Position(topic, 0, number), read_line(record), rules))
        except InvalidMessage as error:
            refused.append(LineReport(number, "refused", None, error.code, str(error)))
    return read, refused


def reader(job: WorkspaceJob) -> Callable[[bytes], Line]:
    """What reads a line of this import. It raises InvalidMessage."""
    if job.input["format"] == "jsonl":
        return json_line
    columns = Columns(job.progress["header"])

    def row(record: bytes) -> Line:
        try:
            return columns.line(record.decode())
        except UnicodeDecodeError as error:
            raise InvalidMessage("this row is no UTF-8 text", code="invalid_encoding") from error

    return row


def _interaction(job: WorkspaceJob, position: Position, line: Line, rules: Rules) -> Interaction:
    """A line as the heart sees it. Raises InvalidMessage where an identifier would never resolve: the line is to be put right."""
    identifiers, dropped = resolve_identifiers(line.identifiers, rules)
    if dropped:
        raise InvalidMessage("; ".join(f"{each.semantic_type}: {each.reason}" for each in dropped), code="invalid_identifier")
    message = InteractionMessage(
        event_id=f"{position.topic}:{position.offset:012}",
        workspace=job.workspace,
        type=GROUP if line.organization else KIND,
        occurred_at=time_text(job.created_at),
        identifiers=[WireIdentifier(each.semantic_type, each.identifier, each.slug) for each in identifiers],
        traits={**line.fields, **line.attributes} or None,
        group=line.organization,
    )
    return Interaction(
        position=position,
        event_id=message.event_id,
        workspace=job.workspace,
        type=message.type,
        channel=message.channel,
        assurance=Assurance.ASSERTED,
        at=job.created_at,
        appended_at=job.created_at,
        identifiers=identifiers,
        fields=line.fields,
        attributes=line.attributes,
        tags=line.tags,
        is_vendor=line.is_vendor,
        group=line.organization,
        source=KIND,
        raw=encode(message),
    )


def _sort_by_organization(
    read: Sequence[Interaction], named: Mapping[tuple[str, str], Membership]
) -> tuple[list[Interaction], list[LineReport]]:
    known, unknown = [], []
    for each in read:
        if each.group is None or (each.workspace, each.group) in named:
            known.append(each)
        else:
            reason = "no organization that takes contacts has this slug; make it, or restore it, and import the line again"
            unknown.append(LineReport(each.position.offset, "refused", None, "unknown_organization", reason))
    return known, unknown


async def _import(connection: Connection, job: WorkspaceJob, seen: _Foreseen, tools: Tools, incarnation: str) -> list[LineReport]:
    """What the rules make of the lines, written."""
    reports: list[LineReport] = []
    if seen.resolved is not None:
        waiting: Sequence[Interaction] = seen.resolved.interactions
        plan = await tools.resolution.settle(connection, seen.resolved, incarnation)
        reports += [_report(outcome) for outcome in plan.outcomes]
        while waiting := waiting[len(plan.outcomes) :]:
            plan = await tools.resolution.resolve(connection, waiting, {job.workspace: seen.rules}, incarnation)
            reports += [_report(outcome) for outcome in plan.outcomes]
    if seen.alone:
        made = [replace(each, organization=seen.named[each.workspace, each.group]) if each.group else each for each in seen.alone]
        await apply(connection, bare.create([(_alone(each), each) for each in made]), shards=tools.shards, incarnation=incarnation)
        reports += [LineReport(each.position.offset, "created", _alone(each)) for each in made]
    return reports


def _alone(interaction: Interaction) -> ContactId:
    """The id of the contact of a line without an identifier: the same line of the same import makes the same one."""
    return ContactId(uuid5(_NAMESPACE, f"{interaction.workspace}\0{interaction.event_id}"))


def _report(outcome: Outcome) -> LineReport:
    number = outcome.interaction.position.offset
    if outcome.kind in {OutcomeKind.BARRED, OutcomeKind.UNRESOLVED}:
        return LineReport(number, "refused", None, outcome.reason or Reason.BARRED, _BARRED)
    code = outcome.reason.value if outcome.reason is not None else None
    if outcome.kind is OutcomeKind.PARKED:
        code = Reason.LIMIT.value
    return LineReport(number, _OUTCOME_OF.get(outcome.kind, "updated"), outcome.contact_id, code)
