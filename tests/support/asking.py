"""A collector without sockets: a request goes straight into the application, and gives its answer and what lies on the topic then."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from onefold.access.identity_tokens import Verifier
from onefold.access.keys import PREFIXES, WriteKey
from onefold.errors import StoreUnavailable
from onefold.http.collector.app import Collector
from onefold.http.collector.meters import Meters
from onefold.http.collector.options import Options
from onefold.observe import CollectorMetrics, Metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onefold.access.identity_keys import IdentityKey
    from onefold.access.identity_tokens import Find

PUBLIC, SECRET, STRICT, UNKNOWN = (
    PREFIXES[kind] + digit * 43 for kind, digit in (("public", "a"), ("secret", "b"), ("public", "c"), ("public", "d"))
)
"""The same in every process: workers of a test run collect cases by name, and names have these in them."""
KEYS = {
    PUBLIC: WriteKey(uuid.UUID(int=1), "acme", secret=False),
    SECRET: WriteKey(uuid.UUID(int=2), "acme", secret=True),
    STRICT: WriteKey(uuid.UUID(int=3), "acme", secret=False, requires_identity=True),
}
METERS = Meters(CollectorMetrics(Metrics()), structlog.get_logger())
EVENT = {"anonymousId": "a", "event": "x", "type": "track", "messageId": "m1"}


async def no_keys(_workspace: str, _key_id: uuid.UUID) -> IdentityKey | None:
    """The identity keys of a workspace that has none."""
    return None


class Reply(NamedTuple):
    """An answer, and what lies on the topic then."""

    status: int
    headers: dict[str, str]
    body: Any
    records: list[tuple[bytes, Any]]


async def ask(
    path: str,
    body: object = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    query: str = "",
    key: str | None = PUBLIC,
    options: Options | None = None,
    failing: Exception | None = None,
    deaf: bool = False,
    chunk: int = 65_536,
    find: Find = no_keys,
) -> Reply:
    """One request to a fresh collector. `failing` is what producing raises; `find` knows the identity keys; `deaf` says that the store does not answer."""
    records: list[tuple[bytes, Any]] = []

    async def verify(text: str) -> WriteKey | None:
        if deaf:
            raise StoreUnavailable("no answer")
        return KEYS.get(text)

    async def produce(batch: Sequence[tuple[bytes, bytes]]) -> None:
        if failing is not None:
            raise failing
        records.extend((key, json.loads(value)) for key, value in batch)

    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    if key is not None:
        given.append((b"authorization", b"Basic " + base64.b64encode(f"{key}:".encode())))
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)] or [b""]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": given,
        "client": ("203.0.113.7", 1),
        "scheme": "https",
    }
    await Collector(verify, Verifier(find).verify, produce, options or Options(), METERS)(scope, receive, send)
    start, content = sent
    return Reply(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        json.loads(content["body"]) if content["body"] else None,
        records,
    )


def refused_well(reply: Reply, status: int, code: str) -> None:
    """Every error body has what an SDK before 2.4 needs to drop a 400 instead of sending it for hours."""
    assert (reply.status, reply.body["code"]) == (status, code)
    assert set(reply.body) >= {"code", "message", "request_id"}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert reply.records == []
