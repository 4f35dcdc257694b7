"""Read a document of rules from JSON, or say everything that is wrong with it: where, why, and what to do.

A stored document is read as strictly as a new one: rules that a worker would half understand must not decide who is whom.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from onefold.errors import InvalidRules
from onefold.identity.rules_document import BlockedPart, Document, Entry, LimitsPart, NormalisePart

if TYPE_CHECKING:
    from pydantic import BaseModel

SHOWN_CHARACTERS = 60
_PARTS: dict[str, type[BaseModel]] = {"catalog": Entry, "limits": LimitsPart, "blocked": BlockedPart, "normalise": NormalisePart}


def read(text: str | bytes) -> Document:
    """A document from its JSON. Raises InvalidRules, which names every place that is wrong."""
    try:
        raw = json.loads(text, object_pairs_hook=_each_key_once)
    except (ValueError, RecursionError) as error:
        raise InvalidRules(f"the rules are not JSON: {error}") from None
    return document_of(raw)


def document_of(raw: object) -> Document:
    """A document from JSON that is decoded already. Raises InvalidRules."""
    try:
        return Document.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        lines = [_said(raw, each) for each in error.errors(include_url=False)]
        raise InvalidRules("the rules cannot be used as they are:\n" + "\n".join(f"  {line}" for line in lines)) from None
    except ValueError as error:
        raise InvalidRules(f"the rules are not JSON: {error}") from None


def _each_key_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _said(raw: object, error: Any) -> str:
    """What is wrong, and where: `limits.values_per_type: Input should be …`."""
    place: list[str] = []
    here: Any = raw
    for step in error["loc"]:
        here = here[step] if isinstance(here, (dict, list)) and (isinstance(step, int) or step in here) else None
        named = here.get("semantic_type") if isinstance(here, dict) and isinstance(step, int) else None
        place.append(named if isinstance(named, str) else str(step))
    where = ".".join(place) or "rules"
    if error["type"] == "extra_forbidden":
        return f"{where}: there is no such key; {_keys_beside(error['loc'])}"
    if error["type"] == "value_error":
        text = str(error["ctx"]["error"])
        return text if not place else f"{where}: {text}"
    return f"{where}: {error['msg'][:1].lower()}{error['msg'][1:]}" + (
        "" if error["type"] == "missing" else f", not {_short(error['input'])}"
    )


def _keys_beside(place: tuple[int | str, ...]) -> str:
    known = list(_PARTS.get(str(place[0]), Document).model_fields if len(place) > 1 else Document.model_fields)
    close = get_close_matches(str(place[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
