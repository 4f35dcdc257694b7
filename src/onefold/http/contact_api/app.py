"""The Contact API as a FastAPI application: its routes, its document, and what happens to calls that meet none."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from onefold.errors import ConfigurationError
from onefold.http.contact_api import capture, leads, link_pages, me, sessions, validations, widget
from onefold.http.contact_api.door import DoorRoute, Parts, preflight
from onefold.http.problems import HARMLESS, NOT_FOUND, Problem, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import Request, Response

PREFIX = "/contact/v1"
TITLE, VERSION = "Onefold Contact API", "1"
ROUTERS = (leads.router, capture.router, validations.router, sessions.router, me.router)


def make_app(parts: Parts) -> FastAPI:
    """The application. Raises ConfigurationError where a route does not say how it works."""
    app = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    for router in ROUTERS:
        if not all(isinstance(route, DoorRoute) for route in router.routes):
            raise ConfigurationError("a route of the Contact API does not go through its door")
        app.include_router(router, prefix=PREFIX)
    link_pages.add_to(app)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_api_route(f"{PREFIX}/openapi.json", _document, include_in_schema=False)
    for path in (widget.PLAIN_PATH, widget.HASHED_PATH):
        app.add_api_route(path, widget.serve, methods=["GET", "HEAD"], include_in_schema=False)
    return app


def routes() -> Iterator[tuple[str, str, DoorRoute]]:
    """Every method and path of the API, with its route."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, DoorRoute):
                yield from ((method, f"{PREFIX}{route.path}", route) for method in sorted(route.methods or ()))


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    app = FastAPI(title=TITLE, version=VERSION)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    found = get_openapi(title=TITLE, version=VERSION, openapi_version="3.1.0", routes=app.routes, description=__doc__)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "api-key", "description": "A public write key: of_pub_…"},
        "session": {"type": "http", "scheme": "bearer", "description": "Of whoever proved an address: of_ses_…"},
    }
    found["security"] = [{"key": []}]
    return found


async def _document() -> Response:
    return JSONResponse(document(), headers=dict(HARMLESS))


async def _of_http(request: Request, error: Exception) -> Response:
    """A browser's question before a call of another origin; else no such path, or not by this method."""
    if request.method == "OPTIONS":
        return preflight(request)
    if isinstance(error, HTTPException) and error.status_code == 405:  # noqa: PLR2004
        methods = {method for method, _, route in routes() if route.path_regex.fullmatch(request.url.path.removeprefix(PREFIX))}
        return problem(405, "wrong_method", "This path does not take this method.", uuid.uuid4().hex, {"allow": ", ".join(sorted(methods))})
    return problem(404, "not_found", NOT_FOUND, uuid.uuid4().hex)
