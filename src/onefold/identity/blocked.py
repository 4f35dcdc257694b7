"""Values that a workspace blocks: by their exact text, or by a pattern in time linear in the value (guard 5; product.md, section 4).

Patterns are RE2's: no value and no pattern makes it slow, which Python's own engine does not promise. A pattern is looked for anywhere
in the normalised value, so `^` and `$` bind it to the ends. Called by `rules_document`, which refuses what does not compile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import re2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_MEMORY_BYTES = 1 << 20
"""Of one compiled pattern; RE2 refuses `(.{1000}){1000}` instead of growing."""


class BadPattern(ValueError):
    """RE2 does not take the pattern; the text says why."""


class BlockedValues:
    """What is blocked of one type: `normalised in blocked`."""

    def __init__(self, exact: Iterable[str] = (), patterns: Sequence[str] = ()) -> None:
        self.exact = frozenset(exact)
        self._found = [compiled(pattern).search for pattern in patterns]

    def __contains__(self, normalised: str) -> bool:
        """Whether a normalised value never resolves."""
        return normalised in self.exact or any(found(normalised) is not None for found in self._found)


def compiled(pattern: str) -> Any:
    """The pattern, ready to search. Raises BadPattern."""
    options = re2.Options()
    options.max_mem = MOST_MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise BadPattern(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
