"""Every error as an answer of the two APIs: RFC 9457 problem details with a stable `code`. Their one table (house style, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from onefold.access.attempts import TooManyAttempts
from onefold.access.caller import NotAllowed, NotSignedIn
from onefold.errors import (
    ContactErased,
    OnefoldError,
    PermanentError,
    Refused,
    TemporaryError,
    VersionConflict,
)
from onefold.visitors.limits import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
HARMLESS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
"""Headers of every answer: a browser that is led to open one makes no page of what people wrote (S70)."""
NOT_FOUND = "There is nothing here, or nothing that you may see."
"""Said alike of what is missing, another workspace's, and not the caller's to see (S31)."""


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN that ends in the code.")
    title: str
    status: int
    detail: str = Field(description="What, why, and what to do.")
    code: str = Field(description="Stable; meant for software.")
    request_id: str


class Answered(OnefoldError):
    """An error of HTTP itself, which no use case knows."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None, **facts: Any) -> None:
        super().__init__(detail)
        self.status, self.code, self.headers, self.facts = status, code, dict(headers or {}), facts


TITLES = {
    400: "The request cannot be read",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Wrong method",
    406: "Not acceptable",
    409: "In conflict with what there is",
    410: "Gone",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Wrong media type",
    422: "Invalid",
    428: "A version is needed",
    429: "Too many requests",
    500: "Our fault",
    503: "Not available now",
}


def problem_of(error: Exception, request_id: str) -> Response:
    """The answer to an error. What is not ours is 500, and says nothing of itself (S96)."""
    if isinstance(error, Answered):
        return problem(error.status, error.code, str(error), request_id, error.headers, **error.facts)
    if isinstance(error, RequestValidationError):
        return _invalid(error, request_id)
    if isinstance(error, NotSignedIn):
        return problem(401, error.code, str(error), request_id, {"www-authenticate": "Bearer"})
    if isinstance(error, TooManyAttempts | TooManyRequests | TemporaryError):
        wait = str(max(1, round(error.retry_after_seconds)))
        status, detail = (503, "It does not work now. Try again.") if isinstance(error, TemporaryError) else (429, str(error))
        return problem(status, error.code, detail, request_id, {"retry-after": wait})
    if isinstance(error, OnefoldError):
        status = _status(error)
        detail = NOT_FOUND if status == 404 else str(error)  # noqa: PLR2004
        code = "not_found" if status == 404 else error.code  # noqa: PLR2004
        return problem(status, code, detail, request_id, **getattr(error, "facts", {}))
    return problem(500, "internal", "Something went wrong on our side; the log says what, under this request id.", request_id)


def problem(status: int, code: str, detail: str, request_id: str, headers: Mapping[str, str] | None = None, **facts: Any) -> Response:
    """A problem."""
    told = {
        "type": f"urn:onefold:problem:{code}",
        "title": TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        **facts,
    }
    return JSONResponse(told, status, {**(headers or {}), "cache-control": "no-store", **HARMLESS}, MEDIA_TYPE)


def _status(error: OnefoldError) -> int:
    if isinstance(error, NotAllowed):
        return 403
    if isinstance(error, VersionConflict):
        return 412
    if isinstance(error, ContactErased):
        return 410
    if isinstance(error, Refused):
        return 404 if error.code.endswith("_not_found") else 409
    return 422 if isinstance(error, PermanentError) else 500


def _invalid(error: RequestValidationError, request_id: str) -> Response:
    """By field: where, and why. Without the values, which may be anybody's."""
    found = [
        {"where": ".".join(str(part) for part in each["loc"]), "why": each["msg"], "rule": each["type"]} for each in error.errors()[:50]
    ]
    first = found[0] if found else {"where": "body", "why": "it is invalid"}
    return problem(422, "invalid", f"{first['where']}: {first['why']}", request_id, errors=found)


def documented(*, is_write: bool) -> dict[int | str, dict[str, Any]]:
    """The problems that any route may answer with, for its document."""
    statuses = [400, 401, 403, 404, 422, 503, *((409, 410, 412, 413, 415, 428) if is_write else (410,))]
    return {status: _documented(status) for status in sorted(statuses)}


def _documented(status: int) -> dict[str, Any]:
    return {"description": TITLES[status], "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


TOO_MANY: dict[int | str, dict[str, Any]] = {429: _documented(429)}
"""For the document of a route where somebody can fail too often."""
