"""`onefold up`: embedded servers and every role in one terminal, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Option(help="Where the servers keep their data, logs and addresses.")]


def up(folder: Folder = Path(".onefold"), workspace: Annotated[str, typer.Option(help="Workspace to set up.")] = "acme") -> None:
    """Start Kafka, Postgres, Valkey and every role on this machine, set a workspace up, and run until Ctrl-C."""
    from onefold.ops.local_stack import run_stack  # noqa: PLC0415 -- a command loads only what it needs

    run_stack(folder, workspace)
