"""`onefold simulate` as it is typed: without a server, without a setting, and with exit codes that tell."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from jsonschema import Draft202012Validator

from onefold.cli.main import app
from onefold.ops.simulate.shapes import schema
from tests.unit.ops.simulate.lines import line

if TYPE_CHECKING:
    from pathlib import Path

LINES = [line("email:a@x.io", "card:7", event_id="e1"), line("email:b@x.io", "card:7", event_id="e2", traits={"given_name": "\x1b[2J"})]


def given(folder: Path, *lines: bytes) -> str:
    file = folder / "events.jsonl"
    file.write_bytes(b"\n".join(lines))
    return str(file)


def onefold(*words: str) -> int:
    """Give a command; gives its exit code."""
    try:
        code = typer.main.get_command(app).main(list(words), "onefold", standalone_mode=False)
    except typer.Exit as ended:
        return ended.exit_code
    return code if isinstance(code, int) else 0


def test_events_are_decided_on_without_a_server_or_a_setting(tmp_path: Path) -> None:
    """Issue 5, what-if: a process of its own, with nothing in its environment, in an empty folder."""
    words = [sys.executable, "-m", "onefold", "simulate", "--from", "empty", given(tmp_path, *LINES), "--json"]
    done = subprocess.run(words, cwd=tmp_path, env={}, capture_output=True, check=True)
    said = json.loads(done.stdout)
    Draft202012Validator(schema()).validate(said)
    assert [each["outcome"] for each in said["outcomes"]] == ["created", "created"]
    assert b"\x1b" not in done.stdout, "a terminal would obey it (S98)"
    assert done.stderr == b""


def test_events_come_from_standard_input_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    class Input:
        buffer = io.BytesIO(b"\n".join(LINES))

    monkeypatch.setattr(sys, "stdin", Input)
    assert onefold("simulate", "-", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["outcomes"]) == 2


def test_a_bad_line_is_named_on_standard_error_and_in_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 5: the rest was done."""
    assert onefold("simulate", given(tmp_path, LINES[0], b"nothing", LINES[1]), "--json") == 5
    said = capsys.readouterr()
    assert "line 2: malformed_json: " in said.err
    report: Any = json.loads(said.out)
    assert [each["line"] for each in report["bad_lines"]] == [2]
    assert len(report["outcomes"]) == 2


def test_a_difference_is_readable_without_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "RULES.json"
    rules.write_text('{"catalog": [{"semantic_type": "card"}]}', encoding="utf-8")
    assert onefold("simulate", "--rules", str(rules), "--diff", given(tmp_path, *LINES)) == 0
    said = capsys.readouterr()
    for words in ("1 contact: 1 ghost", "1 merged", "(email:a@x.io) + (email:b@x.io)", "other outcomes: 1;", "0 gone, 1 new"):
        assert words in said.out
    assert "nothing was written" in said.err


def test_rules_that_cannot_be_used_and_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """C5: exit code 2 for the words, 1 for what the file says."""
    rules = tmp_path / "RULES.json"
    rules.write_text('{"limit": {}}', encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "onefold", "simulate", "--rules", str(rules), given(tmp_path, *LINES)],
        cwd=tmp_path,
        env={"NO_COLOR": "1"},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"did you mean limits?" in done.stderr, done.stdout) == (1, True, b"")
    for words in (["no/such/file.jsonl"], ["--rules", "no/such/RULES.json", given(tmp_path)], ["--from", "somewhere", given(tmp_path)]):
        with pytest.raises(typer.BadParameter):
            onefold("simulate", *words)
