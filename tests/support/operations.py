"""A valid call of every operation of the User API, made of its own document, so that a new route is called, too.

A call says in which places it holds an id of what (`Of`), in its path, its query and its body. Whoever sends it says which ids. What a schema
cannot say of itself stands in `BODIES` and `QUERIES`; an id whose kind nobody knows is an error, so none is forgotten.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

PREFIX: Final = "/api/v1"
READS: Final = frozenset({"get", "head"})
JSON: Final = "application/json"


class Of(NamedTuple):
    """An id that is to be filled in: of a contact, say."""

    kind: str
    before: str = ""
    """What goes before it, such as `user:`."""


class Lines(NamedTuple):
    """A body of JSON lines."""

    items: Sequence[Any]


class Operation(NamedTuple):
    """One of the document."""

    method: str
    path: str
    """Without the prefix."""

    @property
    def noun(self) -> str:
        """What it is about."""
        return self.path.split("/")[1]

    @property
    def is_read(self) -> bool:
        """Whether it can change nothing."""
        return self.method == "get" or self.path in {"/contacts/search", "/segments/preview", "/simulate", "/seeds/plan"}

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


ENDLESS: Final = Operation("get", "/log/stream")
"""Goes on for ever, and takes no id: it has tests of its own."""


@dataclass(frozen=True)
class Call:
    """A call of an operation, whose ids are still to be filled in."""

    operation: Operation
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    media_type: str | None = None

    @property
    def places(self) -> list[tuple[Any, ...]]:
        """Where it holds ids."""
        return [place for place, _ in _ids((self.path, self.query, self.body))]

    def kinds(self, places: Collection[tuple[Any, ...]]) -> set[str]:
        """What the ids in some places are ids of."""
        return {one.kind for place, one in _ids((self.path, self.query, self.body)) if place in places}

    def request(
        self, ids: Mapping[str, str], others: Mapping[str, str] | None = None, places: Sequence[tuple[Any, ...]] = ()
    ) -> dict[str, Any]:
        """What httpx sends: with these ids, and in some places with those of `others`."""
        path, query, body = _filled((self.path, self.query, self.body), ids, others or ids, frozenset(places), ())
        sent: dict[str, Any] = {
            "method": self.operation.method.upper(),
            "url": self.operation.path.format_map(path),
            "params": query,
            "headers": {},
        }
        if self.operation.method not in READS:
            sent["headers"]["if-match"] = "*"
        if self.media_type is not None:
            sent["headers"]["content-type"] = self.media_type
            sent["content"] = content(body)
        return sent


def content(body: Any) -> bytes:
    """A body as bytes."""
    if isinstance(body, Lines):
        return b"\n".join(json.dumps(each).encode() for each in body.items)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


NAMES: Final[Mapping[str, str]] = {
    "contact_id": "contact", "survivor": "contact", "absorbed": "other_contact", "other": "other_contact", "identifier_id": "identifier",
    "organization_id": "organization", "organization": "organization", "user_id": "user", "owner": "user", "follower": "user",
    "mentions": "user", "template_id": "document_template", "document_id": "document", "activity_id": "activity", "key_id": "key",
    "session_id": "session", "proposal_id": "proposal", "job_id": "job", "object_id": "contact", "ids": "contact",
    "webhook_id": "webhook", "delivery_id": "delivery",
}  # fmt: skip
"""What an id is one of, by its name."""
SINGULAR: Final[Mapping[str, str]] = {"taxonomies": "taxonomy", "activities": "activity"}
VALUES: Final[Mapping[str, Any]] = {
    "title": "A title", "given_name": "Eve", "content": "called her", "slug": "new", "email": "new@example.com", "roles": ["coach"],
    "semantic_type": "email", "identifier": "new@example.com", "query": {"field": "tags", "operator": "equals", "value": "vip"},
    "issuer": "https://id.example.com", "subject": "somebody", "template": "papers", "url": "https://hooks.example.com/in", "password": "several unusual words, mill",
}  # fmt: skip
"""What else stands under a name."""
SAID: Final = frozenset({"title", "given_name", "content"})
"""What is said though it may be left out: it would change something."""
KNOWS: Final = {"relationship": "knows", "id": Of("other_contact"), "pivot": {}}
ABOUT: Final = {"relationship": "about", "id": Of("other_contact"), "pivot": {}}
UNRELATED: Final = {"relationship": "about", "id": Of("contact")}
HANGING: Final[Mapping[str, Any]] = {
    "tags": {"add": ["vip"]}, "owners": {"add": [Of("user")]}, "followers": {"add": [Of("user")], "remove": [Of("user")]},
    "relate": [KNOWS], "unrelate": [{"relationship": "knows", "id": Of("other_contact")}],
}  # fmt: skip
RELATED: Final = [KNOWS, {"relationship": "works-at", "id": Of("organization")}, {"relationship": "signed", "id": Of("document")}]
EVENT: Final = {
    "channel": "web", "type": "identify", "assurance": "asserted", "occurred_at": "2026-11-01T09:30:00.000Z", "event_id": "e1",
    "workspace": "twin", "identifiers": [{"semantic_type": "email", "identifier": "one@example.com"}],
}  # fmt: skip
SEED: Final = {
    "items": [
        {"object_type": "tags", "data": {"slug": "seeded", "title": "Seeded", "data": {}}},
        {"object_type": "contacts", "data": {"last_name": "Seeded", "organization_id": Of("organization"), "owners": [Of("user")],
            "identifiers": [{"semantic_type": "email", "identifier": "seeded@example.com"}]}},
    ]
}  # fmt: skip
ITEM: Final = {"slug": "seeded", "title": "Seeded", "contact_id": Of("contact")}
DATA: Final[Mapping[str, Any]] = {
    "profiles": {"default_ownership": [{"user_id": Of("user"), "role": "owner"}]},
    "taxonomies": {},
    "tags": {},
    "relationships": {
        "object_type_2": "contacts", "title_2": "Known", "alias_1": "new_knows", "alias_2": "new_known", "cardinality_1": "many",
        "cardinality_2": "many",
    },
    "workflows": {"steps": [{"slug": "first", "title": "First"}]},
    "document-templates": {"default_ownership": [{"user_id": Of("user"), "role": "follower"}]},
}  # fmt: skip
SCOPES: Final[Mapping[str, str | None]] = {"tags": None, "document-templates": "documents"}
TREES: Final = frozenset({"tags", "taxonomies"})
GONE: Final = object()
"""What is left out of what the schema says."""

BODIES: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "POST /session": [{"workspace": "acme", "email": "signs-in@example.com", "password": "several unusual words, mill"}],
    "POST /sign-in-links": [{"workspace": "acme", "email": "ann@example.com"}],
    "POST /password-resets": [{"workspace": "acme", "email": "signs-in@example.com"}],
    "PUT /me/password": [{"present": "several unusual words, mill", "wanted": "purple mill under seven rivers"}],
    "POST /keys": [{"kind": "service", "user_id": Of("user")}],
    "POST /issuers": [{"issuer": "https://new.example.com"}],
    "POST /contact-issuers": [{"issuer": "https://new.example.com", "audiences": ["site"]}],
    "POST /seeds": [SEED],
    "POST /seeds/plan": [SEED],
    "POST /tags/paths": [{"path": "made/on/the-way"}],
    "POST /contacts": [{"relate": RELATED, "owners": [Of("user")], "followers": [Of("user")]}],
    "POST /contacts/merge": [{"takes": {"given_name": Of("contact")}}],
    "POST /simulate": [{"events": [EVENT]}],
    "POST /contacts/search": [{name: Of(NAMES[name])} for name in ("owner", "follower", "organization")],
    "PUT /settings/identifiers/{semantic_type}": [{"title": "Loyalty"}],
    "PUT /rules": [{"document": {"catalog": [{"semantic_type": "loyalty"}]}}],
    "PATCH /contacts/{contact_id}/classification": [{**HANGING, "relate": RELATED, "tags": {"add": ["vip"]}}],
    "PATCH /organizations/{organization_id}/classification": [{name: HANGING[name] for name in ("tags", "owners", "followers")}],
    "PATCH /documents/{document_id}": [{**HANGING, "relate": [ABOUT], "unrelate": [UNRELATED]}],
    "POST /documents": [
        {"template": GONE, "owners": [Of("user")], "followers": [Of("user")], "relate": [ABOUT], "slug": "made"},
    ],
    "POST /contacts/bulk": [
        {"operation": {"action": "organization", "organization_id": Of("organization")}, "query": GONE},
        {"operation": {"action": "followers", "add": [Of("user")]}, "query": GONE},
        {"operation": {"action": "archive"}, "query": GONE},
    ],
    "POST /documents/seeds": [{"items": [ITEM]}],
    "POST /activities": [
        {"object_type": "contacts", "type": "tasks", "mentions": [Of("user")], "parent_id": Of("activity")},
        {"object_type": "organizations", "object_id": Of("organization"), "type": "comments", "mentions": [], "parent_id": GONE},
    ],
    **{
        f"POST /{noun}": [
            {"slug": f"made-{noun}", "data": data, "object_type": SCOPES.get(noun, "contacts"), **({} if noun in TREES else {"parent_id": GONE})}
        ]
        for noun, data in DATA.items()
    },
}  # fmt: skip
"""By operation: calls, each of which says what is other than the schema says."""
QUERIES: Final[Mapping[str, Sequence[Mapping[str, Any]]]] = {
    "GET /log": [{"object_id": Of("contact")}, {"object_id": Of("organization")}, {"actor": Of("user", "user:")}, {}],
    "GET /contacts": [*({name: Of(NAMES[name])} for name in ("owner", "follower", "organization")), {"identifier": Of("email", "email:")}, {}],
    "GET /activities": [
        {"object_type": "contacts", "object_id": Of("contact")},
        {"object_type": "organizations", "object_id": Of("organization")},
        {"mentions": Of("user")},
    ],
    "GET /documents": [
        {"contact_id": Of("contact")}, {"parent_id": Of("document")}, {"owner": Of("user")}, {"follower": Of("user")}, {},
    ],
    "GET /proposals": [{"state": "all"}],
    "POST /contacts/merge": [{"preview": "true"}, {}],
    "POST /proposals/{proposal_id}/accept": [{"preview": "true"}, {}],
}  # fmt: skip
PATHS: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /proposals/{proposal_id}/refuse": {"proposal_id": Of("other_proposal")},
    "POST /contacts/{contact_id}/unmerge": {"contact_id": Of("absorbed")},
    "GET /documents/seeds/files/{job_id}/lines": {"job_id": Of("document_job")},
    "POST /jobs/{job_id}/cancel": {"job_id": Of("open_job")},
}
SLUGS: Final = {"slug": "paying", "semantic_type": "loyalty"}
FILES: Final[Mapping[str, Any]] = {
    "POST /imports": "given_name,email\nEve,imported@example.com\n",
    "POST /documents/seeds/files": Lines([{**ITEM, "slug": "from-a-file"}]),
}


REFUSED: Final = {
    "PUT /me/password": "a service key changes no password; whoever signed in does",
    "POST /session/link": "what the mail brought is nobody else's",
    "POST /password-resets/confirm": "what the mail brought is nobody else's",
}
"""What no service key can do, each with the reason."""


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation that has an end: what reads, what writes, then what deletes."""
    found = [
        Operation(method, path.removeprefix(PREFIX))
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    ]
    order = ("get", "put", "post", "patch", "delete")
    last = ("/contacts/merge", "/contacts/bulk", "/contacts/{contact_id}/erase", "/me/password", "/session")
    found.remove(ENDLESS)
    return sorted(
        found, key=lambda each: (each.path in last, order.index(each.method), -each.path.count("/") if each.method == "delete" else 0)
    )


def calls_of(document: Mapping[str, Any], operation: Operation, *, without: frozenset[str] = frozenset()) -> Iterator[Call]:
    """Calls of an operation, each of which is valid with ids of one's own. Some names are left out of their bodies."""
    said = document["paths"][PREFIX + operation.path][operation.method]
    path = {**_path(operation, said), **PATHS.get(str(operation), {})}
    queries = QUERIES.get(str(operation)) or list(_queries(document, operation, said))
    bodies = list(_bodies(document, operation, said, without))
    for query in queries:
        for media_type, body in bodies:
            yield Call(operation, path, query, body, media_type)


def _path(operation: Operation, said: Mapping[str, Any]) -> dict[str, Any]:
    return {each["name"]: SLUGS.get(each["name"]) or Of(_kind(operation, each["name"])) for each in _named(said, "path")}


def _queries(document: Mapping[str, Any], operation: Operation, said: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What must be said; and that beside each id that may be asked for."""
    needed, ids = {}, []
    for each in _named(said, "query"):
        made = _made(document, operation, each["schema"], (each["name"],))
        if each.get("required"):
            needed[each["name"]] = made
        elif _is_id(document, each["schema"]) or each["name"] in {"owner", "follower"}:
            ids.append({each["name"]: Of(_kind(operation, each["name"]))})
    for one in ids or [{}]:
        yield {**needed, **one}


def _bodies(
    document: Mapping[str, Any], operation: Operation, said: Mapping[str, Any], without: frozenset[str]
) -> Iterator[tuple[str | None, Any]]:
    taken = said.get("requestBody", {}).get("content", {})
    if not taken:
        yield None, None
    elif JSON not in taken:
        yield from (
            (
                media_type,
                FILES[str(operation)] if "csv" in media_type or operation.noun != "imports" else Lines([{"email": "jsonl@example.com"}]),
            )
            for media_type in taken
        )
    else:
        made = _made(document, operation, taken[JSON]["schema"], ())
        for other in BODIES.get(str(operation), [{}]):
            body = {**made, **other}
            yield JSON, {name: value for name, value in body.items() if value is not GONE and name not in without}


def _named(said: Mapping[str, Any], where: str) -> list[Any]:
    return [each for each in said.get("parameters", []) if each["in"] == where]


def _kind(operation: Operation, name: str) -> str:
    noun = SINGULAR.get(operation.noun, operation.noun.removesuffix("s").replace("-", "_"))
    if name == "definition_id":
        return noun
    if name == "parent_id":
        return f"other_{noun}"
    assert name in NAMES, f"{operation}: say in NAMES of what {name} is an id"
    return NAMES[name]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself: what it refers to; what it is, if it may also be null."""
    if "$ref" in schema:
        return _resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return _resolved(document, next(each for each in schema[name] if each.get("type") != "null"))
    return schema


def _is_id(document: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    found = _resolved(document, schema)
    return found.get("format") == "uuid" or (found.get("type") == "array" and _is_id(document, found["items"]))


def _made(document: Mapping[str, Any], operation: Operation, schema: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    """The least that the schema takes, with every id that it can hold."""
    found, name = _resolved(document, schema), place[-1] if place else ""
    if "properties" in found:
        needed = found.get("required", ())
        return {
            each: _made(document, operation, inner, (*place, each))
            for each, inner in found["properties"].items()
            if each in needed or each in SAID or _is_id(document, inner)
        }
    if found.get("type") == "array" and _is_id(document, found):
        return [Of(_kind(operation, name))]
    if found.get("format") == "uuid":
        return Of(_kind(operation, name))
    if name in VALUES:
        return VALUES[name]
    if "enum" in found:
        return found["enum"][0]
    plain: dict[str | None, Any] = {
        "string": found.get("const", "x"), "integer": max(found.get("minimum", 1), 1), "boolean": False, "array": [], "object": {},
    }  # fmt: skip
    return plain.get(found.get("type"), "x")


def _ids(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Of]]:
    if isinstance(value, Of):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _ids(inner, (*place, name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _ids(inner, (*place, number))


def _filled(
    value: Any, ids: Mapping[str, str], others: Mapping[str, str], places: frozenset[tuple[Any, ...]], place: tuple[Any, ...]
) -> Any:
    if isinstance(value, Of):
        return value.before + (others if place in places else ids)[value.kind]
    if isinstance(value, dict):
        return {name: _filled(inner, ids, others, places, (*place, name)) for name, inner in value.items()}
    if isinstance(value, Lines):
        return Lines(_filled(value.items, ids, others, places, (*place, 0)))
    if isinstance(value, list | tuple):
        return [_filled(inner, ids, others, places, (*place, number)) for number, inner in enumerate(value)]
    return value
