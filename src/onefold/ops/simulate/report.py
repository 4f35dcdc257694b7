"""From a run to its report, and from a report to one JSON document with an item a line, so that `grep` and `diff` work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from onefold.ops.simulate.difference import Result, difference
from onefold.ops.simulate.shapes import ContactShown, IdentifierShown, ProposalShown, Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onefold.identity.contact import Contact, Tenure
    from onefold.ops.simulate.lines import BadLine
    from onefold.ops.simulate.run import Run
    from onefold.ops.simulate.shapes import Difference, OtherOutcome, OutcomeLine
    from onefold.ops.simulate.world import World

_encoder = msgspec.json.Encoder()
ITEMS = 1_000
"""Of a list, that are encoded at once."""


def report(run: Run, bad: Sequence[BadLine], *, present: Run | None = None) -> Report:
    """What a run says; beside one under the `present` rules, also what is different."""
    contacts, proposals = contacts_shown(run.world), proposals_shown(run.world)
    diff: Difference | None = None
    if present is not None:
        diff = difference(_result(present), Result(contacts, run.outcomes, proposals))
    if len({each.workspace for each in contacts} | {each.workspace for each in run.outcomes}) <= 1:
        told: list[ContactShown | OutcomeLine | OtherOutcome | ProposalShown] = [*contacts, *run.outcomes, *proposals]
        if diff is not None:
            told += [*diff.outcomes, *diff.proposals.gone, *diff.proposals.new]
        for each in told:
            each.workspace = UNSET
    return Report(contacts, run.outcomes, proposals, UNSET if diff is None else diff, list(bad) or UNSET)


def difference_of(before: Run, after: Run) -> Difference:
    """What one run made otherwise than the other, of the same lines."""
    return difference(_result(before), _result(after))


def _result(run: Run) -> Result:
    return Result(contacts_shown(run.world), run.outcomes, proposals_shown(run.world))


def contacts_shown(world: World) -> list[ContactShown]:
    """The contacts of a run, by workspace, the longest known first."""
    ordered = sorted(world.contacts, key=lambda each: (each.workspace, each.first_seen_at, each.contact_id))
    return [_contact(each, world) for each in ordered]


def proposals_shown(world: World) -> list[ProposalShown]:
    """What the run leaves open, in the order of the lines."""
    return [
        ProposalShown(each.interaction.event_id, each.guard.value, each.semantic_type, list(pair), "open", each.workspace)
        for each, pair in world.proposed
    ]


def text(said: Report) -> Iterator[bytes]:
    """The report as JSON, piece by piece."""
    parts: list[tuple[str, Sequence[Any]]] = [("contacts", said.contacts), ("outcomes", said.outcomes), ("proposals", said.proposals)]
    if said.bad_lines is not UNSET:
        parts.append(("bad_lines", said.bad_lines))
    comma = b"{\n"
    for name, items in parts:
        yield b'%b"%b": [' % (comma, name.encode())
        yield from _list(items)
        comma = b",\n"
    if said.diff is not UNSET:
        yield b',\n"diff": ' + msgspec.json.format(_encoder.encode(said.diff), indent=2)
    yield b"\n}\n"


def _list(items: Sequence[Any]) -> Iterator[bytes]:
    """The rest of a list, an item a line."""
    comma = b"\n"
    for start in range(0, len(items), ITEMS):
        lines = _encoder.encode_lines(items[start : start + ITEMS])
        yield comma + lines.removesuffix(b"\n").replace(b"\n", b",\n")
        comma = b",\n"
    yield b"\n]" if items else b"]"


def _contact(contact: Contact, world: World) -> ContactShown:
    return ContactShown(
        contact.contact_id,
        contact.type,
        contact.given_name,
        contact.last_name,
        [_identifier(tenure) for tenure in contact.listed],
        {profile: values for profile, values in contact.attributes.items() if values},
        list(world.merged(contact)),
        contact.workspace,
    )


def _identifier(tenure: Tenure) -> IdentifierShown:
    return IdentifierShown(
        tenure.semantic_type, tenure.identifier, tenure.normalised, tenure.slug, tenure.is_validated, tenure.assurance.word
    )
