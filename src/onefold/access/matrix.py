"""The permission matrix: who may do what to what, as data (product.md, section 9; security.md, S76, S78). Deny by default.

A cell is of a role, a resource and an action, and says how far: everything, what one owns, what one owns or follows, or nothing. A user
with several roles has the widest of their cells. Fields that a role may not write stand beside it. `docs/reference/roles.md` is made of
this.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Cells: TypeAlias = Mapping[str, Mapping[str, "Scope"]]

Role = Literal["super_admin", "master", "service_account", "coach", "journey_manager"]


class Scope(IntEnum):
    """How far a permission reaches."""

    NOTHING = 0
    OWNED = 1
    """What the caller owns."""
    FOLLOWED = 2
    """What the caller owns or follows."""
    EVERYTHING = 3


TITLES: Final[Mapping[Role, str]] = {
    "super_admin": "Super Admin",
    "master": "Master",
    "service_account": "Service Account",
    "coach": "Coach",
    "journey_manager": "Journey Manager",
}
RANK: Final[Mapping[str, int]] = {"super_admin": 4, "master": 3, "service_account": 2, "coach": 1, "journey_manager": 1}
"""Nobody grants a role above their own (S79)."""

_RECORD = ("read", "create", "update", "archive", "destroy")
"""`archive` is the first delete and its undoing, `destroy` the second."""
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "contacts": (*_RECORD, "merge", "erase", "export"),
    "organizations": _RECORD,
    "documents": _RECORD,
    "activities": ("read", "create", "update", "destroy"),
    "ownership": ("read", "update"),
    "proposals": ("read", "decide"),
    "profiles": _RECORD,
    "taxonomies": _RECORD,
    "tags": _RECORD,
    "relationships": _RECORD,
    "workflows": _RECORD,
    "document_templates": _RECORD,
    "segments": _RECORD,
    "simulation": ("read",),
    "catalog": ("read", "update"),
    "rules": ("read", "update"),
    "cleanup": ("read", "update"),
    "validation": ("read", "update"),
    "jobs": ("read", "create", "update"),
    "imports": ("read", "create"),
    "seeds": ("read", "create"),
    "log": ("read",),
    "keys": _RECORD,
    "issuers": ("read", "create", "update", "destroy"),
    "webhooks": ("read", "create", "update", "destroy"),
    "users": ("read", "create", "update", "archive"),
    "account": ("read", "update"),
}
"""Every action of every resource; `account` is one's own user and sessions."""

_NOT_MASTER = {"users": ("create", "update", "archive"), "issuers": ("create", "update", "destroy")}
_NOT_MACHINE = {
    "contacts": ("erase", "export"), "catalog": ("update",), "cleanup": ("update",), "keys": _RECORD, "issuers": ("read",),
    "validation": ("update",),  # where texts go costs money
    "webhooks": ("read", "create", "update", "destroy"),  # an export that goes on
}  # fmt: skip
_MANAGED = ("contacts", "organizations", "documents")
_PICKED = (
    "profiles", "taxonomies", "tags", "relationships", "workflows", "document_templates", "segments", "catalog", "users",
)  # fmt: skip


def _everything(*denied: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Scope]]:
    refused = {(resource, action) for each in denied for resource, actions in each.items() for action in actions}
    return {
        resource: {action: Scope.EVERYTHING for action in actions if (resource, action) not in refused}
        for resource, actions in ACTIONS.items()
    }


def _coach() -> dict[str, dict[str, Scope]]:
    return {
        resource: {"read": Scope.EVERYTHING} for resource in ACTIONS if resource not in {"keys", "issuers", "webhooks", "seeds", "imports"}
    }


def _journey_manager() -> dict[str, dict[str, Scope]]:
    cells: dict[str, dict[str, Scope]] = {resource: {"read": Scope.EVERYTHING} for resource in _PICKED}
    for resource in _MANAGED:
        cells[resource] = {
            "read": Scope.FOLLOWED,
            "create": Scope.EVERYTHING,
            "update": Scope.OWNED,
            "archive": Scope.OWNED,
            "destroy": Scope.OWNED,
        }
    cells["contacts"]["merge"] = Scope.OWNED
    cells["tags"]["create"] = Scope.EVERYTHING
    cells["ownership"] = {"read": Scope.FOLLOWED}
    cells["activities"] = {"read": Scope.FOLLOWED, "create": Scope.FOLLOWED, "update": Scope.FOLLOWED, "destroy": Scope.OWNED}
    cells["proposals"] = {"read": Scope.OWNED, "decide": Scope.OWNED}
    cells["log"] = {"read": Scope.FOLLOWED}
    cells["account"] = {"read": Scope.EVERYTHING, "update": Scope.EVERYTHING}
    return cells


MATRIX: Final[Mapping[str, Cells]] = {
    "super_admin": _everything(),
    "master": _everything(_NOT_MASTER),
    "service_account": _everything(_NOT_MASTER, _NOT_MACHINE),
    "coach": {**_coach(), "account": {"read": Scope.EVERYTHING, "update": Scope.EVERYTHING}},
    "journey_manager": _journey_manager(),
}

UNWRITABLE: Final[Mapping[str, Mapping[str, frozenset[str]]]] = {
    "journey_manager": {
        "contacts": frozenset({"is_vendor", "owners"}),
        "organizations": frozenset({"owners"}),
        "documents": frozenset({"owners"}),
    },
}
"""Fields of a resource that a role may read and not write (S78)."""


def scope(roles: Iterable[str], resource: str, action: str) -> Scope:
    """How far these roles reach, together. KeyError for an action that no resource has: a door's mistake, not a caller's."""
    if action not in ACTIONS[resource]:
        raise KeyError(f"{resource} has no action {action}")
    return max((MATRIX[role].get(resource, {}).get(action, Scope.NOTHING) for role in roles if role in MATRIX), default=Scope.NOTHING)


def unwritable(roles: Iterable[str], resource: str) -> frozenset[str]:
    """Fields that none of these roles may write."""
    each = [UNWRITABLE.get(role, {}).get(resource, frozenset()) for role in roles]
    return frozenset.intersection(*each) if each else frozenset()


def rank(roles: Iterable[str]) -> int:
    """How high these roles stand."""
    return max((RANK.get(role, 0) for role in roles), default=0)
