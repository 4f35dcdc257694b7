"""One interaction as the heart sees it: normalised, with its event time settled, its values sorted into fields and attributes.

Made from a wire message by `onefold.messages.reading`; decided on by `decide`. Nothing here reads a clock: event time came with
the record, and is never after the broker's append (architecture, section 2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from onefold.identity.assurance import Assurance
from onefold.identity.identifiers import Dropped, Identifier, IdentifierKey
from onefold.identity.membership import Membership


class Moment(NamedTuple):
    """When something happened, with the event id that breaks ties: at equal times the greater id wins (R7)."""

    at: datetime
    event_id: str


class Position(NamedTuple):
    """Where a record lies in the log."""

    topic: str
    partition: int
    offset: int


class Proof(Struct, frozen=True):
    """What a proved interaction proves (R8): one identifier, by one method (otp, magic_link, oauth, channel, manual)."""

    key: IdentifierKey
    method: str


class Interaction(Struct, frozen=True):
    """One event about one visitor."""

    position: Position
    event_id: str
    workspace: str
    type: str
    channel: str
    assurance: Assurance
    at: datetime
    """Event time, corrected for the device's clock and never after `appended_at`."""
    appended_at: datetime
    """The broker's append: the time that rows carry as created and updated."""
    identifiers: tuple[Identifier, ...]
    dropped: tuple[Dropped, ...] = ()
    proof: Proof | None = None
    asserts: frozenset[IdentifierKey] | None = None
    """What an identity token names, if one raised this interaction to asserted (S50): the rest counts as claimed. None where none did."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """`given_name` and `last_name`, trimmed and not blank."""
    attributes: Mapping[str, object] = field(default_factory=dict)
    """Unbound attributes; a null clears (R12)."""
    tags: tuple[str, ...] = ()
    """What an import hangs on the contact, beside what hangs there."""
    is_vendor: bool = False
    """Whether an import says that the contact is a vendor."""
    group: str | None = None
    """Slug of the organization that the contact is said to belong to."""
    organization: Membership | None = None
    """That organization, where there is one: looked up by whoever resolves (`records.resolution`)."""
    source: str = "event"
    """Where identifiers that it brings come from: `event`, or `import`."""
    raw: bytes = b""
    """The message as it lay in the log, for those that are kept."""
    is_released: bool = False
    """Whether a person let it go from where a limit had parked it: what counts over time does not hold it back again."""

    @property
    def moment(self) -> Moment:
        """Event time and id, as hand-overs and values compare them."""
        return Moment(self.at, self.event_id)

    @property
    def carries_values(self) -> bool:
        """Whether it may change a field, an attribute, or whom its contact belongs to."""
        return bool(self.fields or self.attributes or self.organization is not None)

    def without(self, quarantined: Collection[IdentifierKey]) -> Interaction:
        """The same, as it is read under rules by which these values do not resolve."""
        gone = tuple(Dropped(each.semantic_type, "quarantined") for each in self.identifiers if each.key in quarantined)
        if not gone:
            return self
        return replace(
            self,
            identifiers=tuple(each for each in self.identifiers if each.key not in quarantined),
            dropped=(*self.dropped, *gone),
            proof=None if self.proof is not None and self.proof.key in quarantined else self.proof,
        )

    def assurance_of(self, identifier: Identifier, *, device_bound: bool) -> Assurance:
        """How strongly this interaction binds one of its identifiers.

        A proved interaction proves its `proof` alone; its device-bound identifiers become asserted, all else is claimed (R8). An identity
        token asserts what it names, and nothing else: a page can put a stranger's e-mail beside its own visitor's token (S40, S50).
        """
        if self.asserts is not None:
            return Assurance.ASSERTED if identifier.key in self.asserts else Assurance.CLAIMED
        if self.assurance is not Assurance.PROVED:
            return self.assurance
        if self.proof is not None and identifier.key == self.proof.key:
            return Assurance.PROVED
        return Assurance.ASSERTED if device_bound else Assurance.CLAIMED

    @property
    def value_assurance(self) -> Assurance:
        """How strongly its fields and attributes count: as claimed beside a proof (R8) and beside a token, which signs none (S47)."""
        return Assurance.CLAIMED if self.assurance is Assurance.PROVED or self.asserts is not None else self.assurance
