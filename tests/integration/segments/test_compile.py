"""A query means the same in Python and in Postgres (I9 rests on it: the stream evaluates, the fill compiles)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onefold.identity.classification import Classification, Related, Stage
from onefold.records.rows import to_json
from onefold.segments.compile import compile_query
from onefold.segments.evaluate import Subject, evaluate
from onefold.segments.query import parse

if TYPE_CHECKING:
    from tests.support.servers import Database

TEXTS = st.sampled_from(["", "a", "ab", "Ann", "ann", "%", "_", "é", "x y", "1", "true"])
SCALARS = st.one_of(TEXTS, st.sampled_from([0, 1, 1.0, 1.5, -3, 10**20, True, False]))
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.none(), st.just({"a": 1}))
SLUGS = ["plan", "seats", "a.b"]


def operators(values: st.SearchStrategy[Any], *, kinds: str) -> st.SearchStrategy[dict[str, Any]]:
    texts = TEXTS.filter(bool)
    choices = [
        st.builds(lambda v: {"operator": "equals", "value": v}, values),
        st.builds(lambda v: {"operator": "!=", "value": v}, values),
        st.sampled_from([{"operator": "is_null"}, {"operator": "is_not_null"}]),
    ]
    if kinds != "boolean":
        choices += [
            st.builds(lambda v: {"operator": "contains", "value": v}, values.filter(lambda v: v != "") if kinds == "json" else texts),
            st.builds(lambda v: {"operator": "starts_with", "value": v}, texts),
            st.builds(lambda v: {"operator": "in", "value": v}, st.lists(values, min_size=1, max_size=3)),
        ]
    return st.one_of(choices)


CLAUSES = st.one_of(
    st.builds(
        lambda f, o: {"field": f, **o}, st.sampled_from(["type", "given_name", "last_name", "email"]), operators(TEXTS, kinds="text")
    ),
    st.builds(lambda o: {"field": "is_vendor", **o}, operators(st.booleans(), kinds="boolean")),
    st.builds(lambda s, o: {"field": f"attributes.unbound.{s}", **o}, st.sampled_from(SLUGS), operators(SCALARS, kinds="json")),
    st.builds(
        lambda t, s, o: {"identifier": t, **({"slug": s} if s else {}), **o},
        st.sampled_from(["email", "phone"]),
        st.sampled_from([None, "main", "work"]),
        operators(TEXTS, kinds="text"),
    ),
)
CLAUSES |= st.builds(
    lambda f, o: {"field": f, **o}, st.sampled_from(["tags", "owners", "relationships.advisor"]), operators(TEXTS, kinds="text")
)
CLAUSES |= st.builds(lambda o: {"field": "workflows.onboarding", **o}, operators(TEXTS, kinds="text"))
QUERIES = st.recursive(
    CLAUSES,
    lambda inner: st.one_of(
        st.builds(lambda p: {"and": p}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda p: {"or": p}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda p: {"not": p}, inner),
    ),
    max_leaves=5,
)
SUBJECTS = st.builds(
    Subject,
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["ghost", "lead", "contact", "vendor"]),
            "given_name": st.none() | TEXTS,
            "last_name": st.none() | TEXTS,
            "email": st.none() | TEXTS,
            "is_vendor": st.booleans(),
            "workflows.onboarding": st.none() | TEXTS,
        }
    ),
    st.builds(lambda values: {"unbound": values}, st.dictionaries(st.sampled_from(SLUGS), VALUES, max_size=3)),
    st.lists(st.tuples(st.sampled_from(["email", "phone"]), st.sampled_from([None, "main", "work"]), TEXTS), max_size=3),
    st.fixed_dictionaries({name: st.lists(TEXTS, max_size=2, unique=True) for name in ("tags", "owners", "relationships.advisor")}),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(cases=st.lists(st.tuples(QUERIES, SUBJECTS), min_size=8, max_size=8))
def test_python_and_postgres_agree(database: Database, cases: list[tuple[dict[str, Any], Subject]]) -> None:
    parsed = [(parse(json.loads(json.dumps(query))), subject) for query, subject in cases]
    assert asyncio.run(_in_postgres(database.app_url, parsed)) == [evaluate(query, subject) for query, subject in parsed]


async def _in_postgres(url: str, cases: list[tuple[Any, Subject]]) -> list[bool]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("select set_config('onefold.workspaces', 'acme', true)")
            found = []
            for query, subject in cases:
                contact_id = uuid4()
                await _insert(connection, contact_id, subject)
                compiled = compile_query(query, 2)
                statement = f"select {compiled.sql} from contacts c where c.contact_id = $1"  # noqa: S608 -- that is what is tested
                found.append(await connection.fetchval(statement, contact_id, *compiled.parameters))
            return found
    finally:
        await connection.close()


async def _insert(connection: asyncpg.Connection[asyncpg.Record], contact_id: UUID, subject: Subject) -> None:
    await connection.execute(
        "insert into contacts (workspace, contact_id, version, type, given_name, last_name, email, is_vendor, attributes, tags,"
        " classification, root, first_seen_at, last_seen_at, created_at, updated_at)"
        " values ('acme', $1, 1, $2, $3, $4, $5, $6, $7, $8, $9, $1, now(), now(), now(), now())",
        contact_id,
        *(subject.fields[name] for name in ("type", "given_name", "last_name", "email", "is_vendor")),
        to_json(subject.attributes),
        to_json(subject.sets.get("tags", [])),
        to_json(_classification(subject)),
    )
    for number, (kind, slug, value) in enumerate(subject.identifiers):
        await connection.execute(
            "insert into identifiers (tenure_id, workspace, identifier_key, contact_id, semantic_type, identifier, normalised, slug,"
            " assurance, source, first_seen_at, last_seen_at) values ($1, 'acme', $2, $3, $4, $5, $5, $6, 0, 'event', now(), now())",
            contact_id.int % 2**60 + number,
            uuid4().bytes,
            contact_id,
            kind,
            value,
            slug,
        )


def _classification(subject: Subject) -> Classification:
    step = subject.fields.get("workflows.onboarding")
    return Classification(
        owners=tuple(subject.sets.get("owners", ())),
        workflows={"onboarding": Stage(str(step), datetime(2026, 11, 1, tzinfo=UTC))} if step is not None else {},
        to_many={"advisor": tuple(Related(each) for each in subject.sets.get("relationships.advisor", ()))},
    )


@pytest.mark.asyncio
async def test_values_of_a_query_are_parameters_never_text(database: Database) -> None:
    query = parse({"field": "given_name", "operator": "equals", "value": "'; drop table contacts; --"})
    assert await _in_postgres(
        database.app_url,
        [(query, Subject({"type": "ghost", "given_name": "x", "last_name": None, "email": None, "is_vendor": False}, {}, []))],
    ) == [False]
