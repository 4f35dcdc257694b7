"""The collector's door: routes, and turns whatever happens into an answer. A bare ASGI application, since its answers are few.

The contract is interfaces.md C1: existing Segment and RudderStack SDKs work by changing one host name. It opens no read path: the two
documents and the script that it serves are the same for every workspace (S57). What belongs to operators is on another port (S116).
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Final

from onefold.errors import OnefoldError
from onefold.http.callers import base_url
from onefold.http.collector import auth, boot, script
from onefold.http.collector.answers import Answer, NoSuchPath, Overloaded, WrongMethod, document, failure, preflight, success
from onefold.http.collector.bodies import ClientGone, read_body
from onefold.http.collector.intake import Intake
from onefold.http.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from onefold.http.collector.auth import Verify
    from onefold.http.collector.bodies import Receive
    from onefold.http.collector.identity import VerifyIdentity
    from onefold.http.collector.intake import Send
    from onefold.http.collector.meters import Meters
    from onefold.http.collector.options import Options

    AsgiSend = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")
ONE: Final = {f"/v1/{path}": type_ for type_ in _TYPES for path in (type_, type_[0])} | {"/v1/merge": "merge"}
"""Paths that name the type of the one call in their body, in full and by the browser's letter."""
MANY: Final = frozenset({"/v1/batch", "/v1/b", "/v1/import", "/beacon/v1/batch"})
SWALLOWED: Final = frozenset({"/v1/m"})
"""What an SDK measures about itself."""
_SOURCE: Final = "/sourceConfig"
_SETTINGS: Final = ("/v1/projects/", "/settings")


class Collector:
    """The ASGI application."""

    def __init__(self, verify: Verify, verify_identity: VerifyIdentity, send: Send, options: Options, meters: Meters) -> None:
        self._verify = verify
        self._options = options
        self._meters = meters
        self._intake = Intake(verify, verify_identity, send, options, Rates(options.rate_per_second, options.rate_burst), meters)
        self._in_flight = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: AsgiSend) -> None:
        """One request. Whatever happens, the answer is JSON of ours."""
        self._in_flight += 1
        try:
            answer = await self._answer(scope, receive)
        except ClientGone:
            return
        except OnefoldError as error:
            request_id = uuid.uuid4().hex
            answer = failure(error, request_id)
            self._meters.turned_away(error, answer.status, request_id)
        except asyncio.CancelledError:
            await _send(failure(Overloaded("The collector is stopping. Send it again."), uuid.uuid4().hex), send)
            raise
        except Exception as error:  # noqa: BLE001 - the envelope of this door
            request_id = uuid.uuid4().hex
            answer = failure(None, request_id)
            self._meters.failed(error, request_id)
        finally:
            self._in_flight -= 1
        self._meters.answered(answer.status)
        await _send(answer, send)

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if method == "POST":
            if self._in_flight > self._options.in_flight:
                raise Overloaded("More requests at once than this collector takes. Send it again.")
            return await self._post(path, scope, receive) or await self._post(path.rstrip("/"), scope, receive) or _nothing(path)
        if method == "OPTIONS":
            return preflight()
        if method in {"GET", "HEAD"}:
            return await self._get(path, scope)
        raise WrongMethod("Send events with POST.")

    async def _post(self, path: str, scope: MutableMapping[str, Any], receive: Receive) -> Answer | None:
        type_ = ONE.get(path)
        if type_ is not None:
            return await self._intake.one(scope, receive, type_)
        if path in MANY:
            return await self._intake.many(scope, receive)
        if path in SWALLOWED:
            await read_body(receive, None, self._options.body_bytes)
            return success()
        return None

    async def _get(self, path: str, scope: MutableMapping[str, Any]) -> Answer:
        headers = dict(scope["headers"])
        served = script.scripts().get(path)
        if served is not None:
            return Answer(*served.answer(path, headers))
        place = auth.place_of(scope, headers, self._options.trusted_proxies)
        if path.rstrip("/") == _SOURCE:
            named = auth.from_query(scope["query_string"])
            if named is None and b"authorization" in headers:
                named = auth.from_header(headers[b"authorization"])
            return document(boot.rudder_source(str(named), await auth.verified_public(self._verify, named, place)))
        if path.startswith(_SETTINGS[0]) and path.endswith(_SETTINGS[1]):
            named = path[len(_SETTINGS[0]) : -len(_SETTINGS[1])]
            await auth.verified_public(self._verify, named, place)
            return document(boot.segment_settings(named, base_url(scope["scheme"], headers, self._options.public_url)))
        if path in ONE or path in MANY or path in SWALLOWED:
            raise WrongMethod("Send events with POST.")
        return _nothing(path)


def _nothing(path: str) -> Answer:
    raise NoSuchPath(f"Nothing is served at {path[:100]}. Events go to /v1/batch and its siblings.")


async def _send(answer: Answer, send: AsgiSend) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})
