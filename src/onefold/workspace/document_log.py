"""What the log says of an act on a document: the action, and what was different, typed (security.md, S99)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onefold.identity.classification import UNCLASSIFIED, differences
from onefold.records.log import Act, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onefold.records.documents import Document
    from onefold.workspace.documents import Done

TYPES = {
    "owners": "ownership",
    "followers": "ownership",
    "taxonomies": "taxonomy",
    "relationships": "relationship",
    "workflows": "workflow",
}
_FIELDS = ("title", "parent_id")


def act_of(done: Done, actor: str, reason: str | None = None, origin: Origin | None = None) -> Act:
    """One entry for a document that was made or is different."""
    document = done.after
    return Act(
        actor,
        _action(done),
        "documents",
        str(document.document_id),
        document.version,
        None,
        reason,
        list(changes(done.before, document)),
        origin or Origin(),
    )


def changes(before: Document | None, after: Document) -> Iterator[dict[str, object]]:
    """What is different, the old and the new value of each."""
    for name in _FIELDS:
        old, new = _plain(getattr(before, name, None)), _plain(getattr(after, name))
        if old != new:
            yield {"type": "field", "slug": name, "old_value": old, "new_value": new}
    if before is not None and before.follows_contact != after.follows_contact:
        old, new = _mode(before), _mode(after)
        yield {"type": "field", "slug": "ownership_mode", "old_value": old, "new_value": new}
    held = before.values if before is not None else {}
    for slug in sorted(held.keys() | after.values.keys()):
        if held.get(slug) != after.values.get(slug):
            yield {"type": "attribute", "slug": slug, "old_value": held.get(slug), "new_value": after.values.get(slug)}
    tags = list(before.tags) if before is not None else []
    if tags != list(after.tags):
        yield {"type": "tag", "slug": "tags", "old_value": tags, "new_value": list(after.tags)}
    for path, (old, new) in differences(before.classification if before is not None else UNCLASSIFIED, after.classification).items():
        first, _, rest = path.partition(".")
        if first != "profiles":
            yield {"type": TYPES[first], "slug": rest or path, "old_value": old, "new_value": new}


def _action(done: Done) -> str:
    if done.before is None:
        return "created"
    if (done.before.archived_at is None) != (done.after.archived_at is None):
        return "archived" if done.after.archived_at is not None else "restored"
    return "updated"


def _mode(document: Document) -> str:
    return "sync_with_contact" if document.follows_contact else "independent"


def _plain(value: Any) -> object:
    return str(value) if value is not None else None
