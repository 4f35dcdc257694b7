"""Tables as CSV: no cell is a formula, and what is written is read again (security.md, S71)."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefold.messages.spreadsheets import FORMULA_BEGINS, cells_of, csv_row, delimiter_of


@pytest.mark.parametrize("begin", FORMULA_BEGINS)
def test_a_cell_that_would_be_a_formula_is_neutralised(begin: str) -> None:
    """S71: = + - @, tab and carriage return."""
    (row,) = csv.reader(io.StringIO(csv_row([f"{begin}HYPERLINK(1)"]), newline=""))
    assert row == [f"'{begin}HYPERLINK(1)"]


def test_other_cells_stay_as_they_are() -> None:
    assert csv_row(["ann", None, 7, 'say "hi"', "a,b"]) == 'ann,,7,"say ""hi""","a,b"\r\n'


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=1, max_size=5))
def test_what_is_written_is_read_again(cells: list[str]) -> None:
    """Whatever it holds; but for an apostrophe that somebody else put before a formula."""
    if not any(each.startswith("'") for each in cells):
        assert cells_of(csv_row(cells), ",") == cells


@pytest.mark.parametrize(("header", "delimiter"), [("a,b", ","), ("a;b;c", ";"), ("a\tb", "\t"), ("a", ","), ("", ",")])
def test_the_delimiter_is_what_the_first_row_has_most_of(header: str, delimiter: str) -> None:
    assert delimiter_of(header) == delimiter
