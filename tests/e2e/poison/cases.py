"""What a case of poison is, and how its bytes are written. The cases themselves are data: `door_cases` and `topic_cases`.

Every case has a visitor of its own, whose anonymous token is WHO in its bytes; so whatever it leaves behind can be told apart.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from onefold.messages.times import time_text

Fate = Literal["R", "D", "S", "P"]
"""Refused at the door, dead-lettered, sanitised and applied, dropped by policy."""

WHO: Final = "WHO"
KEY: Final = f"acme:{WHO}".encode()
YESTERDAY: Final = time_text(datetime.now(UTC) - timedelta(days=1))
"""When events happened, unless a case says otherwise: long before they are received."""
LITERAL: Final = '"?"'
"""Stands where `written` puts what json.dumps would not write."""


@dataclass(frozen=True, slots=True)
class Person:
    """One contact, exactly as it must be stored."""

    identifiers: tuple[str, ...] = (f"anonymous_token:{WHO}",)
    """`type:normalised`, all that it holds."""
    given_name: str | None = None
    last_name: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    received: bool = False
    """Whether its time is that of the append, since the event's own was absurd."""


@dataclass(frozen=True, slots=True)
class DoorCase:
    """A request to the collector."""

    number: int
    kind: str
    fate: Fate
    word: str
    """The code of the refusal; `taken` where there is none."""
    body: bytes
    path: str = "/v1/identify"
    status: int = 400
    """Of the answer to the call alone, where it is refused."""
    headers: dict[str, bytes] = field(default_factory=dict)
    secret: bool = False
    within: Literal["alone", "rejected", "malformed"] = "rejected"
    """What it is between good neighbours in a batch: refused by itself, or a body that nobody could cut; or it is no event at all."""
    people: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class TopicCase:
    """One record of `interactions`, or several in a row."""

    number: int
    kind: str
    fate: Fate
    word: str
    """The code of the dead letter; else the outcomes of its lines, each with its reason."""
    records: tuple[tuple[bytes | None, bytes | None], ...]
    """Key and value of each."""
    headers: tuple[tuple[str, bytes | None], ...] = ()
    compressed: bool = False
    """Whether its producer compresses: so a record larger than the topic's limit gets onto the topic."""
    people: tuple[Person, ...] = ()


def named(raw: bytes, who: str) -> bytes:
    """The bytes with the visitor's name in them."""
    return raw.replace(WHO.encode(), who.encode())


def written(content: dict[str, Any], literal: bytes = b"") -> bytes:
    """JSON, fields that are `...` left out, and the literal in place of the text `?`."""
    text = json.dumps({name: value for name, value in content.items() if value is not ...}, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass").replace(LITERAL.encode(), literal) if literal else text.encode()


def call(literal: bytes = b"", **fields: Any) -> bytes:
    """A call of an SDK; `identify` unless told otherwise."""
    return written({"type": "identify", "messageId": f"m-{WHO}", "anonymousId": WHO, "timestamp": YESTERDAY, **fields}, literal)


def record(literal: bytes = b"", *more: tuple[str, Any], token: str = WHO, **fields: Any) -> bytes:
    """An interaction as a server would produce it, with identifiers beyond the visitor's token as pairs of type and value."""
    identifiers = [{"semantic_type": kind, "identifier": value} for kind, value in (("anonymous_token", token), *more)]
    first = {"event_id": f"e-{WHO}", "workspace": "acme", "type": "identify", "occurred_at": YESTERDAY, "identifiers": identifiers}
    return written({**first, **fields}, literal)


def holding(*more: str, **what: Any) -> Person:
    """The visitor with further identifiers."""
    return Person((f"anonymous_token:{WHO}", *more), **what)
