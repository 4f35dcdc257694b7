"""Tables as CSV, both ways: what people open in a spreadsheet, and what they save from one (security.md, S71).

A cell that a spreadsheet would take for a formula gets an apostrophe before it, which spreadsheets do not show; reading takes it off again.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMULA_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r")
DELIMITERS: Final = ",;\t"


def csv_row(values: Iterable[object]) -> str:
    """One row, with its line's end. None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_shown(value) for value in values])
    return text.getvalue()


def cells_of(record: str, delimiter: str) -> list[str]:
    """The cells of one row. Raises csv.Error."""
    rows = list(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter, strict=True))
    return [_meant(cell) for cell in rows[0]] if rows else []


def delimiter_of(header: str) -> str:
    """What separates the cells of a file with this first row: the comma, unless another one is in it more often."""
    return max(DELIMITERS, key=lambda each: (header.count(each), each == ","))


def _shown(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_BEGINS) else text


def _meant(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA_BEGINS) else cell
