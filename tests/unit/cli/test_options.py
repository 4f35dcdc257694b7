"""What commands take and how they show it."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from onefold.cli.options import time_of
from onefold.cli.output import print_line


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_json_says_the_same_and_nothing_to_a_terminal(value: object) -> None:
    """Poison 36: a program reads the very text, a terminal obeys nothing in it."""
    written = StringIO()
    with redirect_stdout(written):
        print_line(value)
    assert json.loads(written.getvalue()) == value
    assert not {"\x1b", "\x9b", "\x7f", "\u202e"} & set(written.getvalue())


def test_a_time_is_told_absolutely_or_as_how_long_ago() -> None:
    assert time_of("2026-11-01T10:30:00+01:00") == datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
    ago = time_of("2h")
    assert ago is not None
    assert timedelta(hours=2) <= datetime.now(UTC) - ago < timedelta(hours=2, minutes=5)
    assert time_of(None) is None
    for wrong in ("yesterday", "2026-11-01T10:30:00", "2w", ""):
        with pytest.raises(typer.BadParameter):
            time_of(wrong)
