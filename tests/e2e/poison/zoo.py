"""Strange values that both doors must treat alike: as given, and what is compared, or None where they never resolve."""

from __future__ import annotations

from typing import Any, Final

PLACEHOLDERS: Final = (
    *("", " ", "null", "nil", "NONE", "undefined", "NaN", "n/a", "true", "False", "id", "distinct_id", "distinctid", "anonymous"),
    *("Guest", "unknown", "not_authenticated", "email", "-1", "[object Object]", "0", "0000", "---", '"null"', "' Anonymous '"),
    "00000000-0000-0000-0000-000000000000",
)
"""R20."""

EMAILS: Final[dict[str, str | None]] = {
    "two@signs@example.com": None,
    '"quoted local"@example.com': None,
    "zoo1@bücher.example": "zoo1@xn--bcher-kva.example",
    "ZOO2@EXAMPLE.com ": "zoo2@example.com",
    "zo\u043e3@example.com": "zo\u043e3@example.com",
    "\u202ezoo4@example.com": "zoo4@example.com",
    "zoo\u202e5@example.com": None,
    "a" * 308 + "@example.com": None,
    "zoo6@[127.0.0.1]": None,
    "Ann <zoo7@example.com>": None,
    "zoo8@example": None,
    "zoo9+tag@gmail.com": "zoo9+tag@gmail.com",
    "zoö10@example.com": "zoö10@example.com",
    "zoo\u030811@example.com": "zoö11@example.com",
    "zoo12@example.com\r\nBcc: all@example.com": None,
}
"""Two @, quoted local part, IDN, look-alike letters (kept apart), bidirectional controls, 320 characters and kin."""

PHONES: Final[dict[str, str | None]] = {
    "+49 30 901820 ext. 5": None,
    "030 901820": None,
    "112": None,
    "+49 900 1234567": "+499001234567",
    "+\u0664\u0669\u0663\u0660\u0669\u0660\u0661\u0668\u0662\u0660": "+4930901820",
    "+1 (415) 555-2671": "+14155552671",
    "tel:+44-20-7946-0958": "+442079460958",
    "+999 123456789": None,
    "+1415555267112345": None,
}
"""Extension, no region, short code, premium, digits that are not ASCII and kin."""

TIMES: Final[tuple[Any, ...]] = (
    *("yesterday", "2026-11-01T09:00:00", "0001-01-01T00:00:00Z", "99999-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"),
    *("2026-11-01T09:00:60Z", "2999-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", -5, 1e300, True, {}, []),
)
"""Unparsable, no zone, year 1 or 99999, negative, second 60, far future: the event happened when it was received."""

STRANGE_KEYS: Final[dict[str, Any]] = {
    "a.b.c": 1,
    ".": 2,
    "$set": {"$inc": {"a.b": 3}},
    "__proto__": {"admin": True},
    "constructor": 4,
    "k" * 1_024: 5,
    "": 6,
    "'; drop table contacts; --": 7,
    "\u202e": 8,
    "workspace": "beta",
    "version": 99,
}

STRANGE_NUMBERS: Final[dict[str, Any]] = {
    "above bigint": 2**63,
    "above unsigned": 2**64,
    "below bigint": -(2**63) - 1,
    "of 300 digits": 10**299,
    "smallest float": 5e-324,
    "fraction": 0.1,
    "minus zero": -0.0,
}
LARGEST_FLOAT: Final = 1.7976931348623157e308
LARGEST_FLOAT_IN_DIGITS: Final = 17976931348623157 * 10**292
"""What Postgres makes of it: the same number."""

NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("\x1b[31mRed\x1b[0m", "\x1b]0;owned\x07Title"),
    ("\x9b31mC1", "Bell\x07\x08\x7f"),
    ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'),
    ('=HYPERLINK("http://evil.example","x")', "+1+cmd|' /C calc'!A0"),
    ("[red]markup[/red]", "line\nforged: row"),
    ("a\u202eb", "z\u200bw"),
)
"""Terminal escapes, control characters, HTML, formula prefixes, markup, forged lines, invisible marks: stored as given."""
