"""The User API keeps to its own OpenAPI document, whatever is sent to it, as every role (issue 6; Schemathesis makes and judges the calls).

A call that fails does not end a test: all that is wrong is told at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import warnings
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import quote

import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from onefold.access.matrix import MATRIX
from onefold.http.connection import HeadBounds
from onefold.http.server import listening
from onefold.http.user_api.app import PREFIX
from onefold.http.user_api.door import COOKIE
from onefold.records.store import Store
from tests.support.apis import PASSWORD, WEBHOOKS, Api, api_on
from tests.support.furnished import furnish
from tests.support.operations import ENDLESS, JSON, REFUSED, Call, Operation, calls_of, operations
from tests.support.workspaces import add_workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from schemathesis import Case
    from schemathesis.schemas import APIOperation

    from tests.support.servers import Database

pytestmark = pytest.mark.asyncio

Poison = TypeVar("Poison", str, bytes)


@schemathesis.serializer("text/csv", "application/jsonl", "application/x-ndjson", "application/x-jsonlines")
def as_it_is(_context: Any, value: Any) -> Any:
    """Files go as they are drawn."""
    return value


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = int(os.environ.get("ONEFOLD_TEST_EXAMPLES", "2"))
"""Drawn for an operation, with ids of nothing and with ids of something; with more, the long sweep (CONTRIBUTING.md), no poison is left out."""
STRIDE = 4 if EXAMPLES <= 2 else 1
"""Every which poison each place gets, in turn."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
ODD = ("%00", "%FF", "%ED%A0%80", "%F0%9F%90%9B", "%E2%80%AE", "x" * 3_000, "'\"--;", "1e400", "-1", "null", "[]", "%", "..%2F..", "9" * 40)
"""In a path or a query, as it goes over the wire."""
NO_BODIES = (
    b"", b"{", b"null", b"[]", b'"x"', b"1e999", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' * 100_000, b"{}" + b" " * 900_000,
)  # fmt: skip
VALUES = (
    b'"\\u0000"', b'"\\ud800"', b'"' + b"x" * 100_000 + b'"', b"1" + b"0" * 400, b"1e400", b"NaN", b"-1", b"[[]]", b'{"": {"": ""}}',
    b"null", b"true",
)  # fmt: skip
"""Instead of a field of a body."""


class Sweep(NamedTuple):
    """What the tests of this file work with."""

    api: Api
    url: str
    document: dict[str, Any]
    schema: Any
    """The document, as Schemathesis has it."""
    ids: Mapping[str, str]
    keys: Mapping[str, str]
    """By role."""
    told: list[str]

    def operation(self, operation: Operation) -> APIOperation[Any, Any, Any, Any]:
        """The same as Schemathesis knows it."""
        found: APIOperation[Any, Any, Any, Any] = self.schema[PREFIX + operation.path][operation.method.upper()]
        return found

    def send(self, session: requests.Session, operation: Operation, what: str, **options: Any) -> requests.Response:
        """One call, judged by the document."""
        url = self.url + options.pop("url", operation.path)
        options["headers"] = {"authorization": f"Bearer {self.keys['super_admin']}", "if-match": "*", **options.get("headers", {})}
        answer = session.request(options.pop("method", operation.method.upper()), url, timeout=60, **options)
        self.judge(operation, answer, what)
        return answer

    def judge(self, operation: Operation, answer: requests.Response, what: str) -> None:
        """Note what of an answer is not as the document says."""
        case = self.operation(operation).Case()
        self._noting(lambda: case.validate_response(answer, checks=list(CHECKS)), f"{operation} {what[:300]}")

    def _noting(self, check: Callable[[], object], what: str) -> None:
        try:
            check()
        except FailureGroup as group:
            self.told.extend(f"{what}: {' '.join(str(each).split())[:600]}" for each in group.exceptions)


@pytest_asyncio.fixture
async def sweep(database: Database) -> AsyncIterator[Sweep]:
    """A workspace with something of everything, and a key of every role; all that was wrong is told at the end."""
    store = await Store.connect(database.app_url)
    await add_workspace(store, "acme")
    try:
        async with api_on(store, webhooks=WEBHOOKS) as api, _served(api) as url:
            keys = {role: await api.key(await api.user(role)) for role in MATRIX}
            ids = await furnish(api, keys["super_admin"], "acme", "Mill")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                document = (await asyncio.to_thread(requests.get, f"{url}/openapi.json", timeout=20)).json()
                schema = schemathesis.openapi.from_dict(document)
                schema.config.update(base_url=url.removesuffix(PREFIX))
                found = Sweep(api, url, document, schema, ids, keys, [])
                yield found
            failures, api.failures[:] = [f"{type(each).__name__}: {each}" for each in api.failures], []
        assert not [*found.told, *failures], "\n".join([*found.told, *failures])
    finally:
        await store.close()


@asynccontextmanager
async def _served(api: Api) -> AsyncIterator[str]:
    async with listening(api.app, HeadBounds(), host="127.0.0.1", port=0) as port:
        yield f"http://127.0.0.1:{port}{PREFIX}"


async def test_every_operation_answers_as_the_document_says_and_other_methods_are_refused(sweep: Sweep) -> None:
    """Every operation with ids of what there is, files, sessions and the stream among them; 405 for what a path does not have."""
    for email in ("ann@example.com", "signs-in@example.com"):
        await sweep.api.user("super_admin", email=email)
    await asyncio.to_thread(_call_what_is_not_there, sweep)
    await asyncio.to_thread(_follow, sweep)
    await asyncio.to_thread(_sign_in_and_out, sweep)
    called, refused = await asyncio.to_thread(_call_all, sweep)
    assert called == {*operations(sweep.document)}
    assert not refused, "\n".join(refused)


def _call_all(sweep: Sweep) -> tuple[set[Operation], list[str]]:
    """Every operation, as it can succeed; gives what does not."""
    called: set[Operation] = set()
    refused: list[str] = []
    with requests.Session() as session:
        for operation in operations(sweep.document):
            for call in calls_of(sweep.document, operation):
                answer = sweep.send(session, operation, "with ids of its own", **_sent(call, sweep.ids))
                called.add(operation)
                if not answer.ok and str(operation) not in REFUSED:
                    refused.append(f"{operation} {call.query} {call.body}: {answer.status_code} {answer.text[:300]}")
    return called, refused


def _sent(call: Call, ids: Mapping[str, str]) -> dict[str, Any]:
    request = call.request(ids)
    return {"url": request["url"], "params": request["params"], "headers": request["headers"], "data": request.get("content")}


@pytest.mark.slow  # thousands of calls
@pytest.mark.timeout(900)
async def test_no_call_is_answered_otherwise_than_the_document_says(sweep: Sweep) -> None:
    """No 5xx, no undocumented status, media type or shape.

    Of what is drawn, as any role, with ids of nothing and of something; and of poison
    (NUL, lone surrogates, huge numbers, depth, length, broken UTF-8, the same key twice) in every path, query and body.
    """
    called = await asyncio.to_thread(_draw_all, sweep)
    assert called == {*operations(sweep.document)}
    await asyncio.to_thread(_poison_all, sweep)


def _draw_all(sweep: Sweep) -> set[Operation]:
    called = set()
    with requests.Session() as session:
        for operation in operations(sweep.document):
            called.add(operation)
            call = next(calls_of(sweep.document, operation))
            for ids in (None, call.request(sweep.ids)["url"]) if call.path else (None,):
                _draw(sweep, session, operation, ids)
    return called


def _draw(sweep: Sweep, session: requests.Session, operation: Operation, url: str | None) -> None:
    known, number = None, 0
    if url is not None:
        known = {part[1:-1]: said for part, said in zip(operation.path.split("/"), url.split("/"), strict=True) if part.startswith("{")}

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=sweep.operation(operation).as_strategy(path_parameters=known))
    def draw(case: Case[Any]) -> None:
        nonlocal number
        number += 1
        everybody = number % 2 == 0  # the first one drawn is the simplest that there is
        for role, key in sweep.keys.items() if everybody else (("super_admin", sweep.keys["super_admin"]),):
            headers: dict[str, Any] = {"authorization": f"Bearer {key}", "if-match": "*"}
            answer = case.call(session=session, headers=headers)
            sweep._noting(lambda: case.validate_response(answer, checks=list(CHECKS)), f"{role}: {operation}")  # noqa: B023

    draw()


def _poison_all(sweep: Sweep) -> None:
    turn = count()
    with requests.Session() as session:
        for operation in operations(sweep.document):
            call = next(calls_of(sweep.document, operation))
            request = call.request(sweep.ids)
            for url in _odd_urls(sweep.document, operation, call, request, turn):
                sweep.send(session, operation, url, url=url, data=request.get("content"), headers=request["headers"])
            if call.media_type is None:
                continue
            options = {"url": request["url"], "params": request["params"]}
            for body in _bad_bodies(request["content"], call.media_type, turn):
                sweep.send(session, operation, repr(body[:200]), **options, headers=request["headers"], data=body)
            for media_type in ("text/plain", "multipart/form-data; boundary=x", "application/json; charset=utf-16", ""):
                headers = {**request["headers"], "content-type": media_type}
                sweep.send(session, operation, media_type, **options, headers=headers, data=request["content"])


def _some(poison: Sequence[Poison], turn: Iterator[int]) -> Sequence[Poison]:
    return poison[next(turn) % STRIDE :: STRIDE]


def _odd_urls(
    document: Mapping[str, Any], operation: Operation, call: Call, request: Mapping[str, Any], turn: Iterator[int]
) -> Iterator[str]:
    known = {each: quote(str(value)) for each, value in call.path.items()}
    for name in call.path:
        for odd in _some(ODD, turn):
            yield operation.path.replace(f"{{{name}}}", odd).format_map(known)
    for each in document["paths"][PREFIX + operation.path][operation.method].get("parameters", []):
        if each["in"] == "query":
            yield from (f"{request['url']}?{each['name']}={odd}" for odd in _some(ODD, turn))
    yield f"{request['url']}?%FF=%00"


def _bad_bodies(body: bytes, media_type: str, turn: Iterator[int]) -> Iterator[bytes]:
    yield from _some(NO_BODIES, turn)
    yield body.replace(b'"', b"\xff", 1)
    yield b"\xef\xbb\xbf" + body
    if media_type == JSON and body.startswith(b"{"):
        said = json.loads(body)
        yield body[:1] + b'"x": 1, "x": 2, ' + body[1:]
        for name in said:
            yield body[:-1] + b", " + json.dumps({name: said[name]}).encode()[1:]
            rest = json.dumps({other: value for other, value in said.items() if other != name}).encode()[:-1]
            before = rest + (b", " if len(said) > 1 else b"") + json.dumps(name).encode() + b": "
            yield from (before + poison + b"}" for poison in _some(VALUES, turn))


def _call_what_is_not_there(sweep: Sweep) -> None:
    """405 with what there is, as a problem; a path that there is not, 404."""
    with requests.Session() as session:
        templates = {each: re.compile(re.sub(r"{[^}]+}", "[^/]+", each)) for each in sweep.document["paths"]}
        for path in templates:
            said = re.sub(r"{[^}]+}", "x", path)
            url = sweep.url.removesuffix(PREFIX) + said
            there = {method.upper() for each, one in templates.items() if one.fullmatch(said) for method in sweep.document["paths"][each]}
            for method in sorted({*METHODS} - there):
                answer = session.request(method, url, headers={"authorization": f"Bearer {sweep.keys['super_admin']}"}, timeout=10)
                what = f"{method} {path}: {answer.status_code} {answer.headers} {answer.text[:200]}"
                assert answer.status_code == 405, what
                assert {each.strip() for each in answer.headers["allow"].split(",")} == there, what
                assert answer.headers["content-type"] == "application/problem+json", what
                assert answer.headers["x-content-type-options"] == "nosniff", what
        answer = session.get(f"{sweep.url}/nothing/here", timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def _follow(sweep: Sweep) -> None:
    """The one operation that has no end: opened, read from, left."""
    headers = {"authorization": f"Bearer {sweep.keys['coach']}", "last-event-id": "0"}
    with requests.get(sweep.url + ENDLESS.path, headers=headers, stream=True, timeout=20) as answer:
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        lines = answer.iter_lines()
        number, kind, said = next(lines), next(lines), next(lines)
        assert (number, kind) == (b"id: 1", b"event: entry")
        entry = json.loads(said.removeprefix(b"data: "))
        assert set(entry) == set(sweep.document["components"]["schemas"]["EntryShown"]["properties"])
    with requests.Session() as session:
        for last in ("x", "-1", "9" * 40, "1e3"):
            sweep.send(session, ENDLESS, f"last-event-id {last}", headers={"last-event-id": last})
        refused = requests.get(sweep.url + ENDLESS.path, timeout=20)
        assert refused.status_code == 401


def _sign_in_and_out(sweep: Sweep) -> None:
    """The operations of one who signs in, with the cookie that a browser has."""
    with requests.Session() as session:
        begin, end = Operation("post", "/session"), Operation("delete", "/session")
        nobody = {"authorization": "", "if-match": "*"}
        said = {"workspace": "acme", "email": "ann@example.com", "password": PASSWORD}
        refused = sweep.send(session, begin, "a wrong password", json={**said, "password": "wrong"}, headers=nobody)
        assert refused.status_code == 401
        begun = sweep.send(session, begin, "a right one", json=said, headers=nobody)
        assert begun.status_code == 201
        mine = {"authorization": "", "cookie": f"{COOKIE}={begun.cookies[COOKIE]}"}
        assert sweep.send(session, Operation("get", "/me"), "as one who signed in", headers=mine).status_code == 200
        wanted = {"present": PASSWORD, "wanted": "purple mill under seven rivers"}
        assert sweep.send(session, Operation("put", "/me/password"), "", json=wanted, headers=mine).status_code == 204
        assert sweep.send(session, end, "", headers=mine).status_code == 204
        assert sweep.send(session, end, "again", headers=mine).status_code == 401
