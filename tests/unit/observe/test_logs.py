"""Logs: one line each, whatever a foreign text holds (S98), of listed fields, without anybody's value (S95 to S97)."""

from __future__ import annotations

import ast
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from onefold.errors import LogUnavailable
from onefold.logs import FIELDS, set_up_logs
from onefold.observe import Health, Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
LOGGER = re.compile(r"([\w.]*[._])?log\.(debug|info|warning|error|exception|critical|bind)")
CANARY = "ann-canary"


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one line that was written."""
    (line,) = capsys.readouterr().err.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_line_stays_a_line_and_its_controls_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """S98, poison 36."""
    log = set_up_logs("info", "json", role="test")
    log.info("named", reason="a\x1b[2J\nfake line\u202e")
    found = said(capsys)
    assert (found["event"], found["role"]) == ("named", "test")
    assert "\x1b" not in found["reason"]
    assert "\n" not in found["reason"]


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_shows_where_and_nobodys_value(style: Literal["json", "console"], capsys: pytest.CaptureFixture[str]) -> None:
    """I14, S96: what a function was working on is a person's, and so is what a library says of it; groups and causes too."""
    log = set_up_logs("info", style, role="test")
    canary = CANARY
    try:
        try:
            int(canary)
        except ValueError as error:
            raise ExceptionGroup(canary, [error, LogUnavailable("said by ourselves")]) from error
    except ExceptionGroup:
        log.exception("failed")
    text = capsys.readouterr().err
    assert "test_a_traceback_shows_where" in text
    assert "ValueError" in text
    assert canary not in text
    log.error("failed", exc_info=LogUnavailable("said by ourselves"))
    assert "said by ourselves" in capsys.readouterr().err


def test_a_field_that_is_not_listed_or_not_of_its_kind_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    """S95."""
    log = set_up_logs("info", "json", role="test")
    log.info("said", email=CANARY, partition=CANARY, code=f"{CANARY} <x@example.com>", offset=7, where=["a.b:1", f"{CANARY} d"])
    found = said(capsys)
    assert CANARY not in json.dumps(found)
    assert (found["email"], found["partition"], found["code"], found["offset"]) == ("[not listed]", "[str]", "[str]", 7)
    assert found["where"] == ["a.b:1", "[str]"]


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.com",
        "+49 30 123456-78",
        "+4915112345678",
        "of_sec_ABCdef_012-345",
        "eyJhbGciOi.eyJzdWIi.c2ln",
        "Ann.O'Neil+x@mail.example.co.uk",
    ],
)
def test_addresses_numbers_and_credentials_are_masked_in_free_text(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """S95, S97: in our own errors, and in what libraries log."""
    log = set_up_logs("info", "json", role="test")
    log.warning("refused", reason=f"cannot take {value}, for a reason")
    found = said(capsys)
    assert value not in found["reason"]
    assert found["reason"].startswith("cannot take ")
    assert found["reason"].endswith("], for a reason")
    logging.getLogger("somebody.else").warning("cannot take %s", value)
    assert value not in said(capsys)["event"]


def test_every_call_of_a_logger_says_static_names_and_listed_fields() -> None:
    """S95, in the code itself: a field is put on the list, with its kind, before it is said."""
    calls = list(_calls())
    assert len(calls) > 40, "the loggers were not found"
    for place, call in calls:
        names = {each.arg for each in call.keywords}
        assert names <= set(FIELDS), f"{place}: {names - set(FIELDS)}"
        for each in call.args:
            assert isinstance(each, ast.Constant), f"{place}: an event's name is static"
            assert str(each.value).replace("_", "").islower(), place


def _calls() -> Iterator[tuple[str, ast.Call]]:
    paths = [path for folder in ("src", "streams") for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "logs.py"]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and LOGGER.fullmatch(ast.unparse(node.func)):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_a_health_that_is_not_ticked_is_not_live() -> None:
    health = Health("test", Metrics().registry)
    assert health.reasons == {"start": "starting"}
    health.ready("start")
    assert health.reasons == {}
    health.waiting("store", "away")
    assert health.reasons == {"store": "away"}
    lives = [health.is_live]
    health._ticked -= 31
    lives.append(health.is_live)
    health.tick()
    assert [*lives, health.is_live] == [True, False, True]
