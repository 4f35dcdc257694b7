"""The User API as its own process: set up from the command line, signed in to, asked, stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from onefold.local.ports import pick
from tests.support.apis import cookie_of
from tests.support.installations import installation

if TYPE_CHECKING:
    from tests.support.servers import Database, Services

PASSWORD = "purple mill under seven rivers"


@pytest.mark.asyncio
async def test_a_new_admin_signs_in_chooses_a_password_and_makes_a_key_that_works(
    services: Services, database: Database, topic_prefix: str, redis_url: str
) -> None:
    """Product.md, section 9: `onefold setup` makes the Super Admin; everything after that is done through the API."""
    async with installation(services, database, topic_prefix, redis_url, partitions=1) as mine:
        code, said = await mine.command("users", "add", "--email", "ann@example.com", "--role", "super_admin", "--json")
        assert code == 0
        first = json.loads(said)
        port = pick(set())
        async with (
            mine.running("user-api", ONEFOLD_USER_API__PORT=str(port)),
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1") as client,
        ):
            named = {"workspace": "acme", "email": "ann@example.com"}
            begun = await client.post("/session", json={**named, "password": first["password"]})
            assert begun.status_code == 201, begun.text
            client.headers["cookie"] = f"__Host-onefold={cookie_of(begun)}"
            assert (await client.get("/users")).json()["code"] == "password_change_needed"
            assert (await client.put("/me/password", json={"present": first["password"], "wanted": PASSWORD})).status_code == 204
            account = (await client.post("/users", json={"email": "nightly@example.com", "roles": ["service_account"]})).json()
            body = {"kind": "service", "title": "nightly", "user_id": account["user_id"]}
            secret = (await client.post("/keys", json=body)).json()["secret"]
            machine = await client.get("/me", headers={"authorization": f"Bearer {secret}", "cookie": ""})
            assert machine.json()["user"]["email"] == "nightly@example.com"
            document = (await client.get("/openapi.json")).json()
            assert document["openapi"].startswith("3.1")
            assert "/api/v1/users" in document["paths"]
        code, said = await mine.command("audit", "verify", "--json")
        assert (code, json.loads(said)["breaks"]) == (0, [])
        code, said = await mine.command("users", "reset", "ann@example.com", "--json")
        assert (code, json.loads(said)["email"]) == (0, "ann@example.com")
