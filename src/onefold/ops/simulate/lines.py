"""Interactions from JSON Lines: what can be read, and what is wrong with the rest. A line that is none harms no neighbour."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from onefold.errors import PermanentError
from onefold.messages.codec import decode_identifiers, skim
from onefold.messages.topics import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import BinaryIO

    from onefold.messages.interactions import SkimmedInteraction, WireIdentifier

MOST_KEPT = 50_000
LONGEST_KEPT = 1_024
_MORE = MAX_MESSAGE_BYTES + 2
"""Bytes that are read at once: as many as show that a line is too long."""


class Line(NamedTuple):
    """An interaction, and where it stands, counted from 1."""

    number: int
    message: SkimmedInteraction
    raw: bytes
    """Its identifiers as they came: equal bytes mean the same visitor."""
    wire: Sequence[WireIdentifier]


class BadLine(Struct, frozen=True):
    """A line that is no interaction."""

    line: int
    """Counted from 1."""
    code: str
    """What a dead letter of it would say."""
    reason: str


def numbered(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold anything. One that is too long for a message is cut where that shows."""
    number = 0
    while line := stream.readline(_MORE):
        number += 1
        rest = line
        while len(rest) == _MORE and not rest.endswith(b"\n"):
            rest = stream.readline(_MORE)
        text = line.strip()
        if text:
            yield number, text


class Reader:
    """Reads lines, and remembers how visitors name themselves: they do it by the same bytes each time."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Sequence[WireIdentifier]] = {}

    def chunks(self, lines: Iterable[tuple[int, bytes]], size: int) -> Iterator[tuple[list[Line], list[BadLine]]]:
        """The interactions of so many lines at a time, and the lines among them that are none."""
        rest = iter(lines)
        while some := list(islice(rest, size)):
            good: list[Line] = []
            bad: list[BadLine] = []
            for number, text in some:
                try:
                    good.append(self._read(number, text))
                except PermanentError as error:
                    bad.append(BadLine(number, error.code, str(error)))
            yield good, bad

    def _read(self, number: int, text: bytes) -> Line:
        message = skim(text)
        raw = bytes(message.identifiers)
        wire = self._kept.get(raw)
        if wire is None:
            wire = decode_identifiers(raw)
            if len(raw) <= LONGEST_KEPT:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[raw] = wire
        return Line(number, message, raw, wire)
