"""The collector on real sockets: what uvicorn lacks on a public listener (S38), and that a stop loses no request."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import time
import uuid
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import create_autospec

import pytest
import structlog

from onefold.access.identity_tokens import Verifier
from onefold.access.keys import WriteKey, new_text
from onefold.errors import ConfigurationError
from onefold.http.collector.app import Collector
from onefold.http.collector.meters import Meters
from onefold.http.collector.options import Options
from onefold.http.connection import _WholeAnswers
from onefold.http.server import _listener, listening
from onefold.observe import CollectorMetrics, Metrics
from tests.support.asking import no_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

KEY = new_text("public")
BODY = b'{"anonymousId":"a","event":"x"}'
AUTHORIZED = b"Host: x\r\nAuthorization: Basic " + base64.b64encode(f"{KEY}:".encode()) + b"\r\n"


class Taken:
    """What the collector handed on; it waits for `let_go` before it is acknowledged."""

    def __init__(self) -> None:
        """Begin with nothing, and acknowledge at once."""
        self.records: list[tuple[bytes, bytes]] = []
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def verify(self, text: str) -> WriteKey | None:
        """One key counts."""
        return WriteKey(uuid.UUID(int=1), "acme", secret=False) if text == KEY else None

    async def send(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Hold back what is to be held back."""
        await self.let_go.wait()
        self.records += records


@asynccontextmanager
async def running(taken: Taken, **options: Any) -> AsyncIterator[int]:
    chosen = Options(**options)
    collector = Collector(
        taken.verify, Verifier(no_keys).verify, taken.send, chosen, Meters(CollectorMetrics(Metrics()), structlog.get_logger())
    )
    async with listening(collector, chosen.head_bounds, host="127.0.0.1", port=0) as port:
        yield port


async def exchange(port: int, *sent: bytes, pause: float = 0.0) -> bytes:
    """What comes back for these bytes, sent with pauses, until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = bytearray()

    async def listen() -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                answer.extend(piece)

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        listening_to_it = group.create_task(listen())
        for piece in sent:
            if listening_to_it.done():
                break
            with suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            await asyncio.sleep(pause)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return bytes(answer)


def body_of(answer: bytes) -> Any:
    return json.loads(answer.rpartition(b"\r\n\r\n")[2])


def request(extra: bytes = b"", body: bytes = BODY) -> bytes:
    return b"POST /v1/track HTTP/1.1\r\n%b%bContent-Length: %d\r\n\r\n%b" % (AUTHORIZED, extra, len(body), body)


@pytest.mark.asyncio
async def test_a_request_is_answered_without_naming_the_server() -> None:
    """And with the length of its body, so that the connection can be used again."""
    taken = Taken()
    async with running(taken) as port:
        answer = await exchange(port, request(), request(b"Connection: close\r\n"), pause=0.1)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"server:" not in answer.lower()
    assert len(taken.records) == 2


@pytest.mark.asyncio
async def test_what_is_no_http_is_answered_with_json() -> None:
    """C1: never HTML, nor uvicorn's plain text."""
    async with running(Taken()) as port:
        for garbage in (b"\x16\x03\x01 hello\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/9.9\r\n\r\n"):
            answer = await exchange(port, garbage)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert body_of(answer)["code"] == "malformed_request"


@pytest.mark.asyncio
async def test_an_endless_head_is_cut_off() -> None:
    """Uvicorn would take it all into memory."""
    async with running(Taken(), head_bytes=10_000) as port:
        answer = await exchange(port, b"POST /v1/track HTTP/1.1\r\nHost: x\r\n", *[b"X-Filler: " + b"x" * 4_000 + b"\r\n"] * 5, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert body_of(answer)["code"] == "head_too_large"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "head", [b"HEAD /sourceConfig?writeKey=%b HTTP/1.1\r\n" % KEY.encode(), b"OPTIONS /v1/track HTTP/1.1\r\n"], ids=["HEAD", "OPTIONS"]
)
async def test_an_answer_without_a_body_is_not_kept_back(head: bytes) -> None:
    """The head of an answer waits for its body, and there may be none."""
    async with running(Taken()) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            for _ in range(2):
                writer.write(head + b"Host: x\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 20")


@pytest.mark.asyncio
async def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    """`curl` with a large body sends `Expect: 100-continue` and waits."""
    async with running(Taken()) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with closing(writer):
            head, _, body = request(b"Expect: 100-continue\r\n").partition(b"\r\n\r\n")
            writer.write(head + b"\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")


def test_head_and_body_of_an_answer_are_written_at_once() -> None:
    """Each write is a system call, which is much for answers as small as ours."""
    written: list[bytes] = []
    transport = create_autospec(asyncio.Transport, instance=True)
    transport.write.side_effect = written.append
    whole = _WholeAnswers(transport)
    for piece in (b"HTTP/1.1 200 OK\r\n\r\n", b"{}", b"HTTP/1.1 404 Not Found\r\n\r\n"):
        whole.write(piece)
    assert written == [b"HTTP/1.1 200 OK\r\n\r\n{}"]
    whole.close()
    assert written[1:] == [b"HTTP/1.1 404 Not Found\r\n\r\n"]


@pytest.mark.asyncio
async def test_a_large_body_in_one_piece_is_not_taken_for_a_head() -> None:
    """The bound is the head's alone."""
    async with running(Taken(), head_bytes=10_000) as port:
        body = json.dumps({"anonymousId": "a", "event": "x", "properties": {"padding": "x" * 30_000}}).encode()
        assert (await exchange(port, request(b"Connection: close\r\n", body))).startswith(b"HTTP/1.1 200 ")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "pieces",
    [
        [b"POST /v1/track HTTP/1.1\r\nHost: x\r\n"],
        [b"POST /v1/track HTTP/1.1\r\nHost: x\r\nX-A: b\r\n", *[b"X-A: b\r\n"] * 20],
        [b"POST /v1/track HTTP/1.1\r\n" + AUTHORIZED + b"Content-Length: 100\r\n\r\n{", *[b" "] * 20],
        [b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /v1/track HTTP/1.1\r\n", *[b"X-A: b\r\n"] * 20],
    ],
)
async def test_a_slow_request_is_cut_off_with_a_word(pieces: list[bytes]) -> None:
    """S38: in the head, in the body, in the second request of a connection, and however it trickles."""
    taken = Taken()
    async with running(taken, request_seconds=0.5) as port:
        began = time.monotonic()
        answer = await exchange(port, *pieces, pause=0.05)
        assert time.monotonic() - began < 30
    assert b"HTTP/1.1 408 " in answer
    assert body_of(answer)["code"] == "request_timeout"
    assert taken.records == []


@pytest.mark.asyncio
@pytest.mark.parametrize("pieces", [[], [b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", *[b"\r\n"] * 20]])
async def test_a_connection_that_asks_nothing_is_closed(pieces: list[bytes]) -> None:
    """S38: silence, and blank lines that would end uvicorn's own timer."""
    async with running(Taken(), request_seconds=0.5) as port:
        answer = await exchange(port, *pieces, pause=0.05)
    assert b" 408 " not in answer


@pytest.mark.asyncio
async def test_a_slow_broker_is_no_slow_client() -> None:
    """The deadline ends with the request's last byte."""
    taken = Taken()
    taken.let_go.clear()
    async with running(taken, request_seconds=0.3) as port:
        asking = asyncio.create_task(exchange(port, request(b"Connection: close\r\n")))
        await asyncio.sleep(0.8)
        taken.let_go.set()
        assert (await asking).startswith(b"HTTP/1.1 200 ")


@pytest.mark.asyncio
async def test_an_oversized_body_is_read_before_it_is_refused() -> None:
    """Cut off while it still sends, an SDK sees a broken connection, and sends it all again."""
    async with running(Taken()) as port:
        answer = await exchange(port, request(body=b"x" * 4_000_000))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert body_of(answer)["code"] == "body_too_large"


@pytest.mark.asyncio
async def test_a_client_that_leaves_costs_nothing() -> None:
    """Neither an answer nor a line in the log."""
    taken = Taken()
    async with running(taken) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request()[:-5])
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await exchange(port, request(b"Connection: close\r\n"))).startswith(b"HTTP/1.1 200 ")
    assert len(taken.records) == 1


@pytest.mark.asyncio
async def test_a_stop_answers_what_has_begun() -> None:
    """Drains, and takes no more (S38, C4)."""
    taken = Taken()
    taken.let_go.clear()
    async with running(taken) as port:
        asking = asyncio.create_task(exchange(port, request()))
        await asyncio.sleep(0.3)
        asyncio.get_running_loop().call_later(0.5, taken.let_go.set)
    assert (await asking).startswith(b"HTTP/1.1 200 ")
    assert len(taken.records) == 1
    with pytest.raises(ConnectionError):
        await exchange(port, request())


@pytest.mark.asyncio
async def test_a_port_that_is_taken_says_so() -> None:
    """Instead of a traceback."""
    async with running(Taken()) as port:
        collector = Collector(
            Taken().verify, Verifier(no_keys).verify, Taken().send, Options(), Meters(CollectorMetrics(Metrics()), structlog.get_logger())
        )
        with pytest.raises(ConfigurationError, match=str(port)):
            async with listening(collector, Options().head_bounds, host="127.0.0.1", port=port):
                pass


def test_an_answer_does_not_wait_for_acknowledgements() -> None:
    """Measured: 47 ms a request on a kept connection, of which 40 were the second packet's wait; asyncio leaves such listeners as they are."""
    with closing(_listener("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
