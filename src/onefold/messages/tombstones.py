"""What the headers of an erased contact's tombstone say, so that a store that was restored from before can erase again (decision 0045).

The value is null, as compaction wants it. Whoever merely follows contacts needs none of it: a null value says that the id leads nowhere.
Written by `onefold.records.erased`, read by `onefold.contacts.erasing_again`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from struct import Struct as Layout
from struct import error as WrongLength  # noqa: N812 -- it is a class
from typing import TYPE_CHECKING, Final, NamedTuple

from onefold.errors import InvalidMessage
from onefold.messages.times import time_text

if TYPE_CHECKING:
    from collections.abc import Iterable

WORKSPACE: Final = "onefold-workspace"
ERASED_AT: Final = "onefold-erased-at"
BARRED: Final = "onefold-barred"

HEADER_TITLES: Final = {
    WORKSPACE: "The workspace.",
    ERASED_AT: "When the contact was erased.",
    BARRED: "Base64 of 40 bytes for each identifier, a hash under a secret of the store and the microseconds since 1970, "
    "big-endian, up to which its events come to nothing. The ids of one erasure share its identifiers among them.",
}

_BAR: Final = Layout(">32sq")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Bar(NamedTuple):
    """Up to when events of an identifier come to nothing."""

    hash: bytes
    """32 bytes, under the store's secret: `suppressions.hash`."""
    at: datetime


class Tombstone(NamedTuple):
    """That a contact was erased."""

    workspace: str
    at: datetime
    bars: list[Bar]


def headers(told: Tombstone) -> dict[str, str]:
    """A tombstone's headers."""
    packed = b"".join(_BAR.pack(each.hash, (each.at - _EPOCH) // timedelta(microseconds=1)) for each in told.bars)
    return {WORKSPACE: told.workspace, ERASED_AT: time_text(told.at), BARRED: b64encode(packed).decode()}


def read(found: Iterable[tuple[str, bytes | None]]) -> Tombstone | None:
    """What a tombstone's headers say; None where they say nothing, as those of earlier releases. Raises InvalidMessage."""
    named = {name: value or b"" for name, value in found}
    if ERASED_AT not in named:
        return None
    try:
        at = datetime.fromisoformat(named[ERASED_AT].decode())
        bars = [Bar(hash_, _EPOCH + timedelta(microseconds=us)) for hash_, us in _BAR.iter_unpack(b64decode(named[BARRED], validate=True))]
        return Tombstone(named[WORKSPACE].decode(), at, bars)
    except (KeyError, ValueError, OverflowError, WrongLength) as error:
        raise InvalidMessage(f"a tombstone whose headers cannot be read: {error}", code="invalid_tombstone") from error
