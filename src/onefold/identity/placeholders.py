"""Values that look like identifiers and are none (R20): they would fold thousands of people into one."""

from __future__ import annotations

_WORDS = frozenset(
    "null nil none undefined nan n/a true false id distinct_id distinctid anonymous guest unknown not_authenticated email -1".split()
) | {"[object object]"}


def is_placeholder(text: str) -> bool:
    """Whether a text is a placeholder, compared after trimming, one pair of quotes removed, case folded."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "'\"":
        bare = bare[1:-1].strip()
    return not bare.strip("0-") or bare.casefold() in _WORDS
