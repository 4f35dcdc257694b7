"""`onefold`: the console command. Here is only what it consists of; each noun has a file of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from onefold.cli import (
    audit,
    changing,
    check,
    consent,
    contacts,
    dead_letters,
    demo,
    doctor,
    erasing,
    erasures,
    events,
    explaining,
    exporting,
    ghosts,
    holding,
    identity_keys,
    importing,
    index,
    jobs,
    keys,
    mailbox,
    merging,
    output,
    outreach,
    parked,
    proposals,
    quarantine,
    replay,
    roles,
    rules,
    script,
    seeds,
    segments,
    settings,
    setup,
    simulate,
    topics,
    up,
    users,
    validation,
)
from onefold.errors import OnefoldError

app = typer.Typer(
    name="onefold",
    help="Fold the interactions of anonymous and known visitors into one contact per person, live.",
    epilog="Addresses and secrets come from ONEFOLD_… variables (`onefold settings list`), or from a stack that runs here (`onefold up`).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

START, LOOK, OPERATE, ROLES = "Start here", "Look and change", "Operate", "Roles (one process each)"

app.command("demo", rich_help_panel=START)(demo.demo)
app.command("up", rich_help_panel=START)(up.up)
app.command("setup", rich_help_panel=START)(setup.setup)
app.command("doctor", rich_help_panel=START)(doctor.doctor)
app.add_typer(contacts.app, name="contacts", rich_help_panel=LOOK)
contacts.app.command("explain")(explaining.explain)
contacts.app.command("create")(holding.create)
contacts.app.command("identify")(holding.identify)
contacts.app.command("amend")(holding.amend)
contacts.app.command("release")(holding.release)
contacts.app.command("edit")(changing.edit)
contacts.app.command("validate")(changing.validate)
contacts.app.command("archive")(changing.archive)
contacts.app.command("restore")(changing.restore)
contacts.app.command("erase")(erasing.erase)
contacts.app.command("export")(exporting.export)
contacts.app.command("consent")(consent.consent)
contacts.app.command("merge")(merging.merge)
contacts.app.command("unmerge")(merging.unmerge)
app.command("import", rich_help_panel=LOOK)(importing.import_contacts)
app.add_typer(proposals.app, name="proposals", rich_help_panel=LOOK)
app.add_typer(segments.app, name="segments", rich_help_panel=LOOK)
app.add_typer(events.app, name="events", rich_help_panel=LOOK)
app.add_typer(keys.app, name="keys", rich_help_panel=LOOK)
app.command("script", rich_help_panel=LOOK)(script.script)
app.add_typer(users.app, name="users", rich_help_panel=LOOK)
app.add_typer(outreach.app, name="outreach", rich_help_panel=LOOK)
app.add_typer(mailbox.app, name="mailbox", rich_help_panel=LOOK)
app.add_typer(identity_keys.app, name="identity-keys", rich_help_panel=LOOK)
app.add_typer(topics.app, name="topics", rich_help_panel=LOOK)
app.add_typer(rules.app, name="rules", rich_help_panel=LOOK)
app.add_typer(seeds.app, name="seeds", rich_help_panel=LOOK)
app.command("simulate", rich_help_panel=LOOK)(simulate.simulate)
app.add_typer(settings.app, name="settings", rich_help_panel=LOOK)
app.add_typer(validation.app, name="validation", rich_help_panel=LOOK)
app.command("check", rich_help_panel=OPERATE)(check.check)
app.add_typer(audit.app, name="audit", rich_help_panel=OPERATE)
app.add_typer(index.app, name="index", rich_help_panel=OPERATE)
app.add_typer(parked.app, name="parked", rich_help_panel=OPERATE)
app.add_typer(quarantine.app, name="quarantine", rich_help_panel=OPERATE)
app.add_typer(dead_letters.app, name="dead-letters", rich_help_panel=OPERATE)
app.command("replay", rich_help_panel=OPERATE)(replay.replay)
app.add_typer(jobs.app, name="jobs", rich_help_panel=OPERATE)
app.add_typer(erasures.app, name="erasures", rich_help_panel=OPERATE)
app.add_typer(ghosts.app, name="ghosts", rich_help_panel=OPERATE)
for name, command in roles.COMMANDS.items():
    app.command(name, rich_help_panel=ROLES)(command)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # noqa: PLC0415 -- costs a walk over the environment

        typer.echo(f"onefold {version('onefold')}")
        raise typer.Exit


@app.callback()
def _options(
    *, show_version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False
) -> None:
    """Options of every command."""


def main() -> None:
    """Run the command line; the exit code says how it went (docs/reference/commands.md)."""
    try:
        app()
    except OnefoldError as error:
        sys.exit(output.fail(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
