"""The interaction as it lies on the topic: what the collector or a server produces, and what the resolver reads.

Lenient where the resolver sanitises (identifiers as given, times of any kind), strict where a wrong type would be a wrong meaning.
`onefold.messages.reading` turns it into what the heart decides on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta, Raw, Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WORKSPACE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"

RELEASED: Final = "parked_released_from"
"""The header of an interaction that a person let go from where a limit had parked it: partition/offset of where it lay. Whoever may produce
to the topic may say so; calls to the collector cannot."""

AnyTime = Annotated[
    Any, Meta(description="RFC 3339 with a zone; anything else counts as absent.", extra_json_schema={"format": "date-time"})
]
AssuranceWord = Literal["claimed", "asserted", "proved"]


class WireIdentifier(Struct, omit_defaults=True):
    """One identifier, as given by whoever emitted the event."""

    semantic_type: str
    identifier: Annotated[Any, Meta(description="Text or a number; whatever else is dropped, and the event is kept (R21).")]
    slug: str | None = None


class WireProof(Struct):
    """What a proved interaction proves (R8)."""

    semantic_type: str
    identifier: Any
    method: str


class InteractionMessage(Struct):
    """One event about one visitor."""

    event_id: Annotated[str, Meta(description="Unique in its workspace; the same event sent again has the same.")]
    workspace: Annotated[str, Meta(extra_json_schema={"pattern": WORKSPACE_PATTERN})]
    type: Annotated[
        str, Meta(description="identify, track, page, screen, group, alias, message, form; an unknown one is kept and resolves.")
    ]
    channel: Annotated[
        str, Meta(description="web, chat_widget, funnel, mobile, sms, whatsapp, server; an unknown one is kept and resolves.")
    ] = "server"
    name: str | None = None
    assurance: AssuranceWord = "asserted"
    proof: WireProof | None = None
    occurred_at: AnyTime = None
    received_at: AnyTime = None
    identifiers: list[WireIdentifier] = field(default_factory=list)
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    group: Annotated[str | None, Meta(description="Slug of an organization.")] = None
    asserts: Annotated[
        list[WireIdentifier] | None,
        Meta(description="What an identity token names. Of an asserted interaction that has it, all else counts as claimed (S50)."),
    ] = None
    schema: Annotated[int, Meta(description="Major version of this schema; absent means 1.")] = 1


class SkimmedInteraction(Struct):
    """The same, read as far as a known visitor needs: identifiers are still the bytes that they came as (`codec.skim`)."""

    event_id: str
    workspace: str
    type: str
    channel: str = "server"
    name: str | None = None
    assurance: AssuranceWord = "asserted"
    proof: WireProof | None = None
    occurred_at: Any = None
    received_at: Any = None
    identifiers: Raw = Raw(b"[]")
    traits: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    group: str | None = None
    asserts: list[WireIdentifier] | None = None
    schema: int = 1


def is_released(headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """Whether a record's headers say that a person let it go from where a limit had parked it."""
    return any(name == RELEASED for name, _ in headers)


def interaction_key(message: InteractionMessage) -> bytes:
    """The key of the message's record."""
    return record_key(message.workspace, message.identifiers)


def record_key(workspace: str, identifiers: Sequence[WireIdentifier]) -> bytes:
    """The record's key: `workspace:` and the first anonymous token as given, else the first identifier of any type.

    Only texts that are not blank and whole numbers count; with none of them the key ends at the colon.
    """
    first = None
    for each in identifiers:
        text = _as_given(each.identifier)
        if text is None:
            continue
        if each.semantic_type == "anonymous_token":
            first = text
            break
        if first is None:
            first = text
    return f"{workspace}:{first or ''}".encode()


def _as_given(value: object) -> str | None:
    """A text as it is, a whole number in digits; None for anything else (R21)."""
    if type(value) is str:
        return value if value and not value.isspace() else None
    if type(value) is float and value.is_integer():
        value = int(value)
    return str(value) if type(value) is int else None
