"""What happens to every call of the User API, in this order: who calls, may they, was it answered before, one transaction, the log, commit.

A route declares what it needs with `@allowed(resource, action)`; one that declares nothing does not start (S75). The answer is made inside
the transaction and sent after its commit, so what a caller is told has happened.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from onefold.access import sessions
from onefold.access.caller import NotSignedIn
from onefold.access.oidc import looks_like_token
from onefold.contacts.acting import User
from onefold.errors import ConfigurationError, PermanentError, Refused
from onefold.http.callers import origin_of
from onefold.http.json_bodies import read_json
from onefold.http.problems import HARMLESS, Answered, Problem, documented, problem_of
from onefold.records import idempotency, log
from onefold.records.numbers import TenureNumbers
from onefold.records.store import RACES, UNSTORABLE, Moved
from onefold.workspace.webhook_secrets import SigningSecrets
from onefold.workspace.webhooks import Rules as WebhookRules

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from onefold.access.caller import Caller
    from onefold.access.matrix import Scope
    from onefold.access.oidc import AccessTokens, Subject
    from onefold.access.passwords import Passwords
    from onefold.access.sessions import Lives
    from onefold.http.callers import Network
    from onefold.records.store import Connection, Store
    from onefold.records.visibility import Sight, Visible
    from onefold.visitors.unsubscribing import UnsubscribeLinks

    Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
    Handler = Callable[[Request], Coroutine[Any, Any, Response]]

COOKIE: Final = "__Host-onefold"
READS: Final = frozenset({"GET", "HEAD"})
ATTEMPTS: Final = 5
_DECLARED: Final = "_onefold_declared"
_NEVER_KEPT: Final = frozenset({"set-cookie"})


class Declared(NamedTuple):
    """What a route needs."""

    resource: str | None
    """None: open to everybody, signed in or not."""
    action: str = ""
    takes_stream: bool = False
    """Reads its body itself, however long it is."""
    is_one_transaction: bool = True


def allowed(resource: str, action: str) -> Callable[[Endpoint], Endpoint]:
    """Say what a caller needs for this route: a cell of the permission matrix."""
    return _declare(Declared(resource, action))


def lasting(resource: str, action: str, *, takes_stream: bool = False) -> Callable[[Endpoint], Endpoint]:
    """The same, for a route that takes long: it works in transactions of its own (`Work.store`), and keeps no answers."""
    return _declare(Declared(resource, action, takes_stream, is_one_transaction=False))


def open_to_everybody(endpoint: Endpoint) -> Endpoint:
    """Say that this route needs no credential. It works in transactions of its own."""
    return _declare(Declared(None, is_one_transaction=False))(endpoint)


def _declare(declared: Declared) -> Callable[[Endpoint], Endpoint]:
    def note(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _DECLARED, declared)
        return endpoint

    return note


@dataclass(frozen=True, slots=True)
class Parts:
    """What the door works with; at `app.state.parts`."""

    store: Store
    shards: int
    passwords: Passwords
    lives: Lives
    tokens: AccessTokens
    trusted_proxies: Sequence[Network] = ()
    origins: Sequence[str] = ()
    """Origins of pages that may call with a cookie, besides our own."""
    failed: Callable[[Exception, str], None] = lambda _error, _request_id: None
    """Told of what is not the caller's fault, with the request's id."""
    answered: Callable[[str, int, float], None] = lambda _route, _status, _seconds: None
    """Told of every answer: the route's template, its status, how long it took."""
    links_url: str = "http://127.0.0.1:8081"
    """Origin of the pages that links in messages lead to: from settings, never from a call (S13)."""
    numbers: TenureNumbers = field(default_factory=TenureNumbers)
    """Of new tenures."""
    unsubscribing: UnsubscribeLinks | None = None
    """None where the settings have no secret for links."""
    webhooks: WebhookRules = field(default_factory=lambda: WebhookRules(SigningSecrets({})))
    """What the installation says of webhooks."""


@dataclass(slots=True)
class Work:
    """One call, as its route sees it."""

    parts: Parts
    origin: log.Origin
    declared: Declared
    _caller: Caller | None = None
    _connection: Connection | None = None
    _subject: Subject | None = None
    """Whom the call's access token names, verified."""
    if_match: int | None = None
    has_if_match: bool = False
    version: int | None = None
    """To be set by a route that shows something versioned: the answer's ETag."""
    shown_once: tuple[str, ...] = ()
    """To be set by a route that shows secrets: fields of its answer that are kept for nobody, not even for a repeat (S58)."""
    journal: list[log.Act] = field(default_factory=list)
    told_of: tuple[str, ...] = ()
    """To be set by a route whose answer tells of other records than the log does of its act: it is forgotten with them (S103)."""

    @property
    def store(self) -> Store:
        """For routes that work in transactions of their own."""
        return self.parts.store

    @property
    def shards(self) -> int:
        """Of the outbox."""
        return self.parts.shards

    @property
    def caller(self) -> Caller:
        """Who calls."""
        if self._caller is None:
            raise ConfigurationError("this route is open to everybody, so nobody in particular calls it")
        return self._caller

    @property
    def workspace(self) -> str:
        """The caller's."""
        return self.caller.workspace

    @property
    def connection(self) -> Connection:
        """The transaction of this call."""
        if self._connection is None:
            raise ConfigurationError("this route works in transactions of its own")
        return self._connection

    @property
    def scope(self) -> Scope:
        """How far the permission that the route declared reaches."""
        return self.caller.scope(self.declared.resource or "", self.declared.action)

    @property
    def visible(self) -> Visible:
        """Whose records this route may show or change: goes into its queries (S77)."""
        return self.caller.visible(self.scope)

    @property
    def sight(self) -> Sight:
        """Whose records the caller may read, of each kind that has owners."""
        return {kind: self.caller.visible(self.caller.scope(kind, "read")) for kind in ("contacts", "organizations", "documents")}

    def user(self, reason: str | None = None) -> User:
        """The caller, as use cases on contacts know who acts. What they do is written into the log before the commit."""
        return User(self.caller.actor, reason, self.origin, self.journal, "api" if self.caller.is_machine else "user")

    def expected_version(self) -> int | None:
        """The version that the caller looked at; None for `*`. Raises Answered (428) where they say none."""
        if not self.has_if_match:
            raise Answered(428, "if_match_needed", "Say which version you looked at: If-Match with the ETag that you were given, or *.")
        return self.if_match

    def note(
        self,
        action: str,
        object_type: str,
        object_id: object,
        *,
        version: int | None = None,
        reason: str | None = None,
        changes: Sequence[dict[str, object]] = (),
    ) -> None:
        """Write something into the log."""
        act = log.Act(self.caller.actor, action, object_type, str(object_id), version, None, reason, changes, self.origin)
        self.journal.append(act)


async def _work(request: Request) -> Work:
    found: Work = request.state.work
    return found


Doing = Annotated[Work, Depends(_work)]
"""How a route asks for its call."""


class DoorRoute(APIRoute):
    """A route of the User API."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        declared = getattr(endpoint, _DECLARED, None)
        if not isinstance(declared, Declared):
            raise ConfigurationError(
                f"the route {path} declares no permission: put @allowed(resource, action) on {endpoint.__name__} (S75)"
            )
        is_write = not set(options.get("methods") or {"GET"}) <= READS
        options["responses"] = {**documented(is_write=is_write), **(options.get("responses") or {})}
        self.declared = declared
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """FastAPI's own handler, inside ours."""
        handler = super().get_route_handler()
        known = frozenset(each.alias for each in self.dependant.query_params)
        declared = self.declared

        async def answer(request: Request) -> Response:
            request_id = request.headers.get("x-request-id", "")
            told = request_id if 0 < len(request_id) <= 100 and request_id.isascii() else uuid.uuid4().hex  # noqa: PLR2004
            parts = request.app.state.parts
            work = Work(parts, origin_of(request, parts.trusted_proxies, told), declared)
            request.state.work = work
            began = time.perf_counter()
            response = await _answered(request, work, handler, known)
            work.parts.answered(self.path_format, response.status_code, time.perf_counter() - began)
            return response

        return answer


async def _answered(request: Request, work: Work, handler: Handler, known: frozenset[str]) -> Response:
    """The envelope of this door: whatever happens, an answer of ours."""
    request_id = str(work.origin.request_id)
    try:
        _check_query(request, known)
        return _finished(await _admit(request, work, handler), work)
    except (Refused, PermanentError, RequestValidationError, Answered) as error:
        return _finished(problem_of(error, request_id), None)
    except Exception as error:  # noqa: BLE001
        work.parts.failed(error, request_id)
        return _finished(problem_of(error, request_id), None)


async def _admit(request: Request, work: Work, handler: Handler) -> Response:
    """Read the call, and carry it out; anew where an event was faster."""
    if request.method not in READS:
        await _check_write(request, work)
    _read_if_match(request, work)
    if work.declared.resource is None:
        return await handler(request)
    credential = _bearer(request)
    if credential is not None and looks_like_token(credential):  # outside of the transaction, since its issuer may have to be asked
        work._subject = await work.parts.tokens.verify(credential)  # noqa: SLF001 -- the door makes it
    for attempt in range(ATTEMPTS):
        try:
            return await (_transact if work.declared.is_one_transaction else _last)(request, work, handler)
        except (Moved, *RACES):
            work.journal.clear()
            if attempt == ATTEMPTS - 1:
                break
        except UNSTORABLE as error:
            told = "A value holds what cannot be stored or compared, such as a NUL or a time without a zone."
            raise Answered(422, "unstorable", told) from error
    raise Answered(409, "busy", "The same records change all the time. Try again.", {"retry-after": "1"})


async def _transact(request: Request, work: Work, handler: Handler) -> Response:
    async with work.store.begin() as connection:
        work._connection = connection  # noqa: SLF001 -- the door makes it
        work._caller = caller = await _enter(request, connection, work)  # noqa: SLF001
        caller.demand(str(work.declared.resource), work.declared.action)
        key = _idempotency_key(request, caller)
        if key is None:
            response = await handler(request)
            await log.append(connection, caller.workspace, work.journal)
            return response
        fingerprint = _fingerprint(request, await request.body(), work)
        known = await idempotency.look(connection, key)
        if known == "busy":
            raise Answered(409, "in_progress", "The first call under this idempotency key is at work. Wait for its answer.")
        if known is not None:
            return _replayed(known, fingerprint)
        response = await handler(request)
        await log.append(connection, caller.workspace, work.journal)
        kept = idempotency.Kept(fingerprint, response.status_code, _kept_headers(response, work), _kept_body(response, work))
        await idempotency.keep(connection, key, kept, [*(each.object_id for each in work.journal), *work.told_of])
        return response


async def _last(request: Request, work: Work, handler: Handler) -> Response:
    async with work.store.begin() as connection:
        work._caller = caller = await _enter(request, connection, work)  # noqa: SLF001
        caller.demand(str(work.declared.resource), work.declared.action)
    return await handler(request)


async def _enter(request: Request, connection: Connection, work: Work) -> Caller:
    if work._subject is not None:  # noqa: SLF001
        return await sessions.by_subject(connection, work._subject, work.origin)  # noqa: SLF001
    credential = _bearer(request)
    if credential is not None:
        page = request.headers.get("origin") or request.headers.get("referer")
        return await sessions.by_key(connection, credential, work.origin, page)
    token = request.cookies.get(COOKIE)
    if token is not None:
        return await sessions.by_session(connection, token, work.origin, work.parts.lives)
    raise NotSignedIn("sign in, or send a service key or an access token: Authorization: Bearer of_srv_…")


def _bearer(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    return credential.strip() if scheme.lower() == "bearer" and credential.strip() else None


async def _check_write(request: Request, work: Work) -> None:
    """Unsafe methods: from our own pages where a cookie speaks (S66), as JSON (S63), and no larger than allowed."""
    if "authorization" not in request.headers and not _is_same_site(request, work.parts.origins):
        raise Answered(403, "cross_site", "A page of another site may not do this. Call from our own, or with a service key.")
    if work.declared.takes_stream:
        return
    await read_json(request)


def _is_same_site(request: Request, origins: Sequence[str]) -> bool:
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if origin is not None and origin in origins:
        return True
    if site is not None:
        return site in {"same-origin", "none"}
    return origin is None or origin.partition("://")[2] == request.headers.get("host")


def _check_query(request: Request, known: frozenset[str]) -> None:
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise Answered(422, "unknown_parameter", f"{unknown[0]!r} is no parameter of this; there are {', '.join(sorted(known)) or 'none'}")
    repeated = [name for name in request.query_params if len(request.query_params.getlist(name)) > 1]
    if repeated:
        raise Answered(422, "repeated_parameter", f"{repeated[0]!r} is given more than once")


def _read_if_match(request: Request, work: Work) -> None:
    text = request.headers.get("if-match")
    if text is None:
        return
    work.has_if_match = True
    if text.strip() == "*":
        return
    digits = text.strip().removeprefix("W/").strip('"')
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):  # noqa: PLR2004 -- what a bigint holds
        raise Answered(422, "invalid_if_match", 'If-Match takes one ETag that you were given, such as "7", or *.')
    work.if_match = int(digits)


def _idempotency_key(request: Request, caller: Caller) -> idempotency.Key | None:
    text = request.headers.get("idempotency-key")
    if text is None or request.method in READS:
        return None
    if not 0 < len(text) <= 200 or not text.isprintable():  # noqa: PLR2004 -- as the column has it
        raise Answered(422, "invalid_idempotency_key", "An idempotency key has 1 to 200 printable characters.")
    return idempotency.Key(caller.workspace, caller.actor, text)


def _fingerprint(request: Request, body: bytes, work: Work) -> bytes:
    told = [request.method, request.url.path, request.url.query, work.if_match, work.has_if_match]
    return sha256(msgspec.json.encode(told) + b"\0" + body).digest()


def _replayed(known: idempotency.Kept, fingerprint: bytes) -> Response:
    if known.fingerprint != fingerprint:
        raise Answered(422, "idempotency_key_reused", "This idempotency key was used for another call. Take a new one.")
    headers = {**msgspec.json.decode(known.headers, type=dict[str, str]), "idempotency-replayed": "true"}
    return Response(known.body, known.status, headers)


def _kept_headers(response: Response, work: Work) -> str:
    if work.version is not None:
        response.headers["etag"] = f'"{work.version}"'
    kept = {name: value for name, value in response.headers.items() if name not in _NEVER_KEPT and name != "content-length"}
    return idempotency.headers_text(kept)


def _kept_body(response: Response, work: Work) -> bytes:
    body = bytes(response.body)
    return msgspec.json.encode({**msgspec.json.decode(body), **dict.fromkeys(work.shown_once)}) if work.shown_once else body


def _finished(response: Response, work: Work | None) -> Response:
    """The answer with the headers that all have."""
    headers = response.headers
    if work is not None:
        headers["x-request-id"] = str(work.origin.request_id)
        if work.version is not None and "etag" not in headers:
            headers["etag"] = f'"{work.version}"'
    headers.setdefault("cache-control", "no-store")
    headers.update(HARMLESS)
    return response


PROBLEM_SCHEMA = Problem.model_json_schema()
