"""The contact and its tenures, as the heart handles them, and what is derived from them.

A tenure is an identifier while it belongs to one contact. A contact carries a summary (counts, held unique values) so that
deciding never needs all of its identifiers; `listed` holds the at most 200 that a change message shows, labelled ones first.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Literal, NamedTuple, NewType
from uuid import UUID

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.classification import UNCLASSIFIED, Classification
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.interaction import Moment
from onefold.identity.membership import Membership

ContactId = NewType("ContactId", UUID)
TenureId = NewType("TenureId", int)

LISTED_IDENTIFIERS = 200
"""How many identifiers a snapshot lists, so that a message stays under a megabyte (product.md, section 5)."""

MAIN = "main"


class Joins(NamedTuple):
    """The merges that an identifier brought about lately: when the latest, how many in its hour, how many on its day (R11)."""

    at: datetime | None = None
    in_hour: int = 0
    in_day: int = 0

    def until(self, at: datetime) -> tuple[int, int]:
        """Merges in the hour and on the day of an event (UTC). One that is older counts in the latest ones."""
        if self.at is None:
            return 0, 0
        same_hour = at < self.at or at.replace(minute=0, second=0, microsecond=0) == self.at.replace(minute=0, second=0, microsecond=0)
        return self.in_hour if same_hour else 0, self.in_day if at < self.at or at.date() == self.at.date() else 0

    def and_more(self, at: datetime, count: int) -> Joins:
        """With so many more at a time."""
        in_hour, in_day = self.until(at)
        return Joins(at if self.at is None else max(at, self.at), in_hour + count, in_day + count)


NO_JOINS = Joins()


class Tenure(Struct):
    """An identifier while it belongs to one contact.

    `contact_id` is whom it was given to; where that contact was absorbed since, the holder is its root.
    """

    tenure_id: TenureId
    workspace: str
    contact_id: ContactId
    key: IdentifierKey
    semantic_type: str
    identifier: str
    normalised: str
    slug: str | None
    assurance: Assurance
    source: str
    outreach: bool
    first_seen_at: datetime
    last_seen_at: datetime
    is_validated: bool = False
    validated_at: datetime | None = None
    validated_by: str | None = None
    used: Moment | None = None
    """Last use together with a personal identifier of the holder; kept for device-bound identifiers (R7)."""
    held_from: Moment | None = None
    """None: since ever. Set where a hand-over opened the tenure."""
    held_until: datetime | None = None
    """None while the tenure is open."""
    via: TenureId | None = None
    joins: Joins = NO_JOINS

    @property
    def is_open(self) -> bool:
        """Whether the identifier still belongs to the contact."""
        return self.held_until is None

    @property
    def since(self) -> datetime:
        """From when on it was the contact's, by event time."""
        return self.held_from.at if self.held_from is not None else self.first_seen_at

    @property
    def text(self) -> str:
        """As people write it: `type:normalised`."""
        return f"{self.semantic_type}:{self.normalised}"

    def fork(self) -> Tenure:
        """A copy that can be changed without touching this one."""
        return copy(self)


class Provenance(NamedTuple):
    """Where a value came from. The first three, in their order, are its `place` among those that compete with it (R12)."""

    assurance: Assurance
    at: datetime
    event_id: str
    via: TenureId | None = None
    """The tenure that its interaction's history hangs on: an unmerge leaves each value where its tenure is."""
    beside: tuple[TenureId, ...] = ()
    """The personal identifiers that its interaction named as the contact's: what a proof copies with one that it takes (R9)."""

    @property
    def place(self) -> tuple[Assurance, datetime, str]:
        """What decides between two values: the greater one is the contact's."""
        return self[:3]


class Consent(Struct, frozen=True):
    """What a person said of one purpose."""

    state: Literal["granted", "denied"]
    source: str
    """Where it was said: a form, a call, a letter."""
    at: datetime
    of: ContactId
    """The contact that it was said of, as it was then: an unmerge leaves each with whom it concerned."""


class Summary(Struct):
    """What the guards need of a contact: its open tenures, counted exactly at every attach, end and merge."""

    open_by_type: dict[str, int] = field(default_factory=dict)
    validated_by_type: dict[str, int] = field(default_factory=dict)
    by_assurance: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    unique: dict[str, IdentifierKey] = field(default_factory=dict)
    """Held value by `unique_per_contact` type."""
    apart: bool = False
    """Whether the contact, or one that it absorbed, is kept apart from another: whoever might join it looks from whom."""
    restored_at: datetime | None = None
    """When a user said that the contact, by this very id, is active; None once it is archived after that. An unmerge leaves it so."""

    def copy(self) -> Summary:
        """An independent copy."""
        return Summary(
            dict(self.open_by_type),
            dict(self.validated_by_type),
            list(self.by_assurance),
            dict(self.unique),
            self.apart,
            self.restored_at,
        )

    @property
    def total(self) -> int:
        """Open tenures of the contact."""
        return sum(self.by_assurance)

    @property
    def strength(self) -> Assurance:
        """The strongest assurance among the open tenures; claimed when there is none."""
        return Assurance(max((level for level, count in enumerate(self.by_assurance) if count), default=0))

    def count(self, tenure: Tenure, sign: int, *, unique: bool) -> None:
        """Count one open tenure in (`sign` 1) or out (-1). What goes out is held once no more, also of a type that was unique before."""
        kind = tenure.semantic_type
        self.open_by_type[kind] = self.open_by_type.get(kind, 0) + sign
        if tenure.is_validated:
            self.validated_by_type[kind] = self.validated_by_type.get(kind, 0) + sign
        self.by_assurance[tenure.assurance] += sign
        if unique and sign > 0:
            self.unique.setdefault(kind, tenure.key)
        elif sign < 0 and self.unique.get(kind) == tenure.key:
            del self.unique[kind]

    def add(self, other: Summary) -> None:
        """Take over everything that another contact held."""
        for kind, count in other.open_by_type.items():
            self.open_by_type[kind] = self.open_by_type.get(kind, 0) + count
        for kind, count in other.validated_by_type.items():
            self.validated_by_type[kind] = self.validated_by_type.get(kind, 0) + count
        self.by_assurance = [mine + theirs for mine, theirs in zip(self.by_assurance, other.by_assurance, strict=True)]
        for kind, key in other.unique.items():
            self.unique.setdefault(kind, key)
        self.apart = self.apart or other.apart


class Contact(Struct):
    """The unified record of one person, without what only pages read."""

    contact_id: ContactId
    workspace: str
    version: int
    created_at: datetime
    updated_at: datetime
    first_seen_at: datetime
    last_seen_at: datetime
    type: str = "ghost"
    given_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    is_vendor: bool = False
    organization_id: UUID | None = None
    organization_name: str | None = None
    """As the organization was called when this was written: whoever renames it rewrites its contacts, but not records of merges."""
    classification: Classification = UNCLASSIFIED
    attributes: dict[str, dict[str, object]] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    consent: dict[str, Consent] = field(default_factory=dict)
    """By purpose."""
    provenance: dict[str, Provenance] = field(default_factory=dict)
    """By path: `given_name`, `attributes.unbound.plan`. A path without a value was cleared, and keeps its place (R12)."""
    summary: Summary = field(default_factory=Summary)
    merged_into: ContactId | None = None
    root: ContactId | None = None
    archived_at: datetime | None = None
    erased_at: datetime | None = None
    """Of a husk: nothing but its id, its version and where it led is left."""
    listed: list[Tenure] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Whether it holds an asserted or proved identifier (product.md, section 4)."""
        held = self.summary.by_assurance
        return bool(held[1] or held[2] or held[3])

    @property
    def membership(self) -> Membership | None:
        """Whom it belongs to."""
        return Membership(self.organization_id, self.organization_name or "") if self.organization_id is not None else None

    @property
    def is_absorbed(self) -> bool:
        """Whether another contact absorbed it; its id then redirects to `root`."""
        return self.merged_into is not None

    def fork(self) -> Contact:
        """A copy that can be changed without touching this one (tenures stay shared)."""
        twin = copy(self)
        twin.attributes = {profile: dict(values) for profile, values in self.attributes.items()}
        twin.tags = list(self.tags)
        twin.consent = dict(self.consent)
        twin.provenance = dict(self.provenance)
        twin.summary = self.summary.copy()
        twin.listed = list(self.listed)
        return twin

    def derive(self) -> None:
        """Recompute what is derived: type, and email and phone from the Main identifiers (product.md, section 2)."""
        self.email = self._main("email")
        self.phone = self._main("phone")
        self.type = derived_type(self)

    def _main(self, kind: str) -> str | None:
        if not self.summary.open_by_type.get(kind):
            return None
        for tenure in self.listed:
            if tenure.slug == MAIN and tenure.semantic_type == kind:
                return tenure.identifier
        return None


def derived_type(contact: Contact) -> str:
    """The type as a pure function of the present state (product.md, section 2): vendor, ghost, lead or contact."""
    if contact.is_vendor:
        return "vendor"
    if not contact.given_name or not contact.last_name:
        return "ghost"
    held, validated = contact.summary.open_by_type, contact.summary.validated_by_type
    if not held.get("email") and not held.get("phone"):
        return "ghost"
    return "contact" if validated.get("email") or validated.get("phone") else "lead"


def listing_order(tenure: Tenure) -> tuple[bool, int]:
    """Labelled identifiers first, then the oldest."""
    return (tenure.slug is None, tenure.tenure_id)
