"""uvicorn's HTTP protocol, with what it lacks on a public listener: a deadline for each request, a bound on its head, JSON for errors.

uvicorn itself waits for ever for a request's next byte, and takes as many headers as are sent (S38: slow clients time out).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from onefold.http.collector.options import Options

_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}

_HEAD = (
    b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A subclass made by `protocol` carries the options."""

    request_seconds: ClassVar[float] = 30.0
    head_bytes: ClassVar[int] = 65_536

    _deadline: asyncio.TimerHandle | None = None
    _head_taken = 0
    _head_open = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself has it
        """A connection that says nothing is cut off as well."""
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what a head has taken that is still not complete."""
        super().data_received(data)
        if self._head_open:
            self._head_taken += len(data)
            if self._head_taken > self.head_bytes:
                self._refuse(431, "head_too_large", "The request's headers are too large.")
        elif self._deadline is None and self.cycle.response_complete:
            # Blank lines between requests begin none, yet end uvicorn's keep-alive timer.
            self._arm()

    def on_message_begin(self) -> None:
        """A request has begun: it has its time to be complete."""
        super().on_message_begin()
        self._head_open, self._head_taken = True, 0
        self._arm()

    def on_headers_complete(self) -> None:
        """From here on `bodies` counts."""
        self._head_open, self._head_taken = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete; its answer may take what it takes."""
        self._disarm()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets JSON too, in case it is somebody's SDK behind a bad proxy."""
        self._refuse(400, "malformed_request", msg)

    def _arm(self) -> None:
        self._disarm()
        self._deadline = self.loop.call_later(self.request_seconds, self._cut_off)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut_off(self) -> None:
        if self._head_taken or self._awaits_body():
            self._refuse(408, "request_timeout", f"The request was not complete after {self.request_seconds:g} s.")
        else:
            self.transport.close()

    def _awaits_body(self) -> bool:
        return not self._head_open and not self.cycle.response_started

    def _refuse(self, status: int, code: str, message: str) -> None:
        if self.transport.is_closing():
            return
        body = msgspec.json.encode({"code": code, "message": message, "request_id": uuid.uuid4().hex})
        self.transport.write(_HEAD % (status, _REASONS[status], len(body)) + body)
        self.transport.close()


def protocol(options: Options) -> type[BoundedProtocol]:
    """The protocol with these options; uvicorn makes one object of it for each connection."""
    own: dict[str, Any] = {"request_seconds": options.request_seconds, "head_bytes": options.head_bytes}
    return type("CollectorProtocol", (BoundedProtocol,), own)
