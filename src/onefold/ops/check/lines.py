"""The lines of `interactions.resolved`, kept so compactly that months of them fit: before there is a timeline, they are the history.

Memory: 20 bytes for each position between the log's start and progress; about 150 bytes for each contact that lines name, and as much
for each pair of contact and tenure and of contact and partition. Ten million interactions of a million visitors cost about 600 MB.
Knows no topic and no database: `look` feeds it, `positions` and `people` compare.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID
from zlib import crc32

import msgspec

from onefold.messages.resolved import ResolvedLine
from onefold.ops.check.differences import MOST_KEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from onefold.topics.consumer import Record

_decode = msgspec.json.Decoder(ResolvedLine).decode
_TENURE_BITS, _PARTITION_BITS, _OFFSET_BITS = 38, 20, 44


class Span(NamedTuple):
    """The positions of one partition that must have been decided when the look began."""

    generation: int
    first: int
    next: int


class Told(NamedTuple):
    """What the greatest epoch says of a position."""

    epoch: int
    contact_id: UUID | None
    tenure_id: int | None
    event: int
    """A checksum of the event's id."""


class Regress(NamedTuple):
    """A line that lies behind one of a later position, of the same contact, partition and epoch."""

    partition: int
    offset: int
    epoch: int
    behind: int


@dataclass(slots=True)
class _Partition:
    span: Span
    epochs: array[int]
    """Of each position from `first` on; 0: no line."""
    whom: array[int]
    """Number of the pair of contact and tenure that the line names; 0: none."""
    prints: array[int]
    events: array[int]

    @classmethod
    def of(cls, span: Span) -> _Partition:
        count = max(0, span.next - span.first)
        return cls(span, *(array(kind, bytes(count * array(kind).itemsize)) for kind in "iIQI"))


@dataclass(slots=True)
class Lines:
    """What the lines of a look say, by position."""

    spans: Mapping[int, Span]
    sees: Callable[[str], bool]
    """Whether a workspace is looked at: of others only positions and epochs are kept."""
    read: int = 0
    unreadable: list[str] = field(default_factory=list)
    regresses: list[Regress] = field(default_factory=list)
    _partitions: dict[int, _Partition] = field(default_factory=dict)
    _disagreeing: set[tuple[int, int]] = field(default_factory=set)
    _contacts: dict[bytes, int] = field(default_factory=dict)
    _names: list[bytes] = field(default_factory=list)
    _pairs: dict[int, int] = field(default_factory=dict)
    _pair_list: list[int] = field(default_factory=lambda: [0])
    _last: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._partitions = {number: _Partition.of(span) for number, span in self.spans.items()}

    # -- taking -------------------------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """Note one record of the topic, in the order of its partition."""
        self.read += 1
        try:
            line = _decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            if len(self.unreadable) < MOST_KEPT:
                self.unreadable.append(f"{record.topic}/{record.partition} offset {record.offset}")
            return
        partition = self._partitions.get(line.partition)
        if partition is None or line.generation != partition.span.generation:
            return
        contact = self._contact(line) if self.sees(line.interaction.workspace) else None
        if contact is not None:
            self._order(record.partition, line, contact)
        if partition.span.first <= line.offset < partition.span.next:
            self._keep(partition, line, contact, record.value or b"")

    def _contact(self, line: ResolvedLine) -> int | None:
        if line.contact_id is None:
            return None
        raw = line.contact_id.bytes
        number = self._contacts.get(raw)
        if number is None:
            number = self._contacts[raw] = len(self._names)
            self._names.append(raw)
        return number

    def _order(self, resolved_partition: int, line: ResolvedLine, contact: int) -> None:
        key = (contact << _PARTITION_BITS | resolved_partition) << _PARTITION_BITS | line.partition
        last = self._last.get(key, 0)
        epoch, offset = last >> _OFFSET_BITS, last & ((1 << _OFFSET_BITS) - 1)
        if line.epoch == epoch and line.offset < offset:
            if len(self.regresses) < MOST_KEPT:
                self.regresses.append(Regress(line.partition, line.offset, line.epoch, offset))
        elif line.epoch >= epoch:
            self._last[key] = line.epoch << _OFFSET_BITS | line.offset

    def _keep(self, partition: _Partition, line: ResolvedLine, contact: int | None, value: bytes) -> None:
        at = line.offset - partition.span.first
        known = partition.epochs[at]
        if line.epoch < known:
            return
        # Python's hash of bytes is keyed anew in each process: nobody can make two lines collide.
        print_ = hash(value) & 0xFFFF_FFFF_FFFF_FFFF
        position = line.partition, line.offset
        if line.epoch == known:
            if print_ != partition.prints[at] and len(self._disagreeing) < MOST_KEPT:
                self._disagreeing.add(position)
            return
        self._disagreeing.discard(position)
        partition.epochs[at] = line.epoch
        partition.whom[at] = self._pair(contact, line.tenure_id) if contact is not None else 0
        partition.prints[at] = print_
        partition.events[at] = crc32(line.interaction.event_id.encode())

    def _pair(self, contact: int, tenure: int | None) -> int:
        key = contact << _TENURE_BITS | (tenure or 0)
        number = self._pairs.get(key)
        if number is None:
            number = self._pairs[key] = len(self._pair_list)
            self._pair_list.append(key)
        return number

    # -- telling ------------------------------------------------------------------------------------------------------

    @property
    def positions(self) -> int:
        """How many positions have been decided."""
        return sum(len(each.epochs) for each in self._partitions.values())

    @property
    def disagreeing(self) -> list[tuple[int, int]]:
        """Positions (partition, offset) of which the greatest epoch tells two things."""
        return sorted(self._disagreeing)

    def at(self, partition: int, offset: int) -> Told | None:
        """What is told of a position; None where nothing is, or it lies outside the span."""
        found = self._partitions.get(partition)
        if found is None or not found.span.first <= offset < found.span.next or not found.epochs[offset - found.span.first]:
            return None
        index = offset - found.span.first
        contact, tenure = self.pair(found.whom[index])
        return Told(found.epochs[index], contact, tenure, found.events[index])

    def spans_over(self, partition: int, offset: int) -> bool:
        """Whether the position must have been decided."""
        span = self.spans.get(partition)
        return span is not None and span.first <= offset < span.next

    def pair(self, number: int) -> tuple[UUID | None, int | None]:
        """Contact and tenure of a pair."""
        if not number:
            return None, None
        key = self._pair_list[number]
        return UUID(bytes=self._names[key >> _TENURE_BITS]), key & ((1 << _TENURE_BITS) - 1) or None

    def pairs(self) -> list[int]:
        """Numbers of the pairs that the greatest epochs name."""
        used: set[int] = set()
        for each in self._partitions.values():
            used.update(each.whom)
        used.discard(0)
        return sorted(used)

    def first_with(self, pair: int) -> tuple[int, int]:
        """The first position (partition, offset) that names a pair."""
        for number, each in sorted(self._partitions.items()):
            if pair in each.whom:
                return number, each.span.first + each.whom.index(pair)
        raise LookupError(pair)

    def without_line(self, partition: int) -> list[tuple[int, int]]:
        """Ranges of offsets, first and end, that have no line."""
        found = self._partitions[partition]
        ranges: list[tuple[int, int]] = []
        offset = found.span.first
        for has_line, run in groupby(found.epochs, bool):
            count = sum(1 for _ in run)
            if not has_line:
                ranges.append((offset, offset + count))
            offset += count
        return ranges

    def runs(self, partition: int) -> Iterator[tuple[int, int, int]]:
        """The greatest epochs in offset order: epoch, first and last offset of each run; positions without a line are passed over."""
        found = self._partitions[partition]
        offset = found.span.first
        for epoch, run in groupby(found.epochs):
            count = sum(1 for _ in run)
            if epoch:
                yield epoch, offset, offset + count - 1
            offset += count
