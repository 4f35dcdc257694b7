"""Every command that the pages for operators show is one that exists, with those options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from onefold.cli.main import app

HOW_TO = Path(__file__).parents[3] / "docs/how-to"
PAGES = [
    "contacts-by-hand.md",
    "dead-letters.md",
    "erase.md",
    "explain.md",
    "identity-tokens.md",
    "kafka.md",
    "parked-and-quarantined.md",
    "proposals.md",
    "replay.md",
    "restore.md",
    "rules.md",
    "script.md",
    "try-a-rule.md",
    "undo-a-merge.md",
    "validation.md",
]
JOB = "0b8f3a52-5c5e-4d3a-9a7e-111111111111"


def shown(page: str) -> list[list[str]]:
    """The commands in a page's blocks and in its sentences."""
    text = (HOW_TO / page).read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.replace("\\\n", "").splitlines()]
    lines += re.findall(r"`(onefold [^`]+)`", text)
    words = [
        shlex.split(line.partition(" > ")[0].partition(" | ")[0].replace("JOB", JOB).replace("KID", JOB), comments=True)
        for line in lines
        if line.startswith("onefold ")
    ]
    return [each[1:] for each in words]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_shown_is_one_that_exists(page: str) -> None:
    commands = shown(page)
    assert len(commands) >= 3
    for words in commands:
        parse(typer.main.get_command(app), words, None)


def parse(command: Any, words: list[str], parent: Any) -> None:
    """Read the words as the command line would, down to the command that they end in. Raises UsageError."""
    context = command.make_context(command.name, list(words), parent=parent)
    if hasattr(command, "resolve_command"):
        _, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None
        parse(inner, rest, context)


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for words in (["replay", "--everything"], ["dead-letters", "bury"]):
        with pytest.raises(Exception, match=r"(?i)no such"):
            parse(typer.main.get_command(app), words, None)
