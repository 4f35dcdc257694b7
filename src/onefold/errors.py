"""The error tree: one root, three branches that decide a failure's fate, and configuration errors.

A class carries facts as attributes and knows no status code: each door (stream envelope, HTTP, command line) has one
table that maps branches to its own answer. Library errors are translated where they enter (`raise … from`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class OnefoldError(Exception):
    """Root of everything that Onefold raises on purpose."""

    code = "error"
    """Stable word for logs, answers and dead letters."""


class Refused(OnefoldError):
    """The rules say no. The request was understood, and repeating it changes nothing until the state changes."""

    code = "refused"


class ContactNotFound(Refused):
    """No contact answers to the id or identifier that was asked for."""

    code = "contact_not_found"


class ContactErased(Refused):
    """The contact was erased: its id leads nowhere any more, and never will again."""

    code = "contact_erased"

    def __init__(self, contact_id: object, at: datetime) -> None:
        super().__init__(f"contact {contact_id} was erased at {at:%Y-%m-%d %H:%M:%SZ}; its id leads nowhere any more")
        self.contact_id = contact_id
        self.at = at


class MergeNotFound(Refused):
    """No merge that is in force answers to what was asked for: the contact stands by itself, or its merge was undone."""

    code = "merge_not_found"


class MergeRefused(Refused):
    """Two contacts that cannot become one: they are one, or would be too large; the text says which."""

    code = "merge_refused"


class ProposalNotFound(Refused):
    """There is no such proposal."""

    code = "proposal_not_found"


class ProposalClosed(Refused):
    """Nothing is left to decide of a proposal."""

    code = "proposal_closed"


class VersionConflict(Refused):
    """A contact is at another version than the one that a change was made for."""

    code = "version_conflict"


class ValueHeld(Refused):
    """A value stands more firmly than whoever wants another one can speak: software does not replace what a person decided."""

    code = "value_held"

    def __init__(self, path: str, assurance: str) -> None:
        super().__init__(f"{path} is {assurance}, so only a person replaces it: change it as a user, not with a key")
        self.path = path


class IdentifierNotFound(Refused):
    """The contact has no such identifier."""

    code = "identifier_not_found"


class IdentifierHeld(Refused):
    """An identifier belongs to a contact already: it has one owner in a workspace."""

    code = "identifier_held"

    def __init__(self, semantic_type: str, holder: object, *, is_own: bool) -> None:
        who = "this contact itself" if is_own else "another contact"
        way = "there is nothing to add" if is_own else "merge the two if they are one person, or remove it there first"
        super().__init__(f"this {semantic_type} belongs to {who} already: {way}")
        self.semantic_type = semantic_type
        self.holder = holder
        """Id of the contact; whether the caller may see it is the door's matter."""
        self.is_own = is_own


class IdentifierConflict(Refused):
    """A contact holds another value of a type of which it holds only one."""

    code = "identifier_conflict"


class LabelTaken(Refused):
    """Another identifier of the type carries the label already."""

    code = "slug_taken"


class LimitReached(Refused):
    """A contact holds as many identifiers as it may."""

    code = "limit_reached"


class IdentifierTypeNotFound(Refused):
    """The catalog has no such type that could be taken out."""

    code = "identifier_type_not_found"


class NotArchived(Refused):
    """What was asked for is meant for archived records, or for active ones."""

    code = "not_archived"


class SegmentNotFound(Refused):
    """No segment of the workspace has the slug that was asked for."""

    code = "segment_not_found"


class OrganizationNotFound(Refused):
    """No organization of the workspace answers to the id or slug that was asked for."""

    code = "organization_not_found"


class OrganizationInUse(Refused):
    """Contacts belong to an organization that was to be destroyed."""

    code = "organization_in_use"

    def __init__(self, slug: str, contacts: int) -> None:
        super().__init__(f"{contacts:,} contacts belong to {slug}: give them another organization, or none, first")
        self.slug = slug
        self.contacts = contacts


class OrganizationRefused(Refused):
    """What was asked for would make no tree, or comes too early; the text says which."""

    code = "organization_refused"


class WorkspaceNotFound(Refused):
    """No workspace has the slug that was asked for."""

    code = "workspace_not_found"


class AlreadyExists(Refused):
    """What was to be made exists already under the same name."""

    code = "already_exists"


class RulesChanged(Refused):
    """Somebody else changed the rules of the workspace meanwhile; the text says who and when."""

    code = "rules_changed"


class RulesInUse(Refused):
    """Contacts hold what the new rules would take away or forbid; the text counts them."""

    code = "rules_in_use"


class JobNotFound(Refused):
    """No job has the id that was asked for."""

    code = "job_not_found"


class JobHeld(Refused):
    """Another process runs a job of this kind now; the text says which and where."""

    code = "job_held"


class JobEnded(Refused):
    """The job is done, failed for good, or was cancelled: it cannot be resumed."""

    code = "job_ended"


class JobLost(Refused):
    """The session that held the job ended: somebody else may work on it by now."""

    code = "job_lost"


class LetterNotFound(Refused):
    """The dead-letter topic holds no letter at the place that was asked for."""

    code = "letter_not_found"


class ParkedNotFound(Refused):
    """No parked interaction lay at the place that was asked for."""

    code = "parked_not_found"


class NotQuarantined(Refused):
    """The value that was asked for is not in quarantine."""

    code = "not_quarantined"


class InvalidRange(Refused):
    """A range of the log that does not exist."""

    code = "invalid_range"


class PermanentError(OnefoldError):
    """Retrying is useless: the input itself is at fault."""

    code = "permanent"


class InvalidMessage(PermanentError):
    """A record or body that cannot be read as what it should be."""

    code = "invalid_message"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UnsupportedVersion(PermanentError):
    """A message of a schema version from the future. It can be redriven after an upgrade."""

    code = "unsupported_version"

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(f"schema version {found} is newer than the {supported} that this build reads; upgrade and redrive")
        self.found = found
        self.supported = supported


class RejectedByStore(PermanentError):
    """Postgres takes what one record says under no circumstances (poison 30)."""

    code = "rejected_by_store"


class InvalidQuery(PermanentError):
    """A segment query that does not parse; the text says where and why."""

    code = "invalid_query"


class InvalidRules(PermanentError):
    """Rules of resolution that cannot be used; the text names every place and says what to do."""

    code = "invalid_rules"


class TemporaryError(OnefoldError):
    """A dependency does not answer. Pause, keep polling, try again."""

    code = "temporary"

    def __init__(self, message: str, *, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StoreUnavailable(TemporaryError):
    """Postgres does not answer."""

    code = "store_unavailable"


class RulesUnreadable(TemporaryError):
    """The stored rules of a workspace say what this build does not know: it must not decide by half of them."""

    code = "rules_unreadable"


class IndexUnavailable(TemporaryError):
    """Redis does not answer. Resolution goes on without it, slower."""

    code = "index_unavailable"


class LogUnavailable(TemporaryError):
    """Kafka does not answer."""

    code = "log_unavailable"


class Fenced(OnefoldError):
    """A newer owner holds this partition or shard; the present one must let go and not retry."""

    code = "fenced"


class ConfigurationError(OnefoldError):
    """A setting is missing, wrong or unsafe: refuse to start and say what to do."""

    code = "configuration"
