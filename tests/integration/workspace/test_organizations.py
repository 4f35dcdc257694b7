"""Organizations on real Postgres: a tree that stays one, in the order that lists show it (product.md, section 7; facts 3.8)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio

from onefold.errors import AlreadyExists, InvalidMessage, OrganizationInUse, OrganizationNotFound, OrganizationRefused, VersionConflict
from onefold.identity.classification import Classification
from onefold.records import organizations as records
from onefold.records.organizations import MOST_DEPTH, Organization
from onefold.workspace import organizations
from onefold.workspace.organizations import Edit, New
from onefold.workspace.workspaces import InvalidSlug

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from onefold.records.store import Connection, Store

ATTACH = """
insert into contacts (workspace, contact_id, version, type, organization_id, organization_name, root, first_seen_at, last_seen_at,
  created_at, updated_at, merged_into)
values ('acme', $1, 1, 'ghost', $2, 'Mill', $1, now(), now(), now(), now(), $3)
"""


@pytest_asyncio.fixture
async def connection(store: Store) -> AsyncIterator[Connection]:
    async with store.transaction(["acme"]) as connection:
        yield connection


async def make(connection: Connection, *titles: str, under: Organization | None = None) -> list[Organization]:
    parent = under.organization_id if under is not None else None
    return [await organizations.create(connection, "acme", New(title, parent_id=parent)) for title in titles]


async def listed(connection: Connection, *, is_archived: bool = False) -> list[str]:
    """What the list in tree order shows: `1.2 slug`."""
    found = await records.page(connection, "acme", after=None, is_archived=is_archived, limit=10_000)
    return [f"{each.hierarchy} {each.slug}" for each in found]


@pytest.mark.asyncio
async def test_a_list_walks_through_the_tree(connection: Connection) -> None:
    """Each child behind its parent and before the parent's next sibling; a new one is the last."""
    one, two = await make(connection, "Müller & Söhne", "Two")
    (_, below) = await make(connection, "A", "B", under=one)
    await make(connection, "Deep", under=below)
    assert await listed(connection) == ["1 muller-sohne", "1.1 a", "1.2 b", "1.2.1 deep", "2 two"]
    assert [
        each.slug for each in await records.below(connection, await organizations.find(connection, "acme", one.organization_id), most=9)
    ] == [
        "a",
        "b",
        "deep",
    ]
    assert await records.below(connection, two, most=9) == []


@pytest.mark.asyncio
async def test_a_sequence_beyond_either_end_is_at_that_end(connection: Connection) -> None:
    """Facts 3.8: clamped."""
    await make(connection, "A", "B")
    await organizations.create(connection, "acme", New("First", sequence=-3))
    await organizations.create(connection, "acme", New("Last", sequence=99))
    await organizations.create(connection, "acme", New("Second", sequence=2))
    assert await listed(connection) == ["1 first", "2 second", "3 a", "4 b", "5 last"]


@pytest.mark.asyncio
async def test_archived_ones_are_ignored_in_the_order_of_siblings(connection: Connection) -> None:
    """Facts 3.8: the gap closes, what is below stays below, and whoever is restored is the last."""
    a, _, _ = await make(connection, "A", "B", "C")
    await make(connection, "Below", under=a)
    assert (await organizations.archive(connection, "acme", a.organization_id)).after.version == 2
    assert await listed(connection) == ["1 b", "2 c", "3.1 below"]
    assert await listed(connection, is_archived=True) == ["3 a"]
    await make(connection, "D")
    assert await listed(connection) == ["1 b", "2 c", "3 d", "4.1 below"]
    await organizations.restore(connection, "acme", a.organization_id)
    assert await listed(connection) == ["1 b", "2 c", "3 d", "4 a", "4.1 below"]


@pytest.mark.asyncio
async def test_children_of_a_destroyed_one_are_lifted_to_where_it_stood(connection: Connection) -> None:
    """Facts 3.8: to its parent; the gap closes."""
    top, _ = await make(connection, "Top", "Other")
    _, mid, _ = await make(connection, "A", "Mid", "Z", under=top)
    first, _ = await make(connection, "First", "Second", under=mid)
    await make(connection, "Deep", under=first)
    await organizations.archive(connection, "acme", mid.organization_id)
    await organizations.destroy(connection, "acme", mid.organization_id)
    assert await listed(connection) == ["1 top", "1.1 a", "1.2 z", "1.3 first", "1.3.1 deep", "1.4 second", "2 other"]
    with pytest.raises(OrganizationNotFound):
        await organizations.find(connection, "acme", mid.organization_id)


@pytest.mark.asyncio
async def test_no_move_makes_a_cycle(connection: Connection) -> None:
    """Neither below itself, nor into itself."""
    (a,) = await make(connection, "A")
    (b,) = await make(connection, "B", under=a)
    (c,) = await make(connection, "C", under=b)
    for target in (a, b, c):
        with pytest.raises(OrganizationRefused):
            await organizations.move(connection, "acme", a.organization_id, target.organization_id)
    assert await listed(connection) == ["1 a", "1.1 b", "1.1.1 c"]


@pytest.mark.asyncio
async def test_two_moves_at_once_make_no_cycle(store: Store) -> None:
    """A under B while B goes under A: one of the two is refused."""
    async with store.transaction(["acme"]) as connection:
        a, b = await make(connection, "A", "B")
    entered = asyncio.Event()

    async def move(one: Organization, other: Organization) -> None:
        async with store.transaction(["acme"]) as connection:
            await organizations.move(connection, "acme", one.organization_id, other.organization_id)
            entered.set()
            await asyncio.sleep(0.2)

    first = asyncio.create_task(move(a, b))
    await entered.wait()
    with pytest.raises(OrganizationRefused):
        await move(b, a)
    await first
    async with store.transaction(["acme"]) as connection:
        assert await listed(connection) == ["1 b", "1.1 a"]


@pytest.mark.asyncio
async def test_the_tree_goes_so_deep_and_no_deeper(connection: Connection) -> None:
    """Also where a whole branch moves."""
    (top,) = await make(connection, "L1")
    lowest = top
    for level in range(2, MOST_DEPTH + 1):
        (lowest,) = await make(connection, f"L{level}", under=lowest)
    with pytest.raises(OrganizationRefused):
        await make(connection, "Too deep", under=lowest)
    (other,) = await make(connection, "Other")
    with pytest.raises(OrganizationRefused):
        await organizations.move(connection, "acme", top.organization_id, other.organization_id)


@pytest.mark.asyncio
async def test_an_organization_with_contacts_is_not_destroyed(connection: Connection) -> None:
    """The refusal counts them; absorbed contacts belong to nobody."""
    (mill,) = await make(connection, "Mill")
    with pytest.raises(OrganizationRefused):
        await organizations.destroy(connection, "acme", mill.organization_id)
    await organizations.archive(connection, "acme", mill.organization_id)
    ann, ben = uuid4(), uuid4()
    await connection.execute(ATTACH, ann, mill.organization_id, None)
    await connection.execute(ATTACH, ben, mill.organization_id, ann)
    with pytest.raises(OrganizationInUse) as refused:
        await organizations.destroy(connection, "acme", mill.organization_id)
    assert refused.value.contacts == 1
    await connection.execute("update contacts set organization_id = null where contact_id = $1", ann)
    await organizations.destroy(connection, "acme", mill.organization_id)


@pytest.mark.asyncio
async def test_an_edit_is_one_version_for_whoever_looked_at_the_last_one(connection: Connection) -> None:
    """And none where nothing is different; the slug stays what it was."""
    (mill,) = await make(connection, "Mill")
    edited = await organizations.edit(connection, "acme", mill.organization_id, Edit("Acme Mill", if_version=1), "user:ann")
    assert (edited.after.version, edited.after.slug, edited.renaming) == (2, "mill", None)
    again = await organizations.edit(connection, "acme", mill.organization_id, Edit("Acme Mill"), "user:ann")
    assert again.after.version == 2
    with pytest.raises(VersionConflict):
        await organizations.edit(connection, "acme", mill.organization_id, Edit("Other", if_version=1), "user:ann")


@pytest.mark.asyncio
async def test_what_hangs_on_an_organization_is_found_by_lists(connection: Connection) -> None:
    """As on contacts; nothing is left when it is gone."""
    (mill,) = await make(connection, "Mill")
    hung = replace(mill, tags=["vip"], classification=Classification(owners=("u1",)), attributes={"firm": {"staff": 5}})
    after = await records.update(connection, hung, mill.created_at)
    assert (after.tags, after.classification.owners, after.attributes) == (["vip"], ("u1",), {"firm": {"staff": 5}})
    links = "select kind || '=' || value from links where object_type = 'organizations' order by 1"
    assert [row[0] for row in await connection.fetch(links)] == ["owner=u1", "tag=vip"]
    await organizations.archive(connection, "acme", mill.organization_id)
    await organizations.destroy(connection, "acme", mill.organization_id)
    assert await connection.fetch(links) == []


@pytest.mark.asyncio
async def test_titles_and_slugs_that_cannot_be_are_refused(connection: Connection) -> None:
    """With what to do instead."""
    await make(connection, "Mill")
    with pytest.raises(AlreadyExists):
        await make(connection, "mill!")
    with pytest.raises(InvalidSlug):
        await organizations.create(connection, "acme", New("Mill", slug="No Slug"))
    with pytest.raises(InvalidSlug):
        await make(connection, "磨坊")
    for title in ("", "  ", "x" * 201):
        with pytest.raises(InvalidMessage):
            await organizations.create(connection, "acme", New(title, slug="fine"))


@pytest.mark.asyncio
async def test_another_workspace_sees_and_uses_none_of_it(store: Store) -> None:
    """S92: the same slug is free there, and no parent of ours can be theirs."""
    async with store.transaction(["acme"]) as connection:
        (mill,) = await make(connection, "Mill")
    async with store.transaction(["other"]) as connection:
        assert await records.find(connection, "acme", mill.organization_id) is None
        assert (await organizations.create(connection, "other", New("Mill"))).hierarchy == "1"
        with pytest.raises(OrganizationNotFound):
            await organizations.create(connection, "other", New("Below", parent_id=mill.organization_id))


@pytest.mark.asyncio
async def test_lists_and_branches_are_read_by_index(store: Store) -> None:
    """The plan of a page in the middle and of everything below a node, at ten thousand organizations: no sort, no sequential scan."""
    async with store.transaction(["acme"]) as connection:
        await connection.execute(
            "insert into organizations (workspace, organization_id, slug, title, sequence, place, created_at, updated_at)"
            " select 'acme', gen_random_uuid(), 's' || n, 'S', n, int4send(n), now(), now() from generate_series(1, 10000) as n"
        )
        page = await _plan(connection, records.PAGE.replace("$1", "'acme'").replace("$2", "int4send(5000)").replace("$3", f"'{uuid4()}'"))
        below = await _plan(connection, records.BELOW.replace("$1", "'acme'").replace("$2", "int4send(5)").replace("$3", "int4send(6)"))
        end = await _plan(connection, records.LAST.replace("$1", "'acme'").replace("$2::uuid", "null::uuid"))
    for plan in (page, below):
        assert "Index Scan using organizations_place" in plan
        assert "place" in next(line for line in plan.splitlines() if "Index Cond" in line)
        assert "Sort" not in plan
    assert "using organizations_siblings" in end
    assert "Sort" not in end


async def _plan(connection: Connection, statement: str) -> str:
    text = statement.replace("$4", "false" if "archived_at is not null) = $4" in statement else "10").replace("$5", "10")
    return "\n".join(row[0] for row in await connection.fetch(f"explain {text}"))


@dataclass
class Node:
    """One organization of the model: its children in order, and whether it is archived."""

    children: list[UUID] = field(default_factory=list)
    parent: UUID | None = None
    is_archived: bool = False


class Forest:
    """The tree as plain lists."""

    def __init__(self) -> None:
        self.nodes: dict[UUID | None, Node] = {None: Node()}

    def put(self, node: UUID, parent: UUID | None, sequence: int | None) -> None:
        """As the last of its kind, or at a number of it; archived ones behind the others."""
        beside = self.nodes[parent].children
        alike = [each for each in beside if self.nodes[each].is_archived == self.nodes[node].is_archived]
        others = [each for each in beside if each not in alike]
        alike.insert(len(alike) if sequence is None else max(sequence - 1, 0), node)
        self.nodes[parent].children = others + alike if self.nodes[node].is_archived else alike + others
        self.nodes[node].parent = parent

    def take(self, node: UUID) -> None:
        """Out of its siblings."""
        self.nodes[self.nodes[node].parent].children.remove(node)

    def above(self, node: UUID | None) -> list[UUID | None]:
        """A node and its ancestors."""
        found: list[UUID | None] = []
        while node is not None:
            found.append(node)
            node = self.nodes[node].parent
        return found

    def walk(self, node: UUID | None = None, path: str = "") -> list[str]:
        """Every node with its numbers."""
        found = []
        for number, each in enumerate(self.nodes[node].children, 1):
            here = f"{path}.{number}" if path else str(number)
            found += [f"{here} {each}", *self.walk(each, here)]
        return found


@pytest.mark.asyncio
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_is_done_the_tree_is_what_plain_lists_say(connection: Connection, seed: int) -> None:
    """Two hundred random makings, moves, archivings, restorings and endings, against a model that numbers children by walking."""
    forest, chance = Forest(), random.Random(seed)
    for number in range(200):
        known = [each for each in forest.nodes if each is not None]
        what = chance.choice(["make", "make", "move", "move", "archive", "restore", "destroy"]) if known else "make"
        parent, sequence = chance.choice([None, *known]), chance.choice([None, chance.randint(-1, 6)])
        if what == "make":
            made = await organizations.create(connection, "acme", New(f"N{number}", parent_id=parent, sequence=sequence))
            forest.nodes[made.organization_id] = Node()
            forest.put(made.organization_id, parent, sequence)
            continue
        node = chance.choice(known)
        if what == "move" and node not in forest.above(parent):
            await organizations.move(connection, "acme", node, parent, sequence)
            forest.take(node)
            forest.put(node, parent, sequence)
        elif what in {"archive", "restore"} and forest.nodes[node].is_archived == (what == "restore"):
            await (organizations.archive if what == "archive" else organizations.restore)(connection, "acme", node)
            forest.take(node)
            forest.nodes[node].is_archived = what == "archive"
            forest.put(node, forest.nodes[node].parent, None)
        elif what == "destroy" and forest.nodes[node].is_archived:
            await organizations.destroy(connection, "acme", node)
            _lift(forest, node)
        pages = [await records.page(connection, "acme", after=None, is_archived=is_archived, limit=999) for is_archived in (False, True)]
        assert sorted(f"{each.hierarchy} {each.organization_id}" for page in pages for each in page) == sorted(forest.walk())


def _lift(forest: Forest, node: UUID) -> None:
    """Its children to where it stood; the archived ones behind the others."""
    gone = forest.nodes.pop(node)
    beside = forest.nodes[gone.parent].children
    place = beside.index(node)
    for each in gone.children:
        forest.nodes[each].parent = gone.parent
    lifted = [*beside[:place], *gone.children, *beside[place + 1 :]]
    forest.nodes[gone.parent].children = sorted(lifted, key=lambda each: forest.nodes[each].is_archived)
