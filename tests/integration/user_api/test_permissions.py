"""The permission matrix against the routes: every route, as every role (S75, S76, S78)."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from onefold.access import matrix
from onefold.access.matrix import ACTIONS, MATRIX, Scope
from onefold.http.user_api.app import routes
from onefold.http.user_api.door import READS

if TYPE_CHECKING:
    import httpx

    from tests.support.apis import Api

ENDLESS = {"/api/v1/log/stream"}


async def call(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response | None:
    """A call with ids of nothing and a body that says nothing: None where it was let in and goes on for ever."""
    url = re.sub(r"\{[^}]+\}", lambda _: str(uuid4()), path.removeprefix("/api/v1"))
    try:
        async with asyncio.timeout(0.5 if path in ENDLESS else 30):
            return await client.request(method, url, headers={"if-match": "*"}, json={} if method not in READS else None)
    except TimeoutError:
        return None


@pytest.mark.asyncio
@pytest.mark.parametrize("role", list(MATRIX))
async def test_s76_every_route_lets_in_whom_its_cell_of_the_matrix_says(api: Api, role: str) -> None:
    """S75, S76: whoever has no cell is 403, before anything of their call is read; whoever has one is not."""
    async with api.as_role(role) as client:
        await api.user("super_admin")
        for method, path, route in routes():
            if route.declared.resource is None:
                continue
            scope = matrix.scope([role], route.declared.resource, route.declared.action)
            answer = await call(client, method, path)
            is_refused = answer is not None and answer.status_code == 403 and answer.json()["code"] == "not_allowed"
            if (method, path) == ("PUT", "/api/v1/me/password"):
                continue  # a key changes no password, whosever it is
            assert is_refused == (scope is Scope.NOTHING), f"{role} {method} {path}: {answer.text if answer is not None else 'goes on'}"


@pytest.mark.asyncio
async def test_every_route_needs_a_credential_but_those_that_sign_in_and_reset(api: Api) -> None:
    """S75: and without one it says nothing of what it would do."""
    async with api.client() as nobody:
        for method, path, route in routes():
            if route.declared.resource is not None:
                answer = await call(nobody, method, path)
                assert answer is not None
                assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), f"{method} {path}"
    open_ones = [(method, path) for method, path, route in routes() if route.declared.resource is None]
    assert open_ones == [
        ("POST", "/api/v1/session"),
        ("POST", "/api/v1/sign-in-links"),
        ("POST", "/api/v1/session/link"),
        ("POST", "/api/v1/password-resets"),
        ("POST", "/api/v1/password-resets/confirm"),
    ]


def test_every_route_names_a_cell_that_there_is() -> None:
    for method, path, route in routes():
        if route.declared.resource is not None:
            assert route.declared.action in ACTIONS[route.declared.resource], f"{method} {path}"


def test_s76_the_matrix_says_what_product_section_9_says() -> None:
    """S76, product.md 9: cells that the product names, one by one, whatever the tables are made of."""

    def may(role: str, resource: str, action: str) -> Scope:
        return matrix.scope([role], resource, action)

    for resource, actions in ACTIONS.items():
        for action in actions:
            assert may("super_admin", resource, action) is Scope.EVERYTHING
            assert may("nobody", resource, action) is Scope.NOTHING
            if action != "read" and resource != "account":
                assert may("coach", resource, action) is Scope.NOTHING, "a Coach reads only"
    for action in ("create", "update", "archive"):
        assert may("master", "users", action) is Scope.NOTHING, "everything but users"
    for resource, action in (
        ("catalog", "update"),
        ("cleanup", "update"),
        ("validation", "update"),
        ("contacts", "erase"),
        ("contacts", "export"),
    ):
        assert may("master", resource, action) is Scope.EVERYTHING
        assert may("service_account", resource, action) is Scope.NOTHING
    for action in ("update", "archive", "destroy", "merge"):
        assert may("journey_manager", "contacts", action) is Scope.OWNED
    assert may("journey_manager", "contacts", "read") is Scope.FOLLOWED
    assert matrix.scope(["coach", "journey_manager"], "contacts", "read") is Scope.EVERYTHING, "the widest of several roles"


def test_s78_a_field_that_one_role_may_not_write_another_of_the_same_user_may() -> None:
    """S78: what none of the roles may write is refused."""
    assert matrix.unwritable(["journey_manager"], "contacts") == {"is_vendor", "owners"}
    assert matrix.unwritable(["journey_manager", "master"], "contacts") == set()
