"""What the collector answers: the one table from failures to status codes, and the bytes of every answer (interfaces.md C1).

Bodies are JSON always, errors have `code`, `message` and `request_id` (an SDK before 2.4 retries a 400 without them for hours), and
an answer neither redirects nor sets a cookie (S61). Nothing in an answer depends on who the events are about (S30).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onefold.errors import InvalidMessage, LogUnavailable, OnefoldError, StoreUnavailable, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode

_CORS: Final = (b"access-control-allow-origin", b"*")
_JSON: Final = (b"content-type", b"application/json")
_EXPOSED: Final = (b"access-control-expose-headers", b"retry-after")

ALLOWED_HEADERS: Final = (
    b"authorization, content-type, content-encoding, x-retry-count, x-strict-mode, anonymousid, sentat, rsa-recovered, "
    b"x-identity-token, rsa-retry-attempt, rsa-since-last-attempt, rsa-since-first-attempt, rsa-retry-reason"
)


class Unauthorised(OnefoldError):
    """No write key, or not one that counts here."""

    code = "unknown_key"


class WrongPlace(Unauthorised):
    """A write key that may not be used from where the request comes."""

    code = "key_not_allowed_here"


class MissingKey(Unauthorised):
    """The request names no write key at all."""

    code = "missing_key"


class SecretKeyInBody(Unauthorised):
    """A secret key outside of the Authorization header (S60)."""

    code = "secret_key_outside_header"


class BodyTooLarge(InvalidMessage):
    """More bytes than a request may have, as sent or once decompressed."""

    code = "body_too_large"


class TooManyRequests(TemporaryError):
    """The key's own limit, or that of requests in flight."""

    code = "rate_limited"


class Overloaded(TemporaryError):
    """More requests in flight than this process takes."""

    code = "overloaded"


class NoSuchPath(InvalidMessage):
    """Nothing is served here."""

    code = "not_found"


class WrongMethod(InvalidMessage):
    """The path is served, but not so."""

    code = "method_not_allowed"


class Strict(InvalidMessage):
    """X-Strict-Mode: some events were refused, so none was taken. Carries the list."""

    def __init__(self, refused: Sequence[dict[str, Any]], *, only_keys: bool) -> None:
        super().__init__(f"{len(refused)} events are refused, so none was taken (X-Strict-Mode).", code="events_refused")
        self.refused = list(refused)
        self.only_keys = only_keys


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, ready to be sent."""

    status: int
    headers: Headers
    body: bytes


_STATUS: Final[tuple[tuple[type[OnefoldError], int], ...]] = (
    (Unauthorised, 401),
    (BodyTooLarge, 413),
    (NoSuchPath, 404),
    (WrongMethod, 405),
    (TooManyRequests, 429),
    (LogUnavailable, 503),
    (StoreUnavailable, 503),
    (TemporaryError, 503),
    (InvalidMessage, 400),
)
_INTERNAL: Final = 500
_INTERNAL_SENTENCE: Final = "Something of ours failed. Send it again."
_UNAVAILABLE: Final[dict[type[OnefoldError], str]] = {
    LogUnavailable: "Events cannot be written right now. Send them again after the time in Retry-After.",
    StoreUnavailable: "The write key, or the identity token, cannot be checked right now. Send it again after the time in Retry-After.",
}
"""Said instead of the error's own words, which name servers of ours and go to the log."""
_TOO_LARGE_CODES: Final = frozenset({"event_too_large", "batch_too_long", "too_large"})


def success(document: bytes = b'{"success":true}') -> Answer:
    """200 with JSON. Never 202 or 204: SDKs before 2.4 take those for failures."""
    return Answer(200, [_JSON, (b"content-length", b"%d" % len(document)), _CORS], document)


TAKEN: Final = success()
"""The answer to a request whose events were all acknowledged by the broker."""


def partly(accepted: int, rejected: Sequence[dict[str, Any]], not_asserted: Sequence[dict[str, Any]]) -> Answer:
    """200 for a request some of whose events were refused, or whose identity tokens did nothing for them."""
    content: dict[str, Any] = {"success": True, "accepted": accepted, "rejected": rejected}
    return success(_encode({**content, "not_asserted": not_asserted} if not_asserted else content))


def document(content: dict[str, Any]) -> Answer:
    """200 with a document that an SDK reads when it starts."""
    answer = success(_encode(content))
    answer.headers.append((b"cache-control", b"no-store"))
    return answer


def preflight() -> Answer:
    """To any OPTIONS, for any origin, without credentials (S61)."""
    return Answer(
        204,
        [
            _CORS,
            (b"access-control-allow-methods", b"POST, GET, OPTIONS"),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", b"86400"),
        ],
        b"",
    )


def failure(error: OnefoldError | None, request_id: str) -> Answer:
    """The answer to a failure; None is one that we did not foresee."""
    status = status_of(error)
    content: dict[str, Any] = {"code": "internal", "message": _INTERNAL_SENTENCE, "request_id": request_id}
    if error is not None and status != _INTERNAL:
        content |= {"code": error.code, "message": _UNAVAILABLE.get(type(error), str(error))}
    if isinstance(error, Strict):
        content["rejected"] = error.refused
    body = _encode(content)
    headers: Headers = [_JSON, (b"content-length", b"%d" % len(body)), _CORS]
    if isinstance(error, TemporaryError):
        headers += [(b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))), _EXPOSED]
    if isinstance(error, WrongMethod):
        headers.append((b"allow", b"POST, OPTIONS"))
    if status == 413:  # noqa: PLR2004 - part of the body may not have been read
        headers.append((b"connection", b"close"))
    return Answer(status, headers, body)


def status_of(error: OnefoldError | None) -> int:
    """The one table. What it does not list is ours to repair: 500, which SDKs send again."""
    if isinstance(error, Strict):
        return 401 if error.only_keys else 400
    if error is not None and error.code in _TOO_LARGE_CODES:
        return 413
    return next((status for kind, status in _STATUS if isinstance(error, kind)), _INTERNAL)
