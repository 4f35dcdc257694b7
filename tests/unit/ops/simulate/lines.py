"""Lines for simulated runs: interactions as a server would write them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import msgspec

from onefold.identity.rules_reading import document_of
from onefold.ops.simulate.lines import numbered
from onefold.ops.simulate.report import report, text
from onefold.ops.simulate.run import Run, from_empty, same_everywhere
from tests.support.installations import record_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onefold.identity.interaction import Interaction


def line(*identifiers: str, event_id: str, **more: Any) -> bytes:
    """One interaction; identifiers are written `type:value`."""
    named = [{"semantic_type": kind, "identifier": value} for kind, _, value in (each.partition(":") for each in identifiers)]
    given = {"event_id": event_id, "workspace": "acme", "type": "track", "occurred_at": "2026-11-01T09:00:00Z", "identifiers": named}
    return json.dumps({**given, **more}).encode()


def lines_of(interactions: Iterable[Interaction]) -> list[bytes]:
    """The same interactions as lines."""
    return [record_of(each)[1] for each in interactions]


def simulated(lines: Iterable[bytes], *, rules: dict[str, Any] | None = None, diff: bool = False) -> Any:
    """The report of a run from nothing, as readers of its JSON find it."""
    run = Run(same_everywhere(document_of(rules or {})))
    present = Run(same_everywhere(None)) if diff else None
    bad = from_empty(numbered(io.BytesIO(b"\n".join(lines))), [run] if present is None else [present, run])
    return msgspec.json.decode(b"".join(text(report(run, bad, present=present))))


def groups(said: Any) -> list[list[str]]:
    """The identifiers by contact, in a canonical form."""
    return sorted(
        sorted(f"{each['semantic_type']}:{each['normalised']}" for each in contact["identifiers"]) for contact in said["contacts"]
    )


def outcomes(said: Any) -> list[tuple[str, str | None]]:
    """What became of each interaction, and why."""
    return [(each["outcome"], each["reason"]) for each in said["outcomes"]]
