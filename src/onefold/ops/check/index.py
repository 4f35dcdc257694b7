"""I6: the index says nothing false. What it lacks, or knows late, costs a read and is `onefold index verify`'s to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onefold.errors import IndexUnavailable
from onefold.ops.check.differences import Found
from onefold.ops.index.differences import FALSE
from onefold.ops.index.verify import verify

if TYPE_CHECKING:
    from onefold.ops.check.look import Look


async def index_equals_truth(look: Look) -> Found:
    """Every undamaged entry that no separation speaks against leads to the contact that holds its identifier."""
    examined, found = look.examined, Found()
    try:
        # No recheck of its own: what is in flight is gone by the second look.
        verification = await verify(examined.store, examined.index, examined.index_secret, recheck_seconds=0.0)
    except IndexUnavailable as error:
        found.add("redis", f"could not be compared: {error}")
        return found
    found.checked = verification.identifiers
    for each in verification.listed:
        if each.kind in FALSE:
            found.add(
                f"{each.workspace} tenure {each.tenure_id}",
                f"the index is {each.kind}: it names contact {each.found_contact_id}, and {each.contact_id} holds the {each.semantic_type}",
            )
    return found
