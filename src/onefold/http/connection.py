"""uvicorn's HTTP protocol, with what it lacks on a public listener: a deadline for each request, a bound on its head, JSON for errors.

uvicorn itself waits for ever for a request's next byte, and takes as many headers as are sent (S38: slow clients time out). It also
writes an answer's head and body by themselves, which is one system call more for answers as small as ours.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

_REASONS = {400: b"Bad Request", 408: b"Request Timeout", 431: b"Request Header Fields Too Large"}

_HEAD = (
    b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\r\n"
)


_HEAD_ENDS = b"\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 "
"""Is no answer yet: the caller waits for it before it sends its body."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A subclass made by `protocol` carries the bounds."""

    request_seconds: ClassVar[float] = 30.0
    head_bytes: ClassVar[int] = 65_536

    _deadline: asyncio.TimerHandle | None = None
    _due = 0.0
    _is_due = False
    _head_taken = 0
    _head_open = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn itself has it
        """A connection that says nothing is cut off as well."""
        self._whole = _WholeAnswers(transport)
        super().connection_made(self._whole)  # type: ignore[arg-type]  # it has all that uvicorn calls
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave no timer behind."""
        self._disarm()
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what a head has taken that is still not complete."""
        super().data_received(data)
        if self._head_open:
            self._head_taken += len(data)
            if self._head_taken > self.head_bytes:
                self._refuse(431, "head_too_large", "The request's headers are too large.")
        elif not self._is_due and self.cycle.response_complete:
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

    def on_response_complete(self) -> None:
        """An answer without a body ends here."""
        self._whole.flush()
        super().on_response_complete()

    def _arm(self) -> None:
        """Begin the time anew. The timer of an earlier one goes on, and looks when it ends: a timer a request would cost more."""
        self._due, self._is_due = self.loop.time() + self.request_seconds, True
        if self._deadline is None:
            self._deadline = self.loop.call_at(self._due, self._look)

    def _disarm(self) -> None:
        self._is_due = False

    def _look(self) -> None:
        self._deadline = None
        if not self._is_due:
            return
        if self.loop.time() < self._due:
            self._deadline = self.loop.call_at(self._due, self._look)
        else:
            self._cut_off()

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


class _WholeAnswers:
    """A transport that keeps an answer's head until its body comes, and writes both at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self.get_extra_info, self.is_closing = transport.get_extra_info, transport.is_closing
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading

    def write(self, data: bytes) -> None:
        """Keep a head, write it with what comes next."""
        if not self._head and data.endswith(_HEAD_ENDS) and not data.startswith(_CONTINUE):
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = b""

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        """Write what is kept, and close."""
        self.flush()
        self._transport.close()


class HeadBounds(NamedTuple):
    """What a request may take until it is complete."""

    request_seconds: float = 30.0
    """From its first byte to its last."""
    head_bytes: int = 65_536


def protocol(bounds: HeadBounds) -> type[BoundedProtocol]:
    """The protocol with these bounds; uvicorn makes one object of it for each connection."""
    return type("Protocol", (BoundedProtocol,), bounds._asdict())
