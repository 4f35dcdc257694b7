"""Imports on real Postgres: streamed, resumable, decided by the rules, with a report by line (product.md, section 6)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest

from onefold import failpoints
from onefold.contacts import imports
from onefold.contacts.acting import User
from onefold.contacts.erase import erase
from onefold.errors import InvalidMessage
from onefold.messages.contacts import ContactChange
from onefold.messages.spreadsheets import csv_row
from onefold.records import imports as records
from onefold.records import workspace_jobs
from onefold.records.imports import LineReport
from onefold.records.numbers import TenureNumbers
from onefold.records.reads import find_holder, load_record
from onefold.records.resolution import Resolution
from onefold.workspace import organizations, rules
from onefold.workspace.organizations import Edit, New
from streams import jobs
from tests.support.working import SHARDS, carry_out, worker
from tests.support.worlds import EXACT, event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from onefold.contacts.imports import Format
    from onefold.records.reads import ContactRecord
    from onefold.records.store import Store
    from onefold.records.workspace_jobs import WorkspaceJob

ANN = User("user:ann", "the new customers")
GAPS = """
select count(*) from (select count(*) as told, max((convert_from(payload, 'UTF8')::jsonb ->> 'version')::int) as newest from outbox group by key)
where told <> newest
"""
PARTS = "select count(*) from import_parts"
NAMES = "select given_name from contacts where given_name is not null order by given_name"


@pytest.fixture(autouse=True)
def _unarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


async def _stream(text: bytes, size: int = 1_000) -> AsyncIterator[bytes]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


async def send(store: Store, text: bytes, form: Format = "jsonl") -> WorkspaceJob:
    return await imports.upload(store, "acme", form, _stream(text), ANN, name="customers")


async def imported(store: Store, *lines: dict[str, Any]) -> list[LineReport]:
    """Import lines to the end; gives their reports."""
    job = await send(store, b"\n".join(map(msgspec.json.encode, lines)))
    (ended,) = await carry_out(store)
    assert (ended.job_id, ended.state, ended.error) == (job.job_id, "done", None)
    return list(await reports(store, job))


async def reports(store: Store, job: WorkspaceJob, *, refused_only: bool = False) -> Sequence[LineReport]:
    async with store.transaction(["acme"]) as connection:
        return await records.lines(connection, "acme", job.job_id, after=0, most=10_000, refused_only=refused_only)


async def record(store: Store, email: str) -> ContactRecord:
    async with store.transaction(["acme"]) as connection:
        held = await find_holder(connection, ["acme"], "email", email)
        assert held is not None
        found = await load_record(connection, ["acme"], held[1])
    assert found is not None
    return found


async def value(store: Store, statement: str) -> Any:
    async with store.transaction(["acme"]) as connection:
        return await connection.fetchval(statement)


@pytest.mark.asyncio
async def test_a_line_becomes_a_contact_with_asserted_identifiers_of_source_import(store: Store) -> None:
    """Product.md, sections 2 to 4: email and phone become identifiers; the change says which import and line."""
    async with store.transaction(["acme"]) as connection:
        await organizations.create(connection, "acme", New("Mill"))
    line = {"given_name": "Ann", "last_name": "Doe", "email": "Ann@Example.com", "tags": ["vip"], "is_vendor": True, "organization": "mill"}
    (report,) = await imported(store, {**line, "attributes": {"unbound": {"plan": "pro"}}})
    found = await record(store, "ann@example.com")
    assert report == LineReport(1, "created", found.contact.contact_id)
    contact, (tenure,) = found.contact, found.tenures
    assert (contact.type, contact.tags, contact.organization_name, contact.attributes) == (
        "vendor",
        ["vip"],
        "Mill",
        {"unbound": {"plan": "pro"}},
    )
    assert (tenure.source, tenure.assurance.word, tenure.slug, tenure.is_validated) == ("import", "asserted", "main", False)
    async with store.connection() as connection:
        told = msgspec.json.decode(await connection.fetchval("select payload from outbox"), type=ContactChange)
    assert told.cause.topic is not None
    assert told.cause.topic.startswith("import:")
    assert (told.version, told.cause.offset) == (1, 1)


@pytest.mark.asyncio
async def test_lines_meet_by_the_rules_and_the_report_says_how(store: Store) -> None:
    """Created, updated, merged, unchanged, and each refusal with its code; a label that is taken is left out."""
    found = await imported(
        store,
        {"given_name": "Ann", "email": "ann@example.com"},
        {"given_name": "Ben", "phone": "+14155550100"},
        {"last_name": "Doe", "email": "ann@example.com"},
        {"email": "ann@example.com", "phone": "+14155550100"},
        {"email": "ann@example.com"},
        {"email": "nobody"},
        {"given_name": "Cid", "organization": "unknown"},
        {"given_name": "Dot", "type": "contact"},
        {"email": "ann@example.com", "identifiers": [{"semantic_type": "email", "identifier": "b@example.com", "slug": "main"}]},
    )
    told = {each.line: (each.outcome, each.code) for each in found}
    assert told == {
        1: ("created", None),
        2: ("created", None),
        3: ("updated", None),
        4: ("merged", None),
        5: ("unchanged", None),
        6: ("refused", "invalid_identifier"),
        7: ("refused", "unknown_organization"),
        8: ("refused", "derived_field"),
        9: ("updated", None),
    }
    ann = await record(store, "ann@example.com")
    assert {each.normalised: each.slug for each in ann.tenures} == {
        "ann@example.com": "main",
        "+14155550100": "main",
        "b@example.com": None,
    }
    assert not any("nobody" in (each.reason or "") for each in found)


@pytest.mark.asyncio
async def test_a_line_without_an_identifier_makes_a_contact_without_one(store: Store) -> None:
    """Product.md, section 2: under an id that the import and its line give."""
    (report,) = await imported(store, {"given_name": "Ann", "last_name": "Doe", "tags": ["vip"]})
    assert report.outcome == "created"
    assert report.contact_id is not None
    async with store.transaction(["acme"]) as connection:
        found = await load_record(connection, ["acme"], report.contact_id)
    assert found is not None
    assert (found.contact.type, found.contact.given_name, found.contact.tags, found.tenures) == ("ghost", "Ann", ["vip"], [])


@pytest.mark.asyncio
async def test_the_same_file_again_changes_no_contact(store: Store) -> None:
    """Idempotent by identifiers and values; whoever decided something since keeps it."""
    lines = [{"given_name": f"N{number}", "email": f"n{number}@example.com"} for number in range(1_203)]
    assert {each.outcome for each in await imported(store, *lines)} == {"created"}
    assert {each.outcome for each in await imported(store, *lines)} == {"unchanged"}
    assert await value(store, "select max(version) from contacts") == 1


@pytest.mark.asyncio
async def test_what_an_import_says_competes_as_of_when_it_began(store: Store) -> None:
    """R12: an event of before does not replace it, and an earlier value gives way. A claim never does more than a claim."""
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        early = event("email:ann@example.com", minutes=1, fields={"given_name": "Early", "last_name": "Doe"})
        await resolution.resolve(connection, [early], {"acme": EXACT}, "test")
    await imported(store, {"given_name": "Imported", "email": "ann@example.com"})
    contact = (await record(store, "ann@example.com")).contact
    assert (contact.given_name, contact.last_name, contact.is_known) == ("Imported", "Doe", True)


@pytest.mark.asyncio
@pytest.mark.parametrize("point", ["jobs.carried", "jobs.committed", "resolver.applied"])
async def test_a_kill_anywhere_loses_no_line_and_doubles_none(store: Store, point: str) -> None:
    """Each part with its report and progress is one transaction; nothing that was uploaded is left."""
    lines = [{"given_name": f"N{number}", "email": f"n{number // 2}@example.com"} for number in range(1_400)]
    job = await send(store, b"\n".join(map(msgspec.json.encode, [*lines, {"given_name": "Alone"}])))
    reached = 0

    async def die() -> None:
        nonlocal reached
        reached += 1
        if reached == 2:
            raise SystemExit("killed")

    failpoints.arm(point, die)
    first = worker(store, lease_seconds=0.01)
    claimed = await jobs.claim(first)
    assert claimed is not None
    with pytest.raises(SystemExit):
        await jobs.carry_on(first, claimed, asyncio.Event())
    failpoints.disarm()
    await asyncio.sleep(0.05)
    (ended,) = await carry_out(store)
    assert [each.line for each in await reports(store, job)] == list(range(1, 1_402))
    assert {name: ended.progress[name] for name in imports.OUTCOMES} == {
        "created": 701, "updated": 700, "merged": 0, "unchanged": 0, "refused": 0,
    }  # fmt: skip
    assert await value(store, PARTS) == 0
    assert await value(store, "select count(*) from contacts") == 701


@asynccontextmanager
async def foreseen(meanwhile: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do something between the moment when the second part is read and decided and its own transaction, before the first part's commit."""
    ready, is_done = asyncio.Event(), False

    async def look() -> None:
        ready.set()

    async def carried() -> None:
        nonlocal is_done
        if not is_done:
            is_done = True
            await asyncio.wait_for(ready.wait(), 30)
            await meanwhile()

    failpoints.arm("jobs.foreseen", look)
    failpoints.arm("jobs.carried", carried)
    yield
    failpoints.disarm()
    assert is_done


@pytest.mark.asyncio
async def test_lines_meet_those_of_the_part_before(store: Store) -> None:
    """Decided ahead of its commit, and anew where that made a difference (decision 0040): as if one part came after the other."""
    lines = [{"given_name": f"N{number}", "email": f"n{number % 300}@example.com"} for number in range(1_400)]
    joining = [{"email": f"n{number}@example.com", "phone": f"+1415555{number:04}"} for number in range(300)]
    found = await imported(store, *lines, *joining, *({"phone": each["phone"], "last_name": "Doe"} for each in joining))
    assert [each.outcome for each in found] == ["created"] * 300 + ["updated"] * 1_700
    assert await value(store, "select count(*) from contacts") == 300
    assert await value(store, "select array_agg(distinct version order by version) from contacts") == [6, 7]
    assert await value(store, GAPS) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize("is_known", [False, True])
async def test_whoever_comes_after_a_part_was_looked_at_is_met_all_the_same(store: Store, *, is_known: bool) -> None:
    """Mutant foreseen-is-believed: somebody new, or one more version of somebody known; nothing of either is lost, no version told twice."""
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)

    async def come(*identifiers: str) -> None:
        async with store.transaction(["acme"]) as connection:
            await resolution.resolve(connection, [event("email:n700@example.com", *identifiers)], {"acme": EXACT}, "test")

    if is_known:
        await come()
    async with foreseen(partial(come, "user_id:ann")):
        found = await imported(store, *({"given_name": f"N{n}", "email": f"n{n}@example.com"} for n in range(900)))
    assert [(each.line, each.outcome) for each in found if each.outcome != "created"] == [(701, "updated")]
    ann = await record(store, "n700@example.com")
    assert {each.normalised for each in ann.tenures} == {"n700@example.com", "ann"}
    assert ann.contact.version == 2 + is_known
    assert (await value(store, "select count(*) from contacts"), await value(store, GAPS)) == (900, 0)


@pytest.mark.asyncio
async def test_rules_and_names_that_changed_after_a_part_was_looked_at_count(store: Store) -> None:
    """What is blocked by then resolves no more, and contacts show what their organization is called by then."""
    async with store.transaction(["acme"]) as connection:
        mill = (await organizations.create(connection, "acme", New("Mill"))).organization_id

    async def block() -> None:
        async with store.transaction(["acme"]) as connection:
            planned = await rules.plan(connection, "acme", rules.Edits(keys=[("blocked.email.exact", ["n700@example.com"])]))
            await rules.carry_out(connection, planned, actor="user:ann", reason=None)

    async def rename() -> None:
        async with store.transaction(["acme"]) as connection:
            await organizations.edit(connection, "acme", mill, Edit("New"), "user:ann")

    refused = []
    for change, name in ((block, "n"), (rename, "m")):
        lines = [{"email": f"{name}{n}@example.com", "organization": "mill" if n > 800 else None} for n in range(900)]
        job = await send(store, b"\n".join(map(msgspec.json.encode, lines)))
        async with foreseen(change):
            await carry_out(store, only=job.job_id)
        refused += [(each.line, each.code) for each in await reports(store, job, refused_only=True)]
    assert refused == [(701, "invalid_identifier")]
    assert (await record(store, "n850@example.com")).contact.organization_name == "Mill"
    assert (await record(store, "m850@example.com")).contact.organization_name == "New"


@pytest.mark.asyncio
async def test_rows_of_a_spreadsheet_are_imported_by_their_columns(store: Store) -> None:
    """Also rows that go over several lines, whose numbers are those in the file."""
    text = csv_row(["given_name", "email", "attributes.unbound.note"]) + csv_row(["Ann", "ann@example.com", "=1\nand more"])
    job = await send(store, (text + csv_row(["Ben", "no address", ""]) + "a,b\r\n").encode(), "csv")
    await carry_out(store)
    assert [(each.line, each.outcome, each.code) for each in await reports(store, job)] == [
        (2, "created", None),
        (4, "refused", "invalid_identifier"),
        (5, "refused", "invalid_csv"),
    ]
    assert (await record(store, "ann@example.com")).contact.attributes == {"unbound": {"note": "=1\nand more"}}
    assert len(await reports(store, job, refused_only=True)) == 2


@pytest.mark.asyncio
async def test_an_upload_that_breaks_off_leaves_nothing_to_import(store: Store) -> None:
    """Nor does a file whose columns say nothing; one that is under way is nobody's yet."""

    async def breaking() -> AsyncIterator[bytes]:
        yield b'{"given_name": "Ann"}\n' * 1_000
        assert await jobs.claim(worker(store)) is None
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await imports.upload(store, "acme", "jsonl", breaking(), ANN)
    with pytest.raises(InvalidMessage):
        await send(store, b"given_name,nickname\nAnn,A\n", "csv")
    assert await carry_out(store) == []
    assert await value(store, PARTS) == 0
    async with store.transaction(["acme"]) as connection:
        assert {each.state for each in await workspace_jobs.page(connection, "acme", limit=9)} == {"cancelled"}


@pytest.mark.asyncio
async def test_whoever_was_erased_is_not_brought_back_by_an_import_of_before(store: Store) -> None:
    """S103: lines of hers that wait are emptied by the erasure, however they write her, and refused; those of others are imported."""
    spoken = '{"given_name": "Ann", "identifiers": [{"semantic_type": "email", "identifier": " ANN\\u0040Example.com"}], "phone": "+14155550100"}'
    files: list[tuple[bytes, Format]] = [
        ((spoken + '\n{"given_name": "Ann", "email": "ben@example.com"}\n{"given_name": "Ann", "email"').encode(), "jsonl"),
        (b"email,given_name\r\nann@EXAMPLE.com,Ann\r\n", "csv"),
    ]
    waiting = [await send(store, text, form) for text, form in files]
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, [event("email:ann@example.com", minutes=1)], {"acme": EXACT}, "test")
    ann = (await record(store, "ann@example.com")).contact.contact_id
    async with store.transaction(["acme"]) as connection:
        await erase(connection, "acme", ann, ANN, shards=SHARDS)
    async with store.transaction(["acme"]) as connection:
        kept = [line async for row in connection.cursor("select lines from import_parts order by first_line") for line in row["lines"]]
    assert kept == [b"1\t", b'2\t{"given_name": "Ann", "email": "ben@example.com"}', b'3\t{"given_name": "Ann", "email"', b"2\t"]
    await carry_out(store)
    told = [[(each.outcome, each.code) for each in await reports(store, job)] for job in waiting]
    assert told == [[("refused", "barred"), ("created", None), ("refused", "invalid_json")], [("refused", "barred")]]
    assert await value(store, "select count(*) from contacts where erased_at is null") == 1
    assert await value(store, PARTS) == 0


@pytest.mark.asyncio
async def test_an_erasure_waits_for_the_part_that_is_being_imported(store: Store) -> None:
    """And for no contact before: neither holds what the other one waits for. What the parts made of the person goes."""
    resolution = Resolution(shards=SHARDS, numbers=TenureNumbers(), budget=10_000)
    async with store.transaction(["acme"]) as connection:
        await resolution.resolve(connection, [event("email:n700@example.com", minutes=1)], {"acme": EXACT}, "test")
    ann = (await record(store, "n700@example.com")).contact.contact_id

    async def erased() -> None:
        async with store.transaction(["acme"]) as connection:
            await erase(connection, "acme", ann, ANN, shards=SHARDS)

    erasing: list[asyncio.Task[None]] = []

    async def begin() -> None:
        erasing.append(asyncio.create_task(erased()))
        await asyncio.sleep(0.1)
        assert not erasing[0].done()

    async with foreseen(begin):
        found = await imported(store, *({"given_name": f"N{n}", "email": f"n{n}@example.com"} for n in range(900)))
    await erasing[0]
    assert [each.line for each in found if each.outcome != "created"] == [701]  # refused, unless its part was faster than the erasure
    assert await value(store, "select count(*) from contacts where given_name = 'N700'") == 0
    assert await value(store, "select erased_at from contacts where identifiers_total = 0") is not None


@pytest.mark.asyncio
async def test_an_import_that_is_cancelled_or_fails_leaves_none_of_its_lines(store: Store) -> None:
    """Product.md, section 11: what is not going to be imported is kept nowhere."""
    lines = b'{"given_name": "Ann"}\n' * 1_200
    cancelled, failing = await send(store, lines), await send(store, lines)
    async with store.transaction(["acme"]) as connection:
        await workspace_jobs.cancel(connection, "acme", cancelled.job_id)
    assert await value(store, PARTS) == 3
    async with store.transaction(["acme"]) as connection:
        await connection.execute("update workspace_jobs set progress = '{}' where job_id = $1", failing.job_id)
    (ended,) = await carry_out(store)
    assert (ended.job_id, ended.state) == (failing.job_id, "failed")
    assert await value(store, PARTS) == 0


@pytest.mark.asyncio
async def test_another_workspace_reads_no_report(store: Store) -> None:
    """S92."""
    job = await send(store, b'{"given_name": "Ann"}')
    await carry_out(store)
    async with store.transaction(["other"]) as connection:
        for workspace in ("acme", "other"):
            assert await records.lines(connection, workspace, job.job_id, after=0, most=9, refused_only=False) == []
        assert await records.part(connection, "acme", uuid4(), 0) is None
