"""Who calls: found by a credential, of one workspace, with roles as they are now (security.md, S83, S88)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onefold.access import matrix
from onefold.access.matrix import Scope
from onefold.errors import Refused
from onefold.records.log import Origin
from onefold.records.visibility import Visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


class NotAllowed(Refused):
    """The caller's roles do not reach so far."""

    code = "not_allowed"


class MustReset(NotAllowed):
    """The caller must choose a password first."""

    code = "password_change_needed"


class NotSignedIn(Refused):
    """The call shows no credential, or none that counts."""

    code = "not_signed_in"


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, by whatever credential."""

    workspace: str
    user_id: UUID
    roles: frozenset[str]
    origin: Origin = field(default_factory=Origin)
    session_id: UUID | None = None
    key_id: UUID | None = None
    must_reset: bool = False
    """Whether they must choose a password before anything else."""

    @property
    def actor(self) -> str:
        """How causes and the log name the caller."""
        return f"user:{self.user_id}"

    @property
    def is_machine(self) -> bool:
        """Whether software speaks: what it says of people is asserted, not decided (product.md, section 4)."""
        return self.key_id is not None or self.roles == {"service_account"}

    def scope(self, resource: str, action: str) -> Scope:
        """How far the caller may go."""
        return matrix.scope(self.roles, resource, action)

    def demand(self, resource: str, action: str, *, at_least: Scope = Scope.OWNED) -> Scope:
        """How far the caller may go. Raises NotAllowed where that is not far enough."""
        if self.must_reset and resource != "account":
            raise MustReset("choose a password of your own first: PUT /api/v1/me/password")
        found = self.scope(resource, action)
        if found < at_least:
            raise NotAllowed(f"your roles ({', '.join(sorted(self.roles))}) do not allow to {action} {resource}; ask a Super Admin")
        return found

    def demand_fields(self, resource: str, names: Iterable[str]) -> None:
        """Raises NotAllowed where one of these fields is not the caller's to write (S78)."""
        refused = sorted(matrix.unwritable(self.roles, resource) & set(names))
        if refused:
            raise NotAllowed(f"your roles ({', '.join(sorted(self.roles))}) do not allow to write {', '.join(refused)} of {resource}")

    def visible(self, scope: Scope) -> Visible:
        """Whom a query may show under a scope."""
        kinds = {Scope.NOTHING: (), Scope.OWNED: ("owner",), Scope.FOLLOWED: ("owner", "follower")}.get(scope)
        return Visible(str(self.user_id), kinds)
