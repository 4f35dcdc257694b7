"""What the log says of a user's act on contacts: the action, and what was different, typed, with identifiers masked (security.md, S99)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.identity.plan import Rule
from onefold.records.log import Act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.contacts.acting import User
    from onefold.identity.plan import ContactChanged, Plan

TYPES = {
    "attributes": "attribute",
    "owners": "ownership",
    "followers": "ownership",
    "taxonomies": "taxonomy",
    "tags": "tag",
    "profiles": "profile",
    "relationships": "relationship",
    "workflows": "workflow",
    "consent": "consent",
}
_BY_RULE = {Rule.ERASED: "erased", Rule.UNMERGE: "unmerged"}
_MASKED = frozenset({"email", "phone"})
_SHORT = 6


def acts_of(plan: Plan, user: User) -> Iterator[Act]:
    """One entry for each contact that the plan changes."""
    for change in plan.changes:
        details = [] if change.cause.rule is Rule.ERASED else list(_details(change))
        yield Act(
            user.actor,
            _action(change),
            "contacts",
            str(change.contact_id),
            change.version,
            change.cause.event_id,
            user.reason,
            details,
            user.origin,
        )


def mask(text: str) -> str:
    """`email:ann@example.com` as `email:a…@example.com`; of other values the first character and the last two, if they are long."""
    kind, colon, value = text.partition(":")
    if not colon:
        kind, value = "", text
    name, at, domain = value.rpartition("@")
    if at and name:
        return f"{kind}{colon}{name[0]}…@{domain}"
    return f"{kind}{colon}{value[0]}…{value[-2:]}" if len(value) > _SHORT else f"{kind}{colon}…"


def _action(change: ContactChanged) -> str:
    changes = change.changes
    if change.cause.rule in _BY_RULE:
        return _BY_RULE[change.cause.rule]
    if change.merged or change.merged_into is not None:
        return "merged" if change.merged else "absorbed"
    if change.version == 1:
        return "created"
    if set(changes) == {"archived_at"}:
        return "restored" if changes["archived_at"][1] is None else "archived"
    return "updated"


def _details(change: ContactChanged) -> Iterator[dict[str, object]]:
    for path, (old, new) in change.changes.items():
        first, _, rest = path.partition(".")
        if path == "identifiers":
            yield {
                "type": "identifier",
                "removed": [mask(str(each)) for each in _listed(old)],
                "present": [mask(str(each)) for each in _listed(new)],
            }
        elif path in _MASKED:
            yield {"type": "field", "slug": path, "old_value": _masked(old), "new_value": _masked(new)}
        else:
            kind = TYPES.get(first, "field")
            yield {"type": kind, "slug": rest if rest and kind != "field" else path, "old_value": old, "new_value": new}


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _masked(value: object) -> str | None:
    return mask(str(value)) if value is not None else None
