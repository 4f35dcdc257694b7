"""`onefold contacts consent`: record what a person said of a purpose. Without --execute the plan is shown."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from onefold.cli import options
from onefold.cli.contacts import Json, Who, Workspace  # noqa: TC001 -- typer reads annotations
from onefold.cli.merging import Actor, Execute, Reason, act, found, tell, user
from onefold.cli.output import run

if TYPE_CHECKING:
    from onefold.contacts.acting import User
    from onefold.contacts.consent import Word
    from onefold.identity.contact import Contact
    from onefold.identity.plan import Plan
    from onefold.records.store import Connection


class State(StrEnum):
    """What was said."""

    GRANTED = "granted"
    DENIED = "denied"


def consent(  # noqa: PLR0913 -- the options of one command
    who: Who,
    purpose: Annotated[str, typer.Argument(help="Such as newsletter.")],
    state: Annotated[State, typer.Argument(help="What the person said.")],
    source: Annotated[str, typer.Option("--source", help="Where it was said, such as: call of 3 May.")],
    at: Annotated[
        str | None, typer.Option("--at", help=f"When it was said; now, if not given. {options.TIME_HELP}", show_default=False)
    ] = None,
    workspace: Workspace = "acme",
    actor: Actor = None,
    reason: Reason = None,
    *,
    execute: Execute = False,
    json: Json = False,
) -> None:
    """Record what a person said of a purpose. The latest word counts; where contacts merge, the stricter one."""
    from onefold.contacts.consent import Word  # noqa: PLC0415 -- a command loads only what it needs

    decider = user(actor, reason or source, execute=execute)
    word = Word(purpose, state.value, source, options.time_of(at))
    contact, plan = run(_consent(workspace, who, word, decider, execute=execute))
    told = {"contact": contact.contact_id, "purpose": purpose, "state": state.value, "source": source}
    tell(told, plan.changes, contact.contact_id, execute=execute, json=json, workspace=workspace)


async def _consent(workspace: str, who: str, word: Word, decider: User, *, execute: bool) -> tuple[Contact, Plan]:
    from onefold.contacts.consent import consent as recorded  # noqa: PLC0415

    async def work(connection: Connection, shards: int | None) -> tuple[Contact, Plan]:
        return await recorded(connection, workspace, await found(connection, who, workspace), [word], decider, shards=shards)

    return await act(workspace, work, execute=execute)
