"""What happens to every call of the Contact API, in this order: whose site calls, is there room, who is signed in, one transaction, commit.

The site shows its public write key in `api-key`; which pages and addresses may, the key says. A session is a bearer token in
`authorization`, so that no cookie authenticates anybody, and a page of another site can do nothing in a visitor's name. Cookies travel
only to recognise the browser that asked for a code (S9), and an answer can be read only by pages that the key admits.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from onefold.access.attempts import block
from onefold.access.caller import NotSignedIn
from onefold.access.keys import looks_secret
from onefold.access.places import Place
from onefold.errors import ConfigurationError, PermanentError, Refused
from onefold.http.callers import origin_of
from onefold.http.json_bodies import read_json
from onefold.http.problems import HARMLESS, Answered, documented, problem_of
from onefold.http.rates import Rates
from onefold.records.store import UNSTORABLE
from onefold.visitors import sessions
from onefold.visitors.capture import Visit
from onefold.visitors.sessions import Lives

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from onefold.access.id_tokens import IdTokens
    from onefold.access.keys import WriteKey
    from onefold.access.passwords import Passwords
    from onefold.http.callers import Network
    from onefold.records.log import Origin
    from onefold.records.rules import RulesCache
    from onefold.records.store import Connection, Store
    from onefold.visitors.challenges import Challenges
    from onefold.visitors.sessions import Visitor
    from onefold.visitors.telling import Teller
    from onefold.visitors.unsubscribing import UnsubscribeLinks

    Result = TypeVar("Result")
    Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

KEY: Final = "api-key"
MOST_BYTES: Final = 100_000
READS: Final = frozenset({"GET", "HEAD"})
_DECLARED: Final = "_onefold_declared"
_PREFLIGHT_SECONDS: Final = 600
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


BROWSER: Final = "onefold-browser"
"""Header, and with `_` cookie, in which a browser shows the secret by which it is known (S9)."""
COOKIE: Final = BROWSER.replace("-", "_")
_COOKIE_SECONDS: Final = 365 * 86_400


class Declared(NamedTuple):
    """How a route works."""

    is_one_transaction: bool = True
    is_signed_in: bool = False


def in_one_transaction(endpoint: Endpoint) -> Endpoint:
    """Say that a route is one transaction, which is repeated where an event was faster."""
    setattr(endpoint, _DECLARED, Declared())
    return endpoint


def signed_in(endpoint: Endpoint) -> Endpoint:
    """Say that a route is one transaction of somebody who is signed in."""
    setattr(endpoint, _DECLARED, Declared(is_signed_in=True))
    return endpoint


def in_its_own(endpoint: Endpoint) -> Endpoint:
    """Say that a route works in transactions of its own: where a guess is counted whatever follows, or a password is hashed."""
    setattr(endpoint, _DECLARED, Declared(is_one_transaction=False))
    return endpoint


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one process takes (S32)."""

    per_key: Rates = field(default_factory=lambda: Rates(None, 1))
    per_place: Rates = field(default_factory=lambda: Rates(None, 1))
    overall: Rates = field(default_factory=lambda: Rates(None, 1))

    def wait(self, key: WriteKey, address: str | None) -> float | None:
        """How long until there is room; None where there is."""
        asked = ((self.overall, "all"), (self.per_key, key.key_id), (self.per_place, block(address)))
        return next((wait for rates, name in asked if (wait := rates.take(name)) is not None), None)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the door works with; at `app.state.parts`."""

    store: Store
    shards: int
    verify: Callable[[str], Awaitable[WriteKey | None]]
    """`KeyRing.verify`."""
    teller: Teller
    passwords: Passwords
    rules: RulesCache
    """By which a sign-in knows what an address is called, without asking each time."""
    id_tokens: IdTokens
    """Of providers by which contacts sign in."""
    challenges: Challenges | None = None
    """None where the settings have no secret for them: nobody can prove an address."""
    unsubscribing: UnsubscribeLinks | None = None
    """None without that secret, too."""
    lives: Lives = field(default_factory=Lives)
    public_url: str = "http://127.0.0.1:8082"
    """Origin of the pages that links in messages lead to (S13)."""
    limits: Limits = field(default_factory=Limits)
    trusted_proxies: Sequence[Network] = ()
    failed: Callable[[Exception, str], None] = lambda _error, _request_id: None
    """Told of what is not the caller's fault, with the request's id."""
    answered: Callable[[str, int, float], None] = lambda _route, _status, _seconds: None
    """Told of every answer: the route's template, its status, how long it took."""


@dataclass(slots=True)
class Call:
    """One call, as its route sees it."""

    parts: Parts
    origin: Origin
    page: str | None
    """The page that calls, as its browser says."""
    language: str | None
    browser: str | None = None
    """The secret of the browser, as it shows it."""
    bearer: str | None = None
    """The session's token, as it shows it."""
    _key: WriteKey | None = None
    _connection: Connection | None = None
    _visitor: Visitor | None = None
    _new_browser: str | None = None

    @property
    def workspace(self) -> str:
        """The site's."""
        if self._key is None:
            raise ConfigurationError("this call has shown no key yet")
        return self._key.workspace

    @property
    def visitor(self) -> Visitor:
        """Who is signed in."""
        if self._visitor is None:
            raise ConfigurationError("this route does not demand a session")
        return self._visitor

    @property
    def challenges(self) -> Challenges:
        """Raises Answered where this installation proves no addresses."""
        if self.parts.challenges is None:
            told = "No address can be proved here: whoever runs this service sets ONEFOLD_VALIDATION__SECRET."
            raise Answered(503, "validation_off", told)
        return self.parts.challenges

    @property
    def site(self) -> str | None:
        """Origin of the page that calls, where its key says from which pages it may be used: only there may links lead back (S73)."""
        return self.page if self._key is not None and self._key.places.urls and self.page and _is_origin(self.page) else None

    async def demand_session(self, connection: Connection) -> Visitor:
        """Who is signed in. Raises NotSignedIn."""
        if self.bearer is None:
            raise NotSignedIn("sign in, and send the session's token: Authorization: Bearer of_ses_…")
        return await sessions.enter(connection, self.workspace, self.bearer, self.parts.lives)

    async def transact(self, work: Callable[[Connection], Awaitable[Result]], *, keeps_plans: bool = False) -> Result:
        """Do this in one transaction, anew where an event was faster. `keeps_plans`: as `Store.transaction` has it."""
        try:
            return await self.parts.store.repeated([self.workspace], work, keeps_plans=keeps_plans)
        except UNSTORABLE as error:
            told = "A value holds what cannot be stored or compared, such as a NUL or a time without a zone."
            raise Answered(422, "unstorable", told) from error

    def know_browser(self, secret: str) -> None:
        """Let the browser keep its secret."""
        self._new_browser = secret

    def visit(self) -> Visit:
        """Where somebody is who told no token: theirs is not known, and none is made for them."""
        return Visit(self.workspace, None, self.origin)

    @property
    def connection(self) -> Connection:
        """The transaction of this call."""
        if self._connection is None:
            raise ConfigurationError("this route works in transactions of its own")
        return self._connection


async def _call(request: Request) -> Call:
    found: Call = request.state.call
    return found


Calling = Annotated[Call, Depends(_call)]
"""How a route asks for its call."""


class DoorRoute(APIRoute):
    """A route of the Contact API."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = getattr(endpoint, _DECLARED, None)
        if not isinstance(declared, Declared):
            raise ConfigurationError(f"the route {path} does not say how it works: put @in_one_transaction on {endpoint.__name__}")
        is_write = not set(options.get("methods") or {"GET"}) <= READS
        options["responses"] = {**documented(is_write=is_write), **(options.get("responses") or {})}
        self.declared = declared
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's own handler, inside ours."""
        handler, declared = super().get_route_handler(), self.declared
        takes = frozenset(each.alias for each in self.dependant.query_params)

        async def answer(request: Request) -> Response:
            parts: Parts = request.app.state.parts
            request_id = uuid.uuid4().hex
            page = request.headers.get("origin") or request.headers.get("referer")
            call = Call(
                parts,
                origin_of(request, parts.trusted_proxies, request_id),
                page,
                language_of(request),
                request.headers.get(BROWSER) or request.cookies.get(COOKIE),
                _bearer(request),
            )
            request.state.call = call
            began = time.perf_counter()
            response = await _answered(request, call, handler, declared, takes)
            parts.answered(self.path_format, response.status_code, time.perf_counter() - began)
            return _readable(response, request, call)

        return answer


async def _answered(request: Request, call: Call, handler: Handler, declared: Declared, takes: frozenset[str]) -> Response:
    """The envelope of this door: whatever happens, an answer of ours."""
    request_id = str(call.origin.request_id)
    try:
        call._key = await _site(request, call, takes)  # noqa: SLF001 -- the door makes it
        if request.method not in READS:
            await read_json(request, MOST_BYTES)
        if not declared.is_one_transaction:
            return await handler(request)

        async def work(connection: Connection) -> Response:
            call._connection = connection  # noqa: SLF001 -- the door makes it
            if declared.is_signed_in:
                call._visitor = await call.demand_session(connection)  # noqa: SLF001 -- the same
            return await handler(request)

        return await call.transact(work)
    except (Refused, PermanentError, RequestValidationError, Answered) as error:
        return problem_of(error, request_id)
    except Exception as error:  # noqa: BLE001
        call.parts.failed(error, request_id)
        return problem_of(error, request_id)


async def _site(request: Request, call: Call, takes: frozenset[str]) -> WriteKey:
    """Whose site calls. Raises Answered."""
    if not takes.issuperset(request.query_params):
        told = f"it takes {', '.join(sorted(takes))}" if takes else "it takes none; what a call says is in its body"
        raise Answered(422, "unknown_parameter", f"This address does not take such a parameter: {told}.")
    text = request.headers.get(KEY)
    if not text:
        raise Answered(401, "missing_key", "Send the site's public write key in the header api-key: of_pub_…")
    if looks_secret(text):
        told = "This is a secret or service key, and pages are no place for it: replace it, and send the public write key (of_pub_…)."
        raise Answered(401, "secret_key", told)
    key = await call.parts.verify(text)
    if key is None or key.secret:
        raise Answered(401, "unknown_key", "This write key is not known, or was revoked. `onefold keys list` shows those that are live.")
    if not key.places.admits(Place(call.origin.address, call.page)):
        raise Answered(403, "wrong_place", "This key may not be used from this page or address; administrators say from where it may.")
    wait = call.parts.limits.wait(key, call.origin.address)
    if wait is not None:
        raise Answered(429, "rate_limited", "Too many calls. Wait, and try again.", {"retry-after": str(max(1, round(wait)))})
    return key


def preflight(request: Request) -> Response:
    """The same for every page: whether its calls are answered, its key says."""
    headers = {
        "access-control-allow-origin": request.headers.get("origin", "*"),
        "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
        "access-control-allow-headers": f"{KEY}, {BROWSER}, authorization, content-type, accept-language",
        "access-control-allow-credentials": "true",
        "access-control-max-age": str(_PREFLIGHT_SECONDS),
        "vary": "origin",
    }
    return Response(status_code=204, headers=headers)


def _readable(response: Response, request: Request, call: Call) -> Response:
    """The answer with the headers that all have, readable by the page that called where its key admits it, and for errors of the key."""
    headers = response.headers
    headers.setdefault("cache-control", "no-store")
    headers.update(HARMLESS)
    headers["x-request-id"] = str(call.origin.request_id)
    headers["vary"] = "origin"
    if call._new_browser is not None:  # noqa: SLF001
        is_secure = call.parts.public_url.startswith("https:")
        # Pages of other sites ask, so the cookie travels with their calls; it opens nothing by itself.
        response.set_cookie(
            COOKIE,
            call._new_browser,  # noqa: SLF001
            _COOKIE_SECONDS,
            httponly=True,
            secure=is_secure,
            samesite="none" if is_secure else "lax",
        )
    origin = request.headers.get("origin")
    if origin is not None and (call._key is not None or response.status_code in {401, 403}):  # noqa: SLF001
        headers["access-control-allow-origin"] = origin
        headers["access-control-allow-credentials"] = "true"
        headers["access-control-expose-headers"] = "retry-after, x-request-id"
    return response


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _is_origin(page: str) -> bool:
    return _ORIGIN.fullmatch(page) is not None


def language_of(request: Request) -> str | None:
    """The first that the browser names."""
    first = request.headers.get("accept-language", "").split(",")[0].partition(";")[0].strip()
    return first if first.replace("-", "").isalnum() and first.isascii() and first != "*" else None
