"""Values that stand for "nothing": they would collapse thousands of people into one, so they never resolve (R20).

Only what the ruling lists is here; what a workspace adds is a blocked value (`Rules.blocked`). Called by `identifiers`.
"""

from __future__ import annotations

from onefold.identity.normalise import trim

_PLACEHOLDERS = frozenset(
    {
        "",
        "null",
        "nil",
        "none",
        "undefined",
        "nan",
        "n/a",
        "true",
        "false",
        "id",
        "distinct_id",
        "distinctid",
        "anonymous",
        "guest",
        "unknown",
        "not_authenticated",
        "email",
        "-1",
        "[object object]",
    }
)
_LONGEST = max(map(len, _PLACEHOLDERS))
_QUOTES = "\"'"


def is_placeholder(text: str) -> bool:
    """Whether a trimmed value is a placeholder: one pair of quotes removed, what is in them trimmed, case folded.

    Text of zeros and hyphens only is one of any length: `0`, `0000`, the all-zero uuid, `---`.
    """
    bare = text
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in _QUOTES:
        bare = trim(bare[1:-1])
    if len(bare) <= _LONGEST and bare.casefold() in _PLACEHOLDERS:
        return True
    return bare[0] in "0-" and not bare.strip("0-")
