"""What the Contact API costs: a lead against a bare route that does the same write; signing in by a password against the hash alone.

Both applications are called in this process, so the caller's share is in both leads. A hash has no caller, so a sign-in is timed where the
application is called, from the request to the end of its answer. The hash is that of production (argon2id, 19 MiB, two passes).
"""

from __future__ import annotations

import statistics
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

import httpx
import uvloop
from fastapi import FastAPI, Request, Response

from onefold.access.passwords import Passwords
from onefold.bootstrap import calm_garbage_collector
from onefold.identity.identifiers import identifier_key
from onefold.messages.codec import encode
from onefold.messages.interactions import InteractionMessage, WireIdentifier, interaction_key
from onefold.messages.topics import INTERACTIONS
from onefold.records import contact_sessions
from onefold.records.outbox import INSERT
from onefold.records.store import name_workspaces
from tests.benchmarks.rig.measuring import bench_installation, cost, figure, report
from tests.support.contact_apis import PASSWORD, contact_api_on

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from onefold.records.store import Store
    from tests.benchmarks.rig.measuring import Figure
    from tests.support.contact_apis import ContactApi

WARM_UP, LEADS, SIGN_INS = 5, 40, 40
AT_ONCE, HASHES = 25, 4
LEAD: Final = {"name": "Ann Lee", "email": "ann@example.com", "channel": "web", "page": {"url": "https://shop.example.com/"}}


def bare(store: Store) -> FastAPI:
    """One route: the same transaction with the same row of the outbox, of what was posted."""
    app = FastAPI()

    @app.post("/leads", status_code=202)
    async def capture(request: Request) -> Response:
        posted: dict[str, Any] = await request.json()
        message = InteractionMessage(
            event_id=str(uuid.uuid4()),
            workspace="acme",
            type="form",
            identifiers=[WireIdentifier("anonymous_token", posted["anonymous_token"]), WireIdentifier("email", posted["email"])],
            traits={"name": posted["name"]},
        )
        async with store.begin() as connection:
            await name_workspaces(connection, ["acme"])
            await connection.execute(INSERT, [0], [INTERACTIONS], [interaction_key(message)], [encode(message)], ["{}"])
        return Response(b"{}", 202, media_type="application/json")

    return app


async def leads(api: ContactApi) -> Figure:
    """Leads a second, one after the other."""
    async with api.client() as ours, httpx.AsyncClient(transport=httpx.ASGITransport(bare(api.store)), base_url="http://bare") as other:
        pairs = [(await _rate(ours), await _rate(other)) for _ in range(WARM_UP + LEADS)]
    return figure("contact-api: capture of a lead", "leads/s", pairs[WARM_UP:], at_least=0.3)


async def _rate(client: httpx.AsyncClient) -> float:
    began = time.perf_counter()
    for _ in range(AT_ONCE):
        answer = await client.post("/leads", json={**LEAD, "anonymous_token": str(uuid.uuid4())})
        assert answer.status_code == 202, answer.text
    return AT_ONCE / (time.perf_counter() - began)


async def sign_ins(api: ContactApi) -> Figure:
    """Milliseconds of a sign-in, and of comparing the same password with the same hash."""
    passwords = api.parts.passwords
    async with api.browser() as browser:
        await browser.sign_in("ann@example.com")
    key = identifier_key("email", "ann@example.com")
    async with api.store.transaction(["acme"]) as connection:
        holder = await contact_sessions.holder_of(connection, "acme", key)
        assert holder is not None
        stored = await passwords.hash(PASSWORD)
        await contact_sessions.set_password(connection, "acme", holder, stored)
    took: list[float] = []

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        await api.app(scope, receive, send)
        took.append((time.perf_counter() - began) * 1_000)

    pairs = []
    async with api.client(app=timed) as client:
        for _ in range(WARM_UP + SIGN_INS):
            # In turn, since a hash leaves nothing in the processor's caches, and is faster after another one.
            alone = [await _sign_in_and_compare(client, passwords, stored) for _ in range(HASHES)]
            pairs.append((statistics.fmean(took[-HASHES:]), statistics.fmean(alone)))
    return cost("contact-api: sign-in by a password, against its hash alone", "ms", pairs[WARM_UP:], times_at_most=1.2)


async def _sign_in_and_compare(client: httpx.AsyncClient, passwords: Passwords, stored: str) -> float:
    """Milliseconds of the comparison."""
    answer = await client.post("/sessions", json={"email": "ann@example.com", "password": PASSWORD, "anonymous_token": "t-a-browser"})
    assert answer.status_code == 200, answer.text
    began = time.perf_counter()
    assert (await passwords.verify(stored, PASSWORD)).holds
    return (time.perf_counter() - began) * 1_000


async def main() -> int:
    """Measure in pairs; the first few warm both up."""
    calm_garbage_collector()
    passwords = Passwords()
    async with bench_installation(partitions=1) as mine, contact_api_on(mine.store, passwords=passwords) as api:
        figures = [await leads(api), await sign_ins(api)]
    passwords.close()
    return report(figures)


if __name__ == "__main__":
    sys.exit(uvloop.run(main()))
