"""What commands print: data that a terminal obeys in nothing (S98, poison 36)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from onefold.cli.output import fail, print_json, print_line, print_table, say
from onefold.errors import ContactNotFound

if TYPE_CHECKING:
    import pytest

EVIL = "a\x1b[31m\x9b2J\x07\x7f\u202e\u2066b"
NAMED = r"a\x1b[31m\x9b2J\x07\x7f\u202e\u2066b"


def obeyed(text: str) -> set[str]:
    """Characters in it that a terminal would obey."""
    return {each for each in text if not each.isprintable()} - {"\n"}


def test_a_table_writes_out_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["name", "of"], [(EVIL, "[red]markup[/red]"), ("line\nforged", "Zoë 日本")])
    text = capsys.readouterr().out
    assert obeyed(text) == set()
    assert NAMED in text
    assert "[red]markup[/red]" in text
    assert "Zoë 日本" in text
    assert [line.split()[0] for line in text.splitlines()] == ["name", NAMED, "line\\nforged"]


def test_json_means_what_it_meant_and_obeys_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({EVIL: [EVIL, "Zoë 日本"]})
    print_line({EVIL: "\x7f"})
    text = capsys.readouterr().out
    assert obeyed(text) == set()
    *document, line = text.splitlines()
    assert json.loads("\n".join(document)) == {EVIL: [EVIL, "Zoë 日本"]}
    assert json.loads(line) == {EVIL: "\x7f"}


def test_talk_keeps_its_lines_and_obeys_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"one {EVIL}\ntwo")
    fail(ContactNotFound(f"no contact for {EVIL}"))
    text = capsys.readouterr().err
    assert obeyed(text) == set()
    assert len(text.splitlines()) == 3
