"""The User API as a FastAPI application: its routes, its document, and what happens to calls that meet none."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from onefold.errors import ConfigurationError
from onefold.http.problems import HARMLESS, NOT_FOUND, problem
from onefold.http.user_api import (
    activities,
    bulk,
    classification,
    cleanup,
    contact_identifiers,
    contact_identity,
    contact_issuers,
    contact_person,
    contacts,
    definitions,
    document_seeds,
    documents,
    imports,
    issuers,
    jobs,
    keys,
    log,
    organizations,
    password_resets,
    resolution,
    seeds,
    segments,
    session,
    users,
    validation,
    webhooks,
)
from onefold.http.user_api.door import PROBLEM_SCHEMA, DoorRoute, Parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import Request, Response

PREFIX = "/api/v1"
TITLE, VERSION = "Onefold User API", "1"
ROUTERS = (
    session.router,
    password_resets.router,
    users.router,
    keys.router,
    issuers.router,
    contact_issuers.router,
    log.router,
    seeds.router,
    *definitions.routers,
    classification.router,
    contact_identity.router,
    contact_person.router,
    contacts.router,
    contact_identifiers.router,
    segments.router,
    resolution.router,
    cleanup.router,
    validation.router,
    organizations.router,
    jobs.router,
    imports.router,
    bulk.router,
    document_seeds.router,
    documents.router,
    activities.router,
    webhooks.router,
)


def make_app(parts: Parts) -> FastAPI:
    """The application. Raises ConfigurationError where a route declares no permission (S75)."""
    app = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    _include(app)
    undeclared = [route for router in ROUTERS for route in router.routes if not isinstance(route, DoorRoute)]
    if undeclared:
        raise ConfigurationError(f"these routes declare no permission: {undeclared} (S75)")
    app.add_exception_handler(HTTPException, _of_http)
    app.add_api_route(f"{PREFIX}/openapi.json", _serving(document()), include_in_schema=False)
    return app


def routes() -> Iterator[tuple[str, str, DoorRoute]]:
    """Every method and path of the API, with its route."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, DoorRoute):
                yield from ((method, f"{PREFIX}{route.path}", route) for method in sorted(route.methods or ()))


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all routes. It takes seconds to make, and is the same for every application."""
    app = FastAPI(title=TITLE, version=VERSION)
    _include(app)
    found = get_openapi(title=TITLE, version=VERSION, openapi_version="3.1.0", routes=app.routes, description=__doc__)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["securitySchemes"] = {
        "service_key": {"type": "http", "scheme": "bearer", "description": "A service key: of_srv_…"},
        "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Of a trusted OpenID issuer."},
        "session": {"type": "apiKey", "in": "cookie", "name": "__Host-onefold"},
    }
    found["security"] = [{"service_key": []}, {"access_token": []}, {"session": []}]
    return found


def _include(app: FastAPI) -> None:
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)


def _serving(found: dict[str, Any]) -> Any:
    async def serve() -> Response:
        return JSONResponse(found, headers=dict(HARMLESS))

    return serve


def _methods(path: str) -> list[str]:
    """The methods of every route of a path; Starlette's own answer knows those of the first."""
    return sorted({method for method, _, route in routes() if route.path_regex.fullmatch(path.removeprefix(PREFIX))})


async def _of_http(request: Request, error: Exception) -> Response:
    """No such path, or not by this method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    code, detail = {405: ("wrong_method", "This path does not take this method.")}.get(status, ("not_found", NOT_FOUND))
    headers = {"allow": ", ".join(_methods(request.url.path))} if status == 405 else None  # noqa: PLR2004
    return problem(status if status == 405 else 404, code, detail, uuid.uuid4().hex, headers)  # noqa: PLR2004
