"""Pages that links in messages lead to, and what their buttons call: open a link, bring its code, get no more messages (S10 to S13, S73).

No key of a site is needed here, since a message names its workspace. A page changes nothing when it is opened; only its own pages may POST.
"""

from __future__ import annotations

import tomllib
import uuid
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgspec
from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from onefold.access.attempts import block
from onefold.errors import OnefoldError
from onefold.http.callers import origin_of
from onefold.http.contact_api.door import COOKIE, language_of
from onefold.http.json_bodies import read_json
from onefold.http.problems import Answered, problem_of
from onefold.outreach.rendering import spoken
from onefold.visitors import links, unsubscribing
from onefold.visitors.links import CodeNeeded, Opened, Reader

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI

    from onefold.http.contact_api.door import Parts
    from onefold.records.log import Origin
    from onefold.visitors.challenges import Challenges
    from onefold.visitors.unsubscribing import UnsubscribeLinks

_MOST_BYTES: Final = 4_000
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'"
)
HEADERS: Final = {
    "content-security-policy": _POLICY,
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
}
_ASSETS: Final = {"pages.css": "text/css; charset=utf-8", "link.js": "text/javascript; charset=utf-8"}
_OFF: Final = "No link works here: whoever runs this service sets ONEFOLD_VALIDATION__SECRET."
_PACKAGE: Final = "onefold.http.contact_api.pages"


class LinkBrought(msgspec.Struct, forbid_unknown_fields=True):
    """What a link ends with, and its code where that is asked for."""

    token: str
    code: str | None = None


def add_to(app: FastAPI) -> None:
    """Serve the pages beside the API."""
    app.add_api_route("/link", _link_page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/link/open", _open, methods=["POST"], include_in_schema=False)
    app.add_api_route("/link/confirm", _confirm, methods=["POST"], include_in_schema=False)
    app.add_api_route("/unsubscribe/{token}", _unsubscribe_page, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/unsubscribe/{token}", _unsubscribe, methods=["POST"], include_in_schema=False)
    for name in _ASSETS:
        app.add_api_route(f"/{name}", _asset, methods=["GET", "HEAD"], include_in_schema=False)


async def _link_page(request: Request) -> Response:
    return _page(request, "link")


async def _unsubscribe_page(request: Request) -> Response:
    return _page(request, "unsubscribe", is_done=False)


async def _asset(request: Request) -> Response:
    name = request.url.path[1:]
    return Response(_read(name), media_type=_ASSETS[name], headers=HEADERS)


async def _open(request: Request) -> Response:
    async def work(parts: Parts, brought: LinkBrought, reader: Reader) -> Opened | CodeNeeded:
        return await links.open_link(parts.store, _challenges(parts), brought.token, reader)

    return await _brought(request, work)


async def _confirm(request: Request) -> Response:
    async def work(parts: Parts, brought: LinkBrought, reader: Reader) -> Opened:
        return await links.confirm_link(parts.store, _challenges(parts), brought.token, brought.code or "", reader)

    return await _brought(request, work)


async def _brought(request: Request, work: Callable[[Parts, LinkBrought, Reader], Awaitable[Opened | CodeNeeded]]) -> Response:
    """What a button of the page sends: from this page only, and as JSON."""

    async def answer(parts: Parts, origin: Origin) -> Response:
        await read_json(request, _MOST_BYTES)
        try:
            brought = msgspec.json.decode(await request.body(), type=LinkBrought)
        except msgspec.DecodeError as error:
            raise Answered(422, "invalid", "A link and perhaps its code are expected.") from error
        reader = Reader(parts.teller, parts.lives, parts.public_url, request.cookies.get(COOKIE), origin)
        found = await work(parts, brought, reader)
        return Response(msgspec.json.encode(_told(found)), media_type="application/json", headers=HEADERS)

    return await _answered(request, answer, from_own_page=True)


async def _answered(request: Request, answer: Callable[[Parts, Origin], Awaitable[Response]], *, from_own_page: bool = False) -> Response:
    """The envelope of what pages of links call: not too often from one place; whatever happens, an answer of ours."""
    parts: Parts = request.app.state.parts
    request_id = uuid.uuid4().hex
    origin = origin_of(request, parts.trusted_proxies, request_id)
    try:
        if from_own_page:
            _demand_own_page(request, parts)
        _demand_room(parts, origin.address)
        return await answer(parts, origin)
    except OnefoldError as error:
        return problem_of(error, request_id)
    except Exception as error:  # noqa: BLE001
        parts.failed(error, request_id)
        return problem_of(error, request_id)


def _told(found: Opened | CodeNeeded) -> dict[str, Any]:
    if isinstance(found, CodeNeeded):
        return {"state": "code_needed", "service": found.service, "purpose": found.purpose}
    return {"state": "confirmed", "purpose": found.purpose, "redirect_url": found.redirect_url}


async def _unsubscribe(request: Request) -> Response:
    """By the button of the page, and by mail programs that have one (RFC 8058): no cookie is looked at, and nothing else is done."""

    async def answer(parts: Parts, origin: Origin) -> Response:
        await unsubscribing.unsubscribe(parts.store, _unsubscribing(parts), request.path_params["token"], origin, parts.teller)
        return _page(request, "unsubscribe", is_done=True)

    return await _answered(request, answer)


def _challenges(parts: Parts) -> Challenges:
    if parts.challenges is None:
        raise Answered(503, "validation_off", _OFF)
    return parts.challenges


def _unsubscribing(parts: Parts) -> UnsubscribeLinks:
    if parts.unsubscribing is None:
        raise Answered(503, "validation_off", _OFF)
    return parts.unsubscribing


def _demand_own_page(request: Request, parts: Parts) -> None:
    """Raises Answered for what another site's page sends (S66)."""
    site = request.headers.get("sec-fetch-site")
    is_own = site == "same-origin" if site is not None else request.headers.get("origin") == parts.public_url
    if not is_own:
        raise Answered(403, "wrong_place", "Only the page that a link leads to may call this.")


def _demand_room(parts: Parts, address: str | None) -> None:
    """Raises Answered where too much came from one place (S32)."""
    wait = parts.limits.per_place.take(block(address))
    if wait is not None:
        raise Answered(429, "rate_limited", "Too many calls. Wait, and try again.", {"retry-after": str(max(1, round(wait)))})


def _page(request: Request, name: str, **more: Any) -> Response:
    language = spoken(language_of(request) or "en")
    html = _environment().get_template(f"{name}.html.jinja").render(language=language, words=_words()[language][name], **more)
    return Response(
        html, media_type="text/html; charset=utf-8", headers={**HEADERS, "content-language": language, "vary": "accept-language"}
    )


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader(_PACKAGE, ""), autoescape=True, undefined=StrictUndefined)


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(_read("words.toml"))


@cache
def _read(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")
