"""What `decide` decided: rows to write, changes to tell, and an outcome for every interaction. Data only.

`onefold.records.apply` writes a plan; what-if and tests read it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct, field

from onefold.identity.assurance import Assurance
from onefold.identity.contact import Contact, ContactId, Tenure, TenureId
from onefold.identity.identifiers import IdentifierKey
from onefold.identity.interaction import Interaction, Position

if TYPE_CHECKING:
    from uuid import UUID


class OutcomeKind(StrEnum):
    """What became of an interaction; of several, the first in this order."""

    PARKED = "parked"
    """A limit left a part of it out; the rest applied (R11)."""
    MERGED = "merged"
    """Contacts that it named became one."""
    EVICTED = "evicted"
    """A proof took its identifier from another contact (R9, R10)."""
    HANDED_OVER = "handed_over"
    """A device went from one contact to another, since somebody else uses it now (guard 1, R7)."""
    CREATED = "created"
    """Nobody had been seen with any of its identifiers: a new ghost."""
    ATTACHED = "attached"
    """A contact got an identifier, or holds one more firmly."""
    UPDATED = "updated"
    """A contact got a value."""
    SEEN = "seen"
    """Nothing changed but times."""
    UNRESOLVED = "unresolved"
    """It names nobody."""
    BARRED = "barred"
    """Older than the separation of everything that it names, which nobody holds any more."""


class Reason(StrEnum):
    """Which guard or rule held something back (product.md, section 4)."""

    CONFLICT = "conflict"
    """Guard 1: the contacts hold different values of a `unique_per_contact` type."""
    PROOF = "proof"
    """Guard 2: a claim named an identifier that another contact holds validated, or a proof left a contact that had merely claimed it."""
    KNOWN = "known"
    """Guard 3: a claim named identifiers of two known contacts."""
    POLICY = "policy"
    """The workspace's policy lets a claim join no more than it did."""
    LIMIT = "limit"
    """Guard 4: a limit would be exceeded; the event is parked."""
    KEPT_APART = "kept_apart"
    """A person keeps the contacts apart."""
    BARRED = "barred"
    """The event is older than the last separation of an identifier."""
    NO_IDENTIFIER = "no_identifier"
    """None of the event's identifiers resolves."""


class Limit(StrEnum):
    """What an interaction would have exceeded (guard 4, R11). All but the last are set by the rules of its workspace."""

    VALUES_PER_TYPE = "values_per_type"
    """Identifiers of one type that a contact may hold; `max_per_contact` of the type goes before it."""
    IDENTIFIERS_PER_CONTACT = "identifiers_per_contact"
    """Identifiers that a contact may hold."""
    MERGES_PER_IDENTIFIER_HOUR = "merges_per_identifier_hour"
    """Contacts that may be merged through one identifier within an hour."""
    CONTACTS_PER_VALUE_DAY = "contacts_per_value_day"
    """Distinct contacts that one value may join on a day (UTC, event time), the first included. Beyond, it is quarantined."""
    BYTES_PER_CONTACT = "bytes_per_contact"
    """Fields and attributes of a contact, as JSON: 128 KiB."""


class Rule(StrEnum):
    """Why a tenure, a merge or a change came about."""

    NEW_VISITOR = "new_visitor"
    """The event created the contact."""
    SHARED_IDENTIFIER = "shared_identifier"
    """The event named it beside an identifier of the contact."""
    HAND_OVER = "hand_over"
    """The event took the device over."""
    EVICTION = "eviction"
    """The event proved it, and took it from whoever had merely claimed it."""
    ASIDE = "aside"
    """A claim may not join it to the contact of its event, so it lies with another one (R1)."""
    PROOF = "proof"
    """The event proved what the contact held already."""
    VALUES = "values"
    """The event brought a name or an attribute."""
    DECIDED = "decided"
    """A user decided it: a merge, a value, a validation, an archive, a word of consent."""
    RENAMED = "renamed"
    """A user renamed the contact's organization."""
    UNMERGE = "unmerge"
    """A user undid a merge."""
    RESTORED = "restored"
    """The store was restored to an earlier time, and tells again what the contact is."""
    ERASED = "erased"
    """A user erased the person: the last change of an id, before its tombstone."""
    DESTROYED = "destroyed"
    """A user deleted the archived contact for good: the last change of an id, before its tombstone."""
    CLEANED_UP = "cleaned_up"
    """A ghost that was neither seen nor changed for longer than the workspace keeps one: the last change of an id, before its tombstone."""


ActKind = Literal["user", "api", "import", "seed", "job"]
"""Who acts: a person, software through the User API, an import, a seed, a job of the workspace."""

BY_HAND = Position("", -1, -1)
"""Where evidence lies that no event gave."""


class Outcome(Struct, frozen=True):
    """The fate of one interaction. `tenure` is the one that its history hangs on."""

    interaction: Interaction
    kind: OutcomeKind
    reason: Reason | None
    contact_id: ContactId | None
    tenure: Tenure | None


class Act(Struct, frozen=True):
    """What a named user decided, or what software says with a secret key."""

    act_id: str
    actor: str
    reason: str | None
    at: datetime
    kind: ActKind = "user"

    @property
    def assurance(self) -> Assurance:
        """How sure what it says is: only a person decides (R19; product.md, section 4)."""
        return Assurance.DECIDED if self.kind == "user" else Assurance.ASSERTED


class Cause(Struct, frozen=True):
    """What brought a change about: an event at its position, or what a user did."""

    event_id: str
    """Of the event, or of the act."""
    position: Position | None
    rule: Rule
    actor: str | None = None
    kind: ActKind = "user"
    """Who acted, where it was no event."""


class ContactChanged(Struct, frozen=True):
    """One version of one contact, as it will be told. `snapshot` is None for an absorbed contact."""

    contact_id: ContactId
    workspace: str
    version: int
    at: datetime
    cause: Cause
    changes: dict[str, tuple[object, object]]
    merged: tuple[ContactId, ...]
    merged_into: ContactId | None
    snapshot: Contact | None
    listed: tuple[Tenure, ...]


class EvidenceKind(StrEnum):
    """Which evidence of a tenure is kept."""

    FIRST = "first"
    STRONGEST = "strongest"
    LAST = "last"


class Evidence(NamedTuple):
    """Why an identifier belongs to a contact."""

    tenure_id: TenureId
    workspace: str
    kind: EvidenceKind
    event_id: str
    position: Position
    at: datetime
    rule: Rule
    assurance: Assurance
    guard: Reason | None = None
    """What left something of its event out, such as the rest of what it named (`Outcome.reason`)."""
    actor: str | None = None
    """Who said so, where no event did: `event_id` is that of the act then, and `position` BY_HAND."""


class Merge(Struct, frozen=True):
    """Two contacts became one: all that unmerge and explain need."""

    workspace: str
    winner: Contact
    """The survivor as it was before the event."""
    absorbed: Contact
    """The absorbed record as it was."""
    identifier: str | None
    """The type of the identifier that joined them; a person needs none."""
    cause: Interaction | Act
    lost: dict[str, object]
    """Values that lost against the survivor's, by path."""
    labels: dict[TenureId, str]
    """Labels that the absorbed one's identifiers lost, since the survivor's wins."""
    gained: tuple[TenureId, ...]
    """Tenures of the absorbed one that are not in the store yet: it won them in this very plan."""
    through: tuple[TenureId, TenureId] | None = None
    """The tenures that the event named, the survivor's and the absorbed one's; a person needs none."""

    @property
    def survivor(self) -> ContactId:
        """Whose id leads on."""
        return self.winner.contact_id


class Excess(NamedTuple):
    """What one limit kept out of an interaction."""

    limit: Limit
    semantic_type: str | None = None
    """Of which there would be too many, or of the identifier that joined too often; None for values."""
    key: IdentifierKey | None = None
    """The identifier that was left where it is, or that joined too often; None for values."""


class Parked(Struct, frozen=True):
    """An interaction that is kept until a person releases it, since a limit left a part of it out (R11)."""

    interaction: Interaction
    excesses: tuple[Excess, ...]
    contact_id: ContactId
    """Whom the rest of it went to."""


class Quarantined(Struct, frozen=True):
    """A value that tried to join more contacts than it may: from the next interaction on it resolves no more (guard 5)."""

    tenure: Tenure
    """It stays with its holder."""
    contacts: int
    """Contacts that it had joined on the day, the first included."""
    interaction: Interaction
    """The one that would have joined one more."""


class Return(NamedTuple):
    """A merge that is undone: which tenures go back to the contact that was absorbed, and which redirects end at it again."""

    workspace: str
    merge_id: UUID
    contact_id: ContactId
    root: ContactId
    """Whom it leaves."""
    tenures: tuple[TenureId, ...]
    contacts: tuple[ContactId, ...]
    """The contact, and whom it absorbed."""
    act: Act


class KeptApart(NamedTuple):
    """Two contacts of which somebody said that they are two people: no event joins what holds them."""

    workspace: str
    one: ContactId
    other: ContactId
    why: Literal["unmerged", "refused"]
    actor: str
    reason: str | None
    at: datetime


class Barrier(NamedTuple):
    """A separation's time: older events attach, join and hand over nothing through the identifier."""

    workspace: str
    key: IdentifierKey
    at: datetime


class Erasure(Struct, frozen=True):
    """A person who is erased: a contact with everything that it absorbed. Or several ghosts that go at once."""

    workspace: str
    contact_id: ContactId
    """The root; the first of several."""
    contacts: tuple[ContactId, ...]
    """The roots, and whom they absorbed."""
    tenures: tuple[TenureId, ...]
    """All that they ever held, ended ones too."""
    barriers: tuple[Barrier, ...]
    """Kept under a key of their own (S107)."""
    keys: tuple[IdentifierKey, ...]
    """The identifiers that nobody else holds."""
    names: tuple[tuple[str, str], ...]
    """The same as type and text, as given and normalised."""
    act: Act


class Proposed(Struct, frozen=True):
    """Two contacts that an event would have joined, had a guard let it; as they were then."""

    workspace: str
    one: ContactId
    other: ContactId
    """`one` has the smaller id."""
    guard: Reason
    semantic_type: str
    """Of the identifier that names the other one."""
    interaction: Interaction


class Plan(Struct):
    """Everything that one transaction writes, and what it tells."""

    contacts_new: list[Contact] = field(default_factory=list)
    contacts_changed: list[Contact] = field(default_factory=list)
    tenures_new: list[Tenure] = field(default_factory=list)
    tenures_changed: list[Tenure] = field(default_factory=list)
    separated: list[Tenure] = field(default_factory=list)
    kept_apart: list[KeptApart] = field(default_factory=list)
    barriers: list[Barrier] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    proposed: list[Proposed] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    changes: list[ContactChanged] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    parked: list[Parked] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    current: list[Tenure] = field(default_factory=list)
    """The open tenures of the interactions' identifiers after the plan: what the index should say."""
    moved: int = 0
    """Tenures that its merges move; bounded by the caller's budget."""

    @property
    def writes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self.contacts_new or self.contacts_changed or self.tenures_new or self.tenures_changed)

    @property
    def touched(self) -> set[tuple[str, ContactId]]:
        """Contacts in the store whose lock the plan needs."""
        found = {(contact.workspace, contact.contact_id) for contact in self.contacts_changed}
        found.update((tenure.workspace, tenure.contact_id) for tenure in self.tenures_changed)
        return found
