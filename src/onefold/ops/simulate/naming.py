"""How interactions name their visitor, under the rules of one run: worked out once for all that do it by the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onefold.identity.identifiers import Dropped, Identifier
    from onefold.identity.rules import Rules


class Naming:
    """The identifiers that some bytes mean in a workspace."""

    __slots__ = ("device_bound", "dropped", "has_personal", "identifiers", "keys")

    def __init__(self, workspace: str, identifiers: tuple[Identifier, ...], dropped: Sequence[Dropped], rules: Rules) -> None:
        self.identifiers = identifiers
        self.dropped = tuple(dropped)
        self.keys = [(workspace, each.key) for each in identifiers]
        """Where the snapshot keeps their tenures."""
        self.device_bound = [rules.catalog.entry(each.semantic_type).device_bound for each in identifiers]
        self.has_personal = not all(self.device_bound)
