"""`onefold settings`: what this process would run with."""

from __future__ import annotations

import typer

from onefold.cli.output import print_json, print_table

app = typer.Typer(help="Settings of this process: what is in force, and what there is.", no_args_is_help=True)


@app.command()
def show() -> None:
    """Print the settings in force as JSON, secrets masked."""
    from onefold.settings import Settings  # noqa: PLC0415 -- costs pydantic

    print_json(Settings.load().redacted())


@app.command("list")
def list_() -> None:
    """Print every variable with its default and meaning."""
    from onefold.settings import described  # noqa: PLC0415

    rows = [(each.variable, each.default, each.text) for each in described()]
    print_table(["variable", "default", "meaning"], rows, then="onefold settings show")
