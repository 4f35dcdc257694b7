"""What distinguishes two documents of rules, key by key, and how one key of a document is set or taken out.

Keys are paths: `policy`, `limits.values_per_type`, `catalog.email.max_per_contact`, `blocked.user_id.exact`. Called by
`onefold.workspace.rules`, and by whoever shows a difference.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from onefold.errors import InvalidRules
from onefold.identity.catalog import BUILT_IN
from onefold.identity.rules_document import in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onefold.identity.rules_document import Document

_NESTED = ("limits", "normalise")
_BY_TYPE = ("catalog", "blocked")
_DEPTH_BY_TYPE = 3
_BUILT_IN = frozenset(each.semantic_type for each in BUILT_IN)


@dataclass(frozen=True, slots=True)
class Change:
    """One key that is not as it was. None stands for unset, and for what was not there."""

    key: str
    before: Any
    after: Any
    kind: Literal["changed", "fixed", "freed"]
    """Another value; or the same one, that was Onefold's default and is the workspace's own now, or the other way round."""


def difference(before: Document, after: Document) -> tuple[Change, ...]:
    """What changes from one document to another, in the order of the keys."""
    old, new = flat(in_force(before)), flat(in_force(after))
    given_before, given_after = flat(before.given()), flat(after.given())
    changes = []
    for key in sorted(old.keys() | new.keys()):
        was, becomes = old.get(key), new.get(key)
        if was != becomes:
            changes.append(Change(key, was, becomes, "changed"))
        elif key in old and (key in given_before) != (key in given_after):
            changes.append(Change(key, was, becomes, "fixed" if key in given_after else "freed"))
    return tuple(changes)


def given_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """What changes between what two documents say themselves; None is what one does not say. Takes documents of any build."""
    old, new = flat(before), flat(after)
    return tuple(
        Change(key, old.get(key), new.get(key), "changed") for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)
    )


def flat(document: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a document by their paths. Of a catalog entry, its type is part of the path."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name in _NESTED:
            found |= {f"{name}.{key}": each for key, each in value.items()}
        elif name == "catalog":
            for entry in value:
                kind = entry["semantic_type"]
                said = {f"{name}.{kind}.{key}": each for key, each in entry.items() if key != "semantic_type"}
                found |= said or {f"{name}.{kind}": {}}
        elif name == "blocked":
            found |= {f"{name}.{kind}.{key}": each for kind, part in value.items() for key, each in part.items() if each}
        else:
            found[name] = value
    return found


def with_key(given: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    """The document with this key set; whether the value may stand there is for `rules_document` to say. Raises InvalidRules."""
    changed = deepcopy(dict(given))
    parent, name = _parent(changed, key)
    parent[name] = value
    return changed


def without_key(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The document without this key, which follows the default again. Raises InvalidRules where it says nothing of it."""
    changed = deepcopy(dict(given))
    if key.startswith("catalog.") and key.count(".") == 1:
        kept = [entry for entry in changed.get("catalog", ()) if entry["semantic_type"] != key.partition(".")[2]]
        found = len(kept) < len(changed.get("catalog", ()))
        changed["catalog"] = kept
    elif key.startswith("blocked.") and key.count(".") == 1:
        found = changed.get("blocked", {}).pop(key.partition(".")[2], None) is not None
    else:
        parent, name = _parent(changed, key)
        found = name in parent
        parent.pop(name, None)
    if not found:
        raise InvalidRules(f"{key} is not set, so it follows the default already; `onefold rules show --given` shows what is set")
    return _tidy(changed)


def _parent(document: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The object that holds the last step of a path, made if it is not there."""
    steps = key.split(".")
    if len(steps) == 1 and steps[0]:
        return document, steps[0]
    _refuse_other_shapes(document, steps[0])
    if steps[0] in _NESTED and len(steps) == _DEPTH_BY_TYPE - 1:
        return document.setdefault(steps[0], {}), steps[1]
    if steps[0] in _BY_TYPE and len(steps) == _DEPTH_BY_TYPE and steps[-1] != "semantic_type":
        if steps[0] == "blocked":
            return document.setdefault("blocked", {}).setdefault(steps[1], {}), steps[2]
        entries = document.setdefault("catalog", [])
        entry = next((each for each in entries if each["semantic_type"] == steps[1]), None)
        if entry is None:
            entry = {"semantic_type": steps[1]}
            entries.append(entry)
        return entry, steps[2]
    raise InvalidRules(
        f"{key!r} is no key of the rules; they are written policy, recency_seconds, limits.NAME, normalise.NAME, catalog.TYPE.NAME and"
        " blocked.TYPE.exact or .patterns"
    )


def _refuse_other_shapes(document: Mapping[str, Any], name: str) -> None:
    """What an edit before this one put there may be anything. Raises InvalidRules where a path cannot lead through it."""
    part = document.get(name)
    is_fit = {
        "catalog": isinstance(part, list) and all(isinstance(each, dict) and "semantic_type" in each for each in part),
        "blocked": isinstance(part, dict) and all(isinstance(each, dict) for each in part.values()),
    }
    if name in document and not is_fit.get(name, isinstance(part, dict)):
        raise InvalidRules(f"{name} is not of the form that `onefold rules show` prints, so no key inside it can be set")


def _tidy(document: dict[str, Any]) -> dict[str, Any]:
    """Without parts that say nothing any more. An added type that says nothing but its name stays: its name says that it resolves."""
    if "catalog" in document:
        document["catalog"] = [entry for entry in document["catalog"] if len(entry) > 1 or entry["semantic_type"] not in _BUILT_IN]
    if "blocked" in document:
        document["blocked"] = {kind: part for kind, part in document["blocked"].items() if part}
    return {name: part for name, part in document.items() if part not in ({}, [])}
